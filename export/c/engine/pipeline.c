#include "pipeline.h"

#include <string.h>

void edge_ser_pipeline_reset(edge_ser_pipeline *pipeline)
{
    memset(pipeline, 0, sizeof *pipeline);
    edge_ser_network_reset(&pipeline->network);
#if EDGE_SER_HAS_SILENCE
    edge_ser_silence_reset(&pipeline->silence);
#endif
#if EDGE_SER_HAS_GATE
    edge_ser_gate_reset(&pipeline->gate);
#endif
}

#if EDGE_SER_HAS_SILENCE

static void push_loud(edge_ser_pipeline *pipeline, const float *frame, float *scratch)
{
    /* The network copies the frame before it needs the scratch. */
    edge_ser_decision decision = edge_ser_silence_push(&pipeline->silence, frame, scratch);

    if (decision == EDGE_SER_PENDING)
        return;
    if (!pipeline->has_first) {
        memcpy(pipeline->first, scratch, sizeof pipeline->first);
        pipeline->has_first = 1;
    }
    if (decision == EDGE_SER_KEPT)
        edge_ser_network_push(&pipeline->network, scratch, scratch);
}

#endif

void edge_ser_pipeline_push(edge_ser_pipeline *pipeline, const float *row, float *scratch)
{
#if EDGE_SER_HAS_GATE
    edge_ser_gate_push(&pipeline->gate, row, scratch);
#endif
#if EDGE_SER_HAS_SILENCE
    push_loud(pipeline, row, scratch);
#else
    edge_ser_network_push(&pipeline->network, row, scratch);
#endif
}

void edge_ser_pipeline_end(edge_ser_pipeline *pipeline, float *scratch)
{
#if EDGE_SER_HAS_SILENCE
    for (int k = 0; k < EDGE_SER_DELAY; k++)
        push_loud(pipeline, NULL, scratch);
    if (!pipeline->network.has_frames)
        edge_ser_network_push(&pipeline->network, pipeline->first, scratch);
#endif
    edge_ser_network_flush(&pipeline->network, scratch);
}
