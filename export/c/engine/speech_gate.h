/* The speech gate: the probability of speech of each frame, and of a clip. */
#ifndef EDGE_SER_SPEECH_GATE_H
#define EDGE_SER_SPEECH_GATE_H

#include "lstm.h"
#include "model.h"

#if EDGE_SER_HAS_GATE

/* The weights of the gate. */
typedef struct {
    edge_ser_matrix stem; /* EDGE_SER_GATE_UNITS x EDGE_SER_WIDTH */
    const float *stem_bias;
    edge_ser_lstm lstm;
    edge_ser_matrix output; /* 1 x EDGE_SER_GATE_UNITS */
    const float *output_bias;
} edge_ser_gate_weights;

extern const edge_ser_gate_weights edge_ser_gate_model;

typedef struct {
    float h[EDGE_SER_GATE_UNITS];
    float c[EDGE_SER_GATE_UNITS];
    float speech;                              /* probability of the last frame */
    float largest[EDGE_SER_MIN_SPEECH_FRAMES]; /* probabilities so far, in ascending order */
    int n_largest;
} edge_ser_gate;

void edge_ser_gate_reset(edge_ser_gate *gate);

/* Add a row of EDGE_SER_WIDTH values of the front end. scratch: EDGE_SER_SCRATCH values. */
void edge_ser_gate_push(edge_ser_gate *gate, const float *row, float *scratch);

/* The largest probability that EDGE_SER_MIN_SPEECH_FRAMES frames reach, or all if there are fewer. */
float edge_ser_gate_speech(const edge_ser_gate *gate);

#endif
#endif
