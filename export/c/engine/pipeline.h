/* Everything from the rows of the front end to the logits. */
#ifndef EDGE_SER_PIPELINE_H
#define EDGE_SER_PIPELINE_H

#include "network.h"
#include "silence.h"
#include "speech_gate.h"

typedef struct {
    edge_ser_network network;
#if EDGE_SER_HAS_SILENCE
    edge_ser_silence silence;
    float first[EDGE_SER_N_MFCC]; /* the first frame, for a clip of silence alone */
    int has_first;
#endif
#if EDGE_SER_HAS_GATE
    edge_ser_gate gate;
#endif
} edge_ser_pipeline;

void edge_ser_pipeline_reset(edge_ser_pipeline *pipeline);

/* Add a row of EDGE_SER_WIDTH values. scratch: EDGE_SER_SCRATCH values. */
void edge_ser_pipeline_push(edge_ser_pipeline *pipeline, const float *row, float *scratch);

/* End the clip, of which there must be one row or more. */
void edge_ser_pipeline_end(edge_ser_pipeline *pipeline, float *scratch);

#endif
