/* Classifies the test vectors, and compares the answers with those of the Python package. */
#include <math.h>
#include <stdio.h>

#include "../src/edge_ser.h"
#include "vectors.h"

#define TOLERANCE 1e-4

static edge_ser_state state;

/* Return the answer for a vector that arrives in chunks. */
static edge_ser_status classify(const edge_ser_vector *vector, size_t chunk, edge_ser_answer *answer)
{
    edge_ser_reset(&state);
    for (size_t start = 0; start < vector->n; start += chunk) {
        size_t left = vector->n - start;
        edge_ser_push_i16(&state, vector->pcm + start, left < chunk ? left : chunk);
    }
    return edge_ser_result(&state, answer);
}

static int differs(const edge_ser_vector *vector, const edge_ser_answer *answer)
{
    double largest = 0.0;

    for (int k = 0; k < EDGE_SER_N_LABELS; k++)
        largest = fmax(largest, fabs((double)(answer->probabilities[k] - vector->probabilities[k])));
    return !(largest <= TOLERANCE) || answer->label != vector->label;
}

int main(void)
{
    static const size_t chunks[] = {1000000, 160, 77};
    int failures = 0;

    edge_ser_init(&state);
    for (int k = 0; k < EDGE_SER_N_VECTORS; k++) {
        const edge_ser_vector *vector = &edge_ser_vectors[k];
        edge_ser_answer answer;

        for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
            int failed = classify(vector, chunks[c], &answer) != EDGE_SER_OK ||
                         differs(vector, &answer);

            failures += failed;
            if (c == 0 || failed) {
                printf("%s %s: %s", failed ? "FAIL" : "ok  ", vector->name,
                       edge_ser_label(answer.label));
                for (int label = 0; label < EDGE_SER_N_LABELS; label++)
                    printf(" %.6f", (double)answer.probabilities[label]);
                printf("\n");
            }
        }
    }
    printf("%d vectors, %d failures\n", EDGE_SER_N_VECTORS, failures);
    return failures != 0;
}
