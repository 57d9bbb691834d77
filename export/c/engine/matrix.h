/* Products of a constant matrix and a vector. */
#ifndef EDGE_SER_MATRIX_H
#define EDGE_SER_MATRIX_H

#include <stdint.h>

/* A matrix by rows: int8 with one scale per row, or float. */
typedef struct {
    const int8_t *quantized; /* NULL: the weights are float */
    const float *scales;
    const float *weights;
} edge_ser_matrix;

/* Return the product of a row, of `width` weights, and x. */
float edge_ser_matrix_row(const edge_ser_matrix *matrix, int row, int width, const float *x);

/* y = max(0, matrix x + bias), with `height` rows of `width` weights. */
void edge_ser_matrix_relu(const edge_ser_matrix *matrix, const float *bias, int height, int width,
                          const float *x, float *y);

#endif
