#include "lstm.h"

#include <math.h>
#include <string.h>

float edge_ser_sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

static float gate(const edge_ser_lstm *lstm, int row, int width, int hidden, const float *x,
                  const float *h)
{
    return lstm->bias[row] + edge_ser_matrix_row(&lstm->input, row, width, x) +
           edge_ser_matrix_row(&lstm->recurrent, row, hidden, h);
}

void edge_ser_lstm_step(const edge_ser_lstm *lstm, int width, int hidden, const float *x, float *h,
                        float *c, float *scratch)
{
    for (int unit = 0; unit < hidden; unit++) {
        float input = gate(lstm, unit, width, hidden, x, h);
        float output = gate(lstm, hidden + unit, width, hidden, x, h);
        float forget = gate(lstm, 2 * hidden + unit, width, hidden, x, h);
        float cell = gate(lstm, 3 * hidden + unit, width, hidden, x, h);

        c[unit] = edge_ser_sigmoid(forget) * c[unit] + edge_ser_sigmoid(input) * tanhf(cell);
        scratch[unit] = edge_ser_sigmoid(output) * tanhf(c[unit]);
    }
    memcpy(h, scratch, (size_t)hidden * sizeof *h); /* every unit needs the h of the step before */
}
