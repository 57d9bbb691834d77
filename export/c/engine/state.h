/* The content of a state. */
#ifndef EDGE_SER_STATE_H
#define EDGE_SER_STATE_H

#include "framing.h"
#include "level.h"
#include "pipeline.h"
#if EDGE_SER_N_STATISTICS
#include "descriptors.h"
#include "functionals.h"
#endif

typedef struct {
    edge_ser_pipeline pipeline;
    edge_ser_pipeline tail; /* working memory: the pipeline if the clip ended here */
#if EDGE_SER_N_STATISTICS
    edge_ser_descriptor_history history;
    edge_ser_descriptor_history tail_history;
    edge_ser_statistics_sums sums; /* of the complete blocks */
    edge_ser_statistics_sums tail_sums;
    float rows[EDGE_SER_BLOCK_FRAMES + EDGE_SER_TAIL_FRAMES][EDGE_SER_WIDTH]; /* of the block */
    int n_rows;
#endif
    edge_ser_framing framing;
    edge_ser_level level;
    int has_samples;
    float row[EDGE_SER_WIDTH];
    float logits[EDGE_SER_N_LABELS];
    float spectrum[EDGE_SER_SPECTRUM];
    float scratch[EDGE_SER_SCRATCH];
} edge_ser_engine;

#endif
