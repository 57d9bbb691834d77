#include "cepstrum.h"

#include <math.h>

#include "model.h"

void edge_ser_power(float *spectrum)
{
    for (int k = 0; k < EDGE_SER_N_BINS; k++) {
        float re = spectrum[2 * k], im = spectrum[2 * k + 1];
        spectrum[k] = re * re + im * im;
    }
}

/* |X|^power of |X|^2. */
static float raised(float power)
{
#if EDGE_SER_POWER_IS_2
    return power;
#elif EDGE_SER_POWER_IS_1
    return sqrtf(power);
#else
    return powf(power, 0.5f * EDGE_SER_POWER);
#endif
}

static float log_energy(float energy)
{
#if EDGE_SER_REPLACES_ZERO
    return logf(energy > 0.0f ? energy : EDGE_SER_AMIN);
#else
    return logf(energy > EDGE_SER_AMIN ? energy : EDGE_SER_AMIN) - EDGE_SER_LOG_OFFSET;
#endif
}

void edge_ser_cepstrum(const float *power, float *log_bands, float *out)
{
    const float *weights = edge_ser_band_weights;

    for (int band = 0; band < EDGE_SER_N_BANDS; band++) {
        const float *bins = power + edge_ser_band_start[band];
        float energy = 0.0f;

        for (int k = 0; k < edge_ser_band_length[band]; k++)
            energy += *weights++ * raised(bins[k]);
        log_bands[band] = log_energy(energy);
    }
    for (int c = 0; c < EDGE_SER_N_MFCC; c++) {
        float sum = 0.0f;

        for (int band = 0; band < EDGE_SER_N_BANDS; band++)
            sum += edge_ser_cepstra[c * EDGE_SER_N_BANDS + band] * log_bands[band];
        out[c] = sum;
    }
}
