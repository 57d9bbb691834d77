/* Fundamental frequency and voicing, by autocorrelation.
 *
 * Boersma 1993, Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
 * ratio of a sampled sound, IFA Proceedings 17, 97-110. */
#ifndef EDGE_SER_PITCH_H
#define EDGE_SER_PITCH_H

#include "model.h"

/* The candidates for the pitch of a frame. */
typedef struct {
    float strengths[EDGE_SER_N_CANDIDATES]; /* less the octave cost; -1 without a candidate */
    float lags[EDGE_SER_N_CANDIDATES];
} edge_ser_candidates;

typedef struct {
    edge_ser_candidates frames[EDGE_SER_PITCH_REACH + 1]; /* the last ones, and the current one */
    int n_frames;                                         /* before the current one */
} edge_ser_pitch;

void edge_ser_pitch_reset(edge_ser_pitch *pitch);

/* Find the pitch of the next frame.
 *
 * power: the power spectrum.
 * scratch: EDGE_SER_N_FFT + 2 values.
 * f0: receives the frequency in Hz, 0 if the frame is unvoiced.
 * voicing: receives the normalised autocorrelation at the period, 0 to 1. */
void edge_ser_pitch_push(edge_ser_pitch *pitch, const float *power, float *scratch, float *f0,
                         float *voicing);

#endif
