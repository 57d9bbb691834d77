#include "matrix.h"

#include <stddef.h>

/* Four sums at a time, so that the additions do not wait for each other. */
static float quantized_product(const int8_t *weights, const float *x, int n)
{
    float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
    int k = 0;

    for (; k + 4 <= n; k += 4) {
        a += (float)weights[k] * x[k];
        b += (float)weights[k + 1] * x[k + 1];
        c += (float)weights[k + 2] * x[k + 2];
        d += (float)weights[k + 3] * x[k + 3];
    }
    for (; k < n; k++)
        a += (float)weights[k] * x[k];
    return (a + b) + (c + d);
}

static float product(const float *weights, const float *x, int n)
{
    float sum = 0.0f;

    for (int k = 0; k < n; k++)
        sum += weights[k] * x[k];
    return sum;
}

float edge_ser_matrix_row(const edge_ser_matrix *matrix, int row, int width, const float *x)
{
    size_t start = (size_t)row * (size_t)width;

    if (matrix->quantized == NULL)
        return product(matrix->weights + start, x, width);
    return matrix->scales[row] * quantized_product(matrix->quantized + start, x, width);
}

void edge_ser_matrix_relu(const edge_ser_matrix *matrix, const float *bias, int height, int width,
                          const float *x, float *y)
{
    for (int row = 0; row < height; row++) {
        float sum = bias[row] + edge_ser_matrix_row(matrix, row, width, x);
        y[row] = sum > 0.0f ? sum : 0.0f;
    }
}
