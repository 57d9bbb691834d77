/* One step of an LSTM layer. */
#ifndef EDGE_SER_LSTM_H
#define EDGE_SER_LSTM_H

#include "matrix.h"

/* The rows of the matrices and of the bias are the input, output, forget and cell gates, `hidden`
 * each, as in ONNX. The bias is the sum of the biases of both matrices. */
typedef struct {
    edge_ser_matrix input;     /* 4 hidden x width */
    edge_ser_matrix recurrent; /* 4 hidden x hidden */
    const float *bias;         /* 4 hidden */
} edge_ser_lstm;

/* Advance a layer by a step.
 *
 * h, c: output and cell of the layer, `hidden` values each.
 * scratch: `hidden` values. */
void edge_ser_lstm_step(const edge_ser_lstm *lstm, int width, int hidden, const float *x, float *h,
                        float *c, float *scratch);

float edge_ser_sigmoid(float x);

#endif
