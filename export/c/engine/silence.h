/* Drops silent frames, and expresses levels relative to the loudest frame.
 *
 * A frame is loud if its level is within a range of the loudest frame so far, which decays slowly.
 * It is kept if a loud frame is within a margin. The rule looks ahead by twice the margin. */
#ifndef EDGE_SER_SILENCE_H
#define EDGE_SER_SILENCE_H

#include "model.h"

#if EDGE_SER_HAS_SILENCE

#define EDGE_SER_DELAY (2 * EDGE_SER_MARGIN) /* frames from the arrival to the decision */

/* Levels are double, as in the Python package, so that both drop the same frames. */
typedef struct {
    double peak;                        /* level of the loudest frame so far, with the decay */
    double peaks[EDGE_SER_MARGIN + 1];  /* the same after the last frames */
    double levels[EDGE_SER_MARGIN + 1]; /* of the last frames */
    float frames[EDGE_SER_DELAY + 1][EDGE_SER_N_MFCC];
    int level_slot;
    int frame_slot;
    int n_frames;   /* that arrived, at most EDGE_SER_DELAY + 1 */
    int since_loud; /* frames since the last loud one, at most EDGE_SER_DELAY + 1 */
} edge_ser_silence;

typedef enum { EDGE_SER_PENDING, EDGE_SER_DROPPED, EDGE_SER_KEPT } edge_ser_decision;

void edge_ser_silence_reset(edge_ser_silence *silence);

/* Add a frame, and decide on the one that arrived EDGE_SER_DELAY frames before.
 *
 * frame: EDGE_SER_N_MFCC coefficients. NULL: there is no frame; a clip ends with EDGE_SER_DELAY of
 *     them.
 * out: receives the frame that was decided on. */
edge_ser_decision edge_ser_silence_push(edge_ser_silence *silence, const float *frame, float *out);

#endif
#endif
