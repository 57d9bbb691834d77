/* Cuts samples that arrive in chunks of any size into overlapping frames. */
#ifndef EDGE_SER_FRAMING_H
#define EDGE_SER_FRAMING_H

#include "model.h"

typedef struct {
    float samples[EDGE_SER_SPAN]; /* from the start of the next frame on */
    int n_held;                   /* how many; negative: samples to skip before the next frame */
    int has_frames;
    float previous; /* last sample, for the pre-emphasis */
} edge_ser_framing;

void edge_ser_framing_reset(edge_ser_framing *framing);

/* Take samples up to the end of the next frame, and return how many. */
int edge_ser_framing_fill(edge_ser_framing *framing, const float *samples, int n);

/* 1 if the next frame is complete. */
int edge_ser_framing_ready(const edge_ser_framing *framing);

/* Drop the samples before the frame after the next one. */
void edge_ser_framing_advance(edge_ser_framing *framing);

/* Number of frames that the padding adds if the clip ends here. */
int edge_ser_framing_tail(const edge_ser_framing *framing);

/* Write the windowed frame that begins `start` samples after the next frame does, EDGE_SER_N_FFT
 * values. Samples that did not arrive are zero. */
void edge_ser_framing_window(const edge_ser_framing *framing, int start, float *out);

#endif
