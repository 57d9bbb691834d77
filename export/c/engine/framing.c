#include "framing.h"

#include <string.h>

void edge_ser_framing_reset(edge_ser_framing *framing)
{
    memset(framing, 0, sizeof *framing);
    framing->n_held = EDGE_SER_PAD;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

int edge_ser_framing_fill(edge_ser_framing *framing, const float *samples, int n)
{
    int taken = 0;

    if (framing->n_held < 0) {
        taken = smaller(n, -framing->n_held);
        framing->n_held += taken;
        if (taken > 0)
            framing->previous = samples[taken - 1];
    }
    if (framing->n_held >= 0) {
        int count = smaller(n - taken, EDGE_SER_SPAN - framing->n_held);
        float *target = framing->samples + framing->n_held;
#if EDGE_SER_HAS_PREEMPHASIS
        for (int i = 0; i < count; i++) {
            target[i] = samples[taken + i] - EDGE_SER_PREEMPHASIS * framing->previous;
            framing->previous = samples[taken + i];
        }
#else
        memcpy(target, samples + taken, (size_t)count * sizeof *target);
#endif
        framing->n_held += count;
        taken += count;
    }
    return taken;
}

int edge_ser_framing_ready(const edge_ser_framing *framing)
{
    return framing->n_held == EDGE_SER_SPAN;
}

void edge_ser_framing_advance(edge_ser_framing *framing)
{
    framing->n_held -= EDGE_SER_HOP;
    if (framing->n_held > 0)
        memmove(framing->samples, framing->samples + EDGE_SER_HOP,
                (size_t)framing->n_held * sizeof *framing->samples);
    framing->has_frames = 1;
}

int edge_ser_framing_tail(const edge_ser_framing *framing)
{
#if EDGE_SER_PADS_LAST_FRAME
    return !framing->has_frames || framing->n_held > EDGE_SER_SPAN - EDGE_SER_HOP;
#elif EDGE_SER_PAD > 0
    int end = framing->n_held + EDGE_SER_PAD - EDGE_SER_SPAN;
    return end < 0 ? 0 : end / EDGE_SER_HOP + 1;
#else
    (void)framing;
    return 0;
#endif
}

void edge_ser_framing_window(const edge_ser_framing *framing, int start, float *out)
{
    /* The window may be shorter than the FFT, and lie in its middle. */
    int first = start + EDGE_SER_WINDOW_START;
    int n = smaller(framing->n_held - first, EDGE_SER_WINDOW_LENGTH);

    memset(out, 0, EDGE_SER_N_FFT * sizeof *out);
    for (int i = 0; i < n; i++)
        out[EDGE_SER_WINDOW_START + i] = framing->samples[first + i] * edge_ser_window[i];
}
