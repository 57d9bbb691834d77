/* Mel-frequency cepstral coefficients of one frame. */
#ifndef EDGE_SER_CEPSTRUM_H
#define EDGE_SER_CEPSTRUM_H

/* Compute the coefficients of a frame.
 *
 * power: squared magnitudes of the spectrum, EDGE_SER_N_BINS values.
 * log_bands: receives the logarithms of the mel bands, EDGE_SER_N_BANDS values.
 * out: receives EDGE_SER_N_MFCC coefficients. */
void edge_ser_cepstrum(const float *power, float *log_bands, float *out);

/* Replace the interleaved complex spectrum by its EDGE_SER_N_BINS squared magnitudes. */
void edge_ser_power(float *spectrum);

#endif
