#include "fft.h"

/* Copy n complex values to the order in which the butterflies expect them: the bits of the indices
 * are reversed. */
static void copy_reversed(const float *in, float *out, int n)
{
    int reversed = 0;

    for (int k = 0; k < n; k++) {
        int bit = n / 2;

        out[2 * reversed] = in[2 * k];
        out[2 * reversed + 1] = in[2 * k + 1];
        for (; bit > 0 && (reversed & bit); bit /= 2)
            reversed -= bit;
        reversed += bit;
    }
}

/* Combine pairs of transforms of `half` values to transforms of twice that size. */
static void butterflies(float *values, int n, int half, const float *twiddles, int stride)
{
    for (int k = 0; k < half; k++) {
        float cosine = twiddles[2 * k * stride], sine = twiddles[2 * k * stride + 1];

        for (int start = k; start < n; start += 2 * half) {
            float *a = values + 2 * start, *b = a + 2 * half;
            float re = b[0] * cosine - b[1] * sine, im = b[0] * sine + b[1] * cosine;

            b[0] = a[0] - re;
            b[1] = a[1] - im;
            a[0] += re;
            a[1] += im;
        }
    }
}

/* Turn the transform of n / 2 complex values, whose parts are the even and the odd samples of a
 * real signal, into that of the signal. */
static void split(float *values, int n, const float *twiddles, int stride)
{
    float re = values[0], im = values[1];

    values[0] = re + im;
    values[1] = 0.0f;
    values[n] = re - im;
    values[n + 1] = 0.0f;
    for (int k = 1; k <= n / 4; k++) {
        float *low = values + 2 * k, *high = values + n - 2 * k;
        float even_re = 0.5f * (low[0] + high[0]), even_im = 0.5f * (low[1] - high[1]);
        float odd_re = 0.5f * (low[1] + high[1]), odd_im = 0.5f * (high[0] - low[0]);
        float cosine = twiddles[2 * k * stride], sine = twiddles[2 * k * stride + 1];

        re = odd_re * cosine - odd_im * sine;
        im = odd_re * sine + odd_im * cosine;
        low[0] = even_re + re;
        low[1] = even_im + im;
        high[0] = even_re - re;
        high[1] = im - even_im;
    }
}

void edge_ser_rfft(const float *in, float *out, int n, const float *twiddles, int stride)
{
    copy_reversed(in, out, n / 2);
    for (int half = 1; half < n / 2; half *= 2)
        butterflies(out, n / 2, half, twiddles, stride * (n / (2 * half)));
    split(out, n, twiddles, stride);
}
