#include "silence.h"

#if EDGE_SER_HAS_SILENCE

#include <math.h>
#include <string.h>

void edge_ser_silence_reset(edge_ser_silence *silence)
{
    memset(silence, 0, sizeof *silence);
    silence->peak = -HUGE_VAL;
    silence->since_loud = EDGE_SER_DELAY + 1;
}

static double level_of(const float *frame)
{
    double level = 0.0;

    for (int k = 0; k < EDGE_SER_N_MFCC; k++)
        level += (double)frame[k] * edge_ser_to_level[k];
    return level;
}

edge_ser_decision edge_ser_silence_push(edge_ser_silence *silence, const float *frame, float *out)
{
    double level = frame ? level_of(frame) : -HUGE_VAL;
    double loudest; /* frame up to a margin after the frame in question */
    int oldest_level = (silence->level_slot + 1) % (EDGE_SER_MARGIN + 1);
    int oldest_frame = (silence->frame_slot + 1) % (EDGE_SER_DELAY + 1);

    silence->peak = fmax(silence->peak - EDGE_SER_DECAY, level);
    silence->peaks[silence->level_slot] = silence->peak;
    silence->levels[silence->level_slot] = level;
    if (frame)
        memcpy(silence->frames[silence->frame_slot], frame, sizeof silence->frames[0]);
    if (silence->n_frames <= EDGE_SER_DELAY)
        silence->n_frames++;

    if (silence->n_frames > EDGE_SER_MARGIN) {
        level = silence->levels[oldest_level];
        loudest = silence->peak + EDGE_SER_MARGIN * EDGE_SER_DECAY;
        if (level > loudest - EDGE_SER_RANGE_DB && level > EDGE_SER_FLOOR_DB)
            silence->since_loud = 0;
        else if (silence->since_loud <= EDGE_SER_DELAY)
            silence->since_loud++;
    }
    loudest = silence->peaks[oldest_level] + EDGE_SER_MARGIN * EDGE_SER_DECAY;
    silence->level_slot = oldest_level;
    silence->frame_slot = oldest_frame;
    if (silence->n_frames <= EDGE_SER_DELAY)
        return EDGE_SER_PENDING;

    for (int k = 0; k < EDGE_SER_N_MFCC; k++) {
        out[k] = silence->frames[oldest_frame][k];
#if EDGE_SER_RELATIVE_LEVEL
        out[k] -= (float)(loudest * edge_ser_per_db[k]);
#endif
    }
    return silence->since_loud <= EDGE_SER_DELAY ? EDGE_SER_KEPT : EDGE_SER_DROPPED;
}

#else

typedef int edge_ser_no_silence; /* C99 has no empty translation units */

#endif
