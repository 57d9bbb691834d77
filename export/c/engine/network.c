#include "network.h"

#include <math.h>
#include <string.h>

#define WIDEST_INPUT                                                                               \
    (EDGE_SER_FIRST_SIZE > EDGE_SER_HIDDEN ? EDGE_SER_FIRST_SIZE : EDGE_SER_HIDDEN)

void edge_ser_network_reset(edge_ser_network *network)
{
    memset(network, 0, sizeof *network);
}

/* The weight of a step in the mean over time. */
static float step_weight(const edge_ser_member *member, const float *y)
{
#if EDGE_SER_HAS_ATTENTION
    float score = member->score_bias[0] + edge_ser_matrix_row(&member->score, 0, EDGE_SER_HIDDEN, y);
    return expf(EDGE_SER_MAX_SCORE * tanhf(score / EDGE_SER_MAX_SCORE));
#else
    (void)member;
    (void)y;
    return 1.0f;
#endif
}

static void advance_member(edge_ser_network *network, int index, float *scratch)
{
    const edge_ser_member *member = &edge_ser_members[index];
    float *x = scratch, *h_next = scratch + WIDEST_INPUT;
    int width = EDGE_SER_FIRST_SIZE;
    float weight;

#if EDGE_SER_INPUT_SIZE
    edge_ser_matrix_relu(&member->stem, member->stem_bias, EDGE_SER_INPUT_SIZE, EDGE_SER_STEP_SIZE,
                         network->step, x);
#else
    memcpy(x, network->step, sizeof network->step);
#endif
    for (int k = 0; k < EDGE_SER_N_LAYERS; k++) {
        float *h = network->h[index][k];

        edge_ser_lstm_step(&member->layers[k], width, EDGE_SER_HIDDEN, x, h, network->c[index][k],
                           h_next);
        for (int unit = 0; unit < EDGE_SER_HIDDEN; unit++)
            x[unit] = EDGE_SER_IS_RESIDUAL && k > 0 ? x[unit] + h[unit] : h[unit];
        width = EDGE_SER_HIDDEN;
    }
    weight = step_weight(member, x);
    for (int unit = 0; unit < EDGE_SER_HIDDEN; unit++)
        network->sums[index][unit] += (double)(weight * x[unit]);
    network->sums[index][EDGE_SER_HIDDEN] += (double)weight;
}

static void advance(edge_ser_network *network, float *scratch)
{
    for (int index = 0; index < EDGE_SER_N_MEMBERS; index++)
        advance_member(network, index, scratch);
    network->n_stacked = 0;
}

void edge_ser_network_push(edge_ser_network *network, const float *frame, float *scratch)
{
    float *target = network->step + network->n_stacked * EDGE_SER_N_MFCC;

    for (int k = 0; k < EDGE_SER_N_MFCC; k++)
        target[k] = (frame[k] - edge_ser_mfcc_mean[k]) / edge_ser_mfcc_deviation[k];
    network->has_frames = 1;
    if (++network->n_stacked == EDGE_SER_FRAME_STACK)
        advance(network, scratch);
}

void edge_ser_network_flush(edge_ser_network *network, float *scratch)
{
    if (network->n_stacked > 0) {
        for (int k = network->n_stacked * EDGE_SER_N_MFCC; k < EDGE_SER_STEP_SIZE; k++)
            network->step[k] = 0.0f;
        advance(network, scratch);
    }
}

void edge_ser_network_logits(const edge_ser_network *network, float *scratch, float *logits)
{
    float *pooled = scratch, *embedding = scratch + EDGE_SER_HIDDEN;

    for (int label = 0; label < EDGE_SER_N_LABELS; label++)
        logits[label] = 0.0f;
    for (int index = 0; index < EDGE_SER_N_MEMBERS; index++) {
        const edge_ser_member *member = &edge_ser_members[index];
        const double *sums = network->sums[index];

        for (int unit = 0; unit < EDGE_SER_HIDDEN; unit++)
            pooled[unit] = (float)(sums[unit] / sums[EDGE_SER_HIDDEN]);
        edge_ser_matrix_relu(&member->embedding, member->embedding_bias, EDGE_SER_EMBEDDING_SIZE,
                             EDGE_SER_HIDDEN, pooled, embedding);
        for (int label = 0; label < EDGE_SER_N_LABELS; label++)
            logits[label] += member->output_bias[label] +
                             edge_ser_matrix_row(&member->output, label, EDGE_SER_EMBEDDING_SIZE,
                                                 embedding);
    }
    for (int label = 0; label < EDGE_SER_N_LABELS; label++)
        logits[label] /= EDGE_SER_N_MEMBERS;
}
