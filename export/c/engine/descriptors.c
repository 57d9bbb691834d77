#include "descriptors.h"

#include <math.h>
#include <string.h>

void edge_ser_descriptors_reset(edge_ser_descriptor_history *history)
{
    memset(history, 0, sizeof *history);
    edge_ser_pitch_reset(&history->pitch);
}

static float decibel(float power)
{
    return 10.0f * log10f(power);
}

static float largest(const float *values, int first, int end)
{
    float largest_value = values[first];

    for (int k = first + 1; k < end; k++)
        largest_value = fmaxf(largest_value, values[k]);
    return largest_value;
}

static float sum_of(const float *values, int first, int end)
{
    float sum = 0.0f;

    for (int k = first; k < end; k++)
        sum += values[k];
    return sum;
}

/* Compute the auditory bands, the loudness and the flux. */
static void loudness(edge_ser_descriptor_history *history, const float *power, float *out)
{
    const float *weights = edge_ser_auditory_weights;
    float total = 0.0f, total_before = 0.0f, change = 0.0f;

    for (int band = 0; band < EDGE_SER_N_AUDITORY; band++) {
        float before = history->bands[band], energy = 0.0f;

        for (int k = 0; k < edge_ser_auditory_length[band]; k++)
            energy += *weights++ * power[edge_ser_auditory_start[band] + k];
        energy = powf(energy, 0.33f);
        total += energy;
        total_before += before;
        change += fabsf(energy - before);
        history->bands[band] = energy;
    }
    out[EDGE_SER_LOUDNESS] = decibel(total);
    out[EDGE_SER_FLUX] = history->has_bands ? change / (total + total_before) : 0.0f;
    history->has_bands = 1;
}

/* Compute the slopes of the spectrum in dB. */
static void slopes(const float *power, float *out)
{
    float low = 0.0f, high = 0.0f;

    for (int k = 0; k < EDGE_SER_N_SLOPE_BINS; k++) {
        float level = decibel(power[k]);

        low += level * edge_ser_slope_weights[2 * k];
        high += level * edge_ser_slope_weights[2 * k + 1];
    }
    out[EDGE_SER_SLOPE_0_500] = low;
    out[EDGE_SER_SLOPE_500_1500] = high;
}

/* Power of a harmonic: the strongest of the three bins around it. */
static float harmonic(const float *power, float f0, int number)
{
    float frequency = fmaxf(f0, EDGE_SER_PITCH_FLOOR) * (float)number;
    int centre = (int)(frequency * EDGE_SER_BINS_PER_HZ + 0.5f);

    return largest(power, centre - 1, centre + 2);
}

void edge_ser_descriptors(edge_ser_descriptor_history *history, float *power, float *scratch,
                          float *out)
{
    float low, high, high_peak, f0, voicing, bounded;

    for (int k = 0; k < EDGE_SER_N_DESCRIPTOR_BINS; k++)
        power[k] += EDGE_SER_TINY; /* keeps the logarithms finite */
    loudness(history, power, out);
    slopes(power, out);
    low = sum_of(power, EDGE_SER_BIN_50, EDGE_SER_BIN_1000);
    high = sum_of(power, EDGE_SER_BIN_1000, EDGE_SER_N_DESCRIPTOR_BINS);
    high_peak = largest(power, EDGE_SER_BIN_2000, EDGE_SER_N_DESCRIPTOR_BINS);
    out[EDGE_SER_ALPHA_RATIO] = decibel(low / high);
    out[EDGE_SER_HAMMARBERG] = decibel(largest(power, 0, EDGE_SER_BIN_2000) / high_peak);

    edge_ser_pitch_push(&history->pitch, power, scratch, &f0, &voicing);
    bounded = fminf(fmaxf(voicing, 1e-3f), 1.0f - 1e-4f);
    out[EDGE_SER_F0] = 12.0f * log2f(fmaxf(f0, EDGE_SER_SEMITONE_REFERENCE) / EDGE_SER_SEMITONE_REFERENCE);
    out[EDGE_SER_VOICING] = voicing;
    out[EDGE_SER_HNR] = decibel(bounded / (1.0f - bounded));
    out[EDGE_SER_H1_H2] = out[EDGE_SER_H1_A1] = out[EDGE_SER_H1_A3] = 0.0f;
    if (f0 > 0.0f) {
        float first = harmonic(power, f0, 1);

        out[EDGE_SER_H1_H2] = decibel(first / harmonic(power, f0, 2));
        out[EDGE_SER_H1_A1] =
            decibel(first / largest(power, EDGE_SER_BIN_300, EDGE_SER_BIN_1000));
        out[EDGE_SER_H1_A3] = decibel(first / high_peak);
    }
}
