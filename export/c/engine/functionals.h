/* Statistics of a clip, from the rows of its frames.
 *
 * A row has EDGE_SER_N_MFCC coefficients and EDGE_SER_N_DESCRIPTORS descriptors. A clip of more than
 * EDGE_SER_BLOCK_FRAMES rows is divided into blocks of that length; its statistics are the mean of
 * theirs, weighted by their lengths. */
#ifndef EDGE_SER_FUNCTIONALS_H
#define EDGE_SER_FUNCTIONALS_H

#include "model.h"

/* Sums over complete blocks. */
typedef struct {
    double sums[EDGE_SER_N_FUNCTIONALS];
    double weights[EDGE_SER_N_FUNCTIONALS]; /* rows of the blocks that have a value */
} edge_ser_statistics_sums;

void edge_ser_statistics_reset(edge_ser_statistics_sums *sums);

/* Add a block of n rows, at least one. scratch: EDGE_SER_SCRATCH values. */
void edge_ser_statistics_add(edge_ser_statistics_sums *sums, const float *rows, int n,
                             float *scratch);

/* Compute the statistics of the complete blocks and of a last block of n rows, at least one.
 *
 * out: receives EDGE_SER_N_STATISTICS values; NaN if no frame has a value. */
void edge_ser_statistics_values(const edge_ser_statistics_sums *sums, const float *rows, int n,
                                float *scratch, float *out);

#endif
