/* Voice descriptors of each frame: pitch, voice quality, loudness and spectral balance.
 *
 * Eyben et al. 2016, The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for voice research and
 * affective computing, https://doi.org/10.1109/TAFFC.2015.2457417 */
#ifndef EDGE_SER_DESCRIPTORS_H
#define EDGE_SER_DESCRIPTORS_H

#include "pitch.h"

/* The columns of the descriptors. */
enum {
    EDGE_SER_F0, /* semitones above 27.5 Hz; 0 if the frame is unvoiced */
    EDGE_SER_VOICING,
    EDGE_SER_HNR,
    EDGE_SER_LOUDNESS,
    EDGE_SER_SLOPE_0_500,
    EDGE_SER_SLOPE_500_1500,
    EDGE_SER_ALPHA_RATIO,
    EDGE_SER_HAMMARBERG,
    EDGE_SER_FLUX,
    EDGE_SER_H1_H2,
    EDGE_SER_H1_A1,
    EDGE_SER_H1_A3
};

/* What the descriptors of a frame need of the frames before. */
typedef struct {
    edge_ser_pitch pitch;
    float bands[EDGE_SER_N_AUDITORY]; /* auditory bands of the frame before */
    int has_bands;
} edge_ser_descriptor_history;

void edge_ser_descriptors_reset(edge_ser_descriptor_history *history);

/* Compute the descriptors of the next frame.
 *
 * power: its power spectrum, EDGE_SER_N_BINS values; EDGE_SER_TINY is added to them.
 * scratch: EDGE_SER_N_FFT + 2 values.
 * out: receives EDGE_SER_N_DESCRIPTORS values. */
void edge_ser_descriptors(edge_ser_descriptor_history *history, float *power, float *scratch,
                          float *out);

#endif
