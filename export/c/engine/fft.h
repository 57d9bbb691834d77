/* Fourier transform of real signals. */
#ifndef EDGE_SER_FFT_H
#define EDGE_SER_FFT_H

/* Transform a real signal.
 *
 * in: n values; n is a power of two, 4 or more.
 * out: receives the n / 2 + 1 bins up to half of the sample rate, as pairs of real and imaginary
 *     part. It must not overlap `in`.
 * twiddles: cos(2 pi k / N) and -sin(2 pi k / N) in pairs, for k from 0 to N / 2 - 1.
 * stride: N / n, a power of two. */
void edge_ser_rfft(const float *in, float *out, int n, const float *twiddles, int stride);

#endif
