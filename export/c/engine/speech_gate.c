#include "speech_gate.h"

#if EDGE_SER_HAS_GATE

#include <string.h>

void edge_ser_gate_reset(edge_ser_gate *gate)
{
    memset(gate, 0, sizeof *gate);
}

static void add_probability(edge_ser_gate *gate, float speech)
{
    int k;

    if (gate->n_largest < EDGE_SER_MIN_SPEECH_FRAMES) {
        for (k = gate->n_largest++; k > 0 && gate->largest[k - 1] > speech; k--)
            gate->largest[k] = gate->largest[k - 1];
        gate->largest[k] = speech;
    } else if (speech > gate->largest[0]) { /* replaces the smallest */
        for (k = 1; k < EDGE_SER_MIN_SPEECH_FRAMES && gate->largest[k] < speech; k++)
            gate->largest[k - 1] = gate->largest[k];
        gate->largest[k - 1] = speech;
    }
}

void edge_ser_gate_push(edge_ser_gate *gate, const float *row, float *scratch)
{
    const edge_ser_gate_weights *model = &edge_ser_gate_model;
    float *x = scratch, *normalised = scratch + EDGE_SER_GATE_UNITS;

    for (int k = 0; k < EDGE_SER_WIDTH; k++)
        normalised[k] = (row[k] - edge_ser_gate_mean[k]) / edge_ser_gate_deviation[k];
    edge_ser_matrix_relu(&model->stem, model->stem_bias, EDGE_SER_GATE_UNITS, EDGE_SER_WIDTH,
                         normalised, x);
    edge_ser_lstm_step(&model->lstm, EDGE_SER_GATE_UNITS, EDGE_SER_GATE_UNITS, x, gate->h, gate->c,
                       scratch + EDGE_SER_GATE_UNITS);
    gate->speech = edge_ser_sigmoid(
        model->output_bias[0] +
        edge_ser_matrix_row(&model->output, 0, EDGE_SER_GATE_UNITS, gate->h));
    add_probability(gate, gate->speech);
}

float edge_ser_gate_speech(const edge_ser_gate *gate)
{
    return gate->n_largest > 0 ? gate->largest[0] : 0.0f;
}

#else

typedef int edge_ser_no_gate; /* C99 has no empty translation units */

#endif
