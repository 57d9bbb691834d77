/* The linear function of the statistics of a clip. */
#ifndef EDGE_SER_BRANCH_H
#define EDGE_SER_BRANCH_H

#include "model.h"

/* Combine the logits of the network with the statistics.
 *
 * statistics: EDGE_SER_N_STATISTICS values; NaN counts as the mean. They are overwritten.
 * logits: EDGE_SER_N_LABELS values of the network; replaced by those of the model. */
void edge_ser_branch(float *statistics, float *logits);

#endif
