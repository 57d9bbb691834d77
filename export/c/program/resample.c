#include "resample.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846
#define KAISER_BETA 10.0 /* stop band of -100 dB */
#define PASS_BAND 0.956  /* middle of the transition, of the lower Nyquist frequency */

/* Modified Bessel function of the first kind, order 0. */
static double bessel(double x)
{
    double sum = 1.0, term = 1.0;

    for (int k = 1; k < 50; k++) {
        term *= (x / (2 * k)) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

int edge_ser_resampler_init(edge_ser_resampler *resampler, int source_rate, int target_rate)
{
    if (source_rate < 1 || target_rate < 1 || source_rate / target_rate > EDGE_SER_MAX_RATIO)
        return -1;
    memset(resampler, 0, sizeof *resampler);
    resampler->source_rate = source_rate;
    resampler->target_rate = target_rate;
    resampler->cutoff = PASS_BAND * fmin(1.0, (double)target_rate / source_rate);
    resampler->reach = EDGE_SER_ZERO_CROSSINGS / resampler->cutoff;
    for (int k = 0; k < EDGE_SER_KERNEL_SIZE - 1; k++) {
        double x = (double)k / EDGE_SER_KERNEL_STEPS;
        double inside = 1.0 - (x / EDGE_SER_ZERO_CROSSINGS) * (x / EDGE_SER_ZERO_CROSSINGS);
        double window = bessel(KAISER_BETA * sqrt(fmax(inside, 0.0))) / bessel(KAISER_BETA);
        double sinc = k == 0 ? 1.0 : sin(PI * x) / (PI * x);
        resampler->kernel[k] = (float)(sinc * window * resampler->cutoff);
    }
    return 0;
}

void edge_ser_resampler_push(edge_ser_resampler *resampler, float sample)
{
    resampler->history[resampler->received++ % EDGE_SER_HISTORY] = sample;
}

static double kernel_at(const edge_ser_resampler *resampler, double distance)
{
    double position = fabs(distance) * resampler->cutoff * EDGE_SER_KERNEL_STEPS;
    int index = (int)position;
    double share = position - index;

    if (index >= EDGE_SER_KERNEL_SIZE - 2)
        return 0.0;
    return (1.0 - share) * (double)resampler->kernel[index] +
           share * (double)resampler->kernel[index + 1];
}

int edge_ser_resampler_next(edge_ser_resampler *resampler, int is_last, float *sample)
{
    double time = (double)resampler->sent * resampler->source_rate / resampler->target_rate;
    long long first = (long long)ceil(time - resampler->reach);
    long long last = (long long)floor(time + resampler->reach);
    double sum = 0.0;
    double length = floor((double)resampler->received * resampler->target_rate /
                              resampler->source_rate +
                          0.5);

    if (is_last ? (double)resampler->sent >= length : last >= resampler->received)
        return 0;
    if (first < 0)
        first = 0;
    if (last >= resampler->received)
        last = resampler->received - 1;
    for (long long k = first; k <= last; k++)
        sum += (double)resampler->history[k % EDGE_SER_HISTORY] *
               kernel_at(resampler, (double)k - time);
    *sample = (float)sum;
    resampler->sent++;
    return 1;
}
