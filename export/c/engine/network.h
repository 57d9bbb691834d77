/* The network: frames in, logits out.
 *
 * Several frames form a step. Each member of the ensemble has a linear layer, LSTM layers, and a
 * weighted mean over the steps; the logits are the mean over the members. */
#ifndef EDGE_SER_NETWORK_H
#define EDGE_SER_NETWORK_H

#include "lstm.h"
#include "model.h"

/* The weights of a member. */
typedef struct {
    edge_ser_matrix stem; /* EDGE_SER_INPUT_SIZE x EDGE_SER_STEP_SIZE, if there is such a layer */
    const float *stem_bias;
    edge_ser_lstm layers[EDGE_SER_N_LAYERS];
    edge_ser_matrix score; /* 1 x EDGE_SER_HIDDEN: attention */
    const float *score_bias;
    edge_ser_matrix embedding; /* EDGE_SER_EMBEDDING_SIZE x EDGE_SER_HIDDEN */
    const float *embedding_bias;
    edge_ser_matrix output; /* EDGE_SER_N_LABELS x EDGE_SER_EMBEDDING_SIZE */
    const float *output_bias;
} edge_ser_member;

extern const edge_ser_member edge_ser_members[EDGE_SER_N_MEMBERS];

typedef struct {
    /* Sums over the steps: the outputs times their weights, and the weights. Double, so that the
     * steps of a long stream still count. */
    double sums[EDGE_SER_N_MEMBERS][EDGE_SER_HIDDEN + 1];
    float h[EDGE_SER_N_MEMBERS][EDGE_SER_N_LAYERS][EDGE_SER_HIDDEN];
    float c[EDGE_SER_N_MEMBERS][EDGE_SER_N_LAYERS][EDGE_SER_HIDDEN];
    float step[EDGE_SER_STEP_SIZE]; /* normalised frames of the step in progress */
    int n_stacked;                  /* their number */
    int has_frames;
} edge_ser_network;

void edge_ser_network_reset(edge_ser_network *network);

/* Add a frame of EDGE_SER_N_MFCC coefficients. scratch: EDGE_SER_SCRATCH values. */
void edge_ser_network_push(edge_ser_network *network, const float *frame, float *scratch);

/* Process the frames of an incomplete step; mean frames complete it. */
void edge_ser_network_flush(edge_ser_network *network, float *scratch);

/* Compute EDGE_SER_N_LABELS logits over all steps, of which there must be one. */
void edge_ser_network_logits(const edge_ser_network *network, float *scratch, float *logits);

#endif
