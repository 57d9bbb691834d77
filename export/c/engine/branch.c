#include "branch.h"

#include <math.h>

static float clipped(float x)
{
    return fminf(fmaxf(x, -EDGE_SER_MAX_DEVIATION), EDGE_SER_MAX_DEVIATION);
}

void edge_ser_branch(float *statistics, float *logits)
{
    for (int k = 0; k < EDGE_SER_N_STATISTICS; k++) {
        float difference = statistics[k] - edge_ser_statistics_mean[k];
        /* In standard deviations of the training clips. */
        statistics[k] =
            isnan(difference) ? 0.0f : clipped(difference / edge_ser_statistics_deviation[k]);
    }
    for (int label = 0; label < EDGE_SER_N_LABELS; label++) {
        float sum = edge_ser_branch_bias[label] + EDGE_SER_BRANCH_NETWORK * logits[label];

        for (int k = 0; k < EDGE_SER_N_STATISTICS; k++)
            sum += statistics[k] * edge_ser_branch_weights[k * EDGE_SER_N_LABELS + label];
        logits[label] = sum;
    }
}
