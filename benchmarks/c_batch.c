/* Classifies clips from standard input: the number of samples, an int32, and the float32 samples.
 * Prints two lines for each, for the whole clip and for chunks: the label and the probabilities. */
#include <stdint.h>
#include <stdio.h>

#include "edge_ser.h"

#define MAX_SAMPLES (120 * EDGE_SER_SAMPLE_RATE)

static edge_ser_state state;
static float samples[MAX_SAMPLES];

static void classify(size_t n, size_t chunk)
{
    edge_ser_answer answer = {0};

    edge_ser_init(&state);
    for (size_t start = 0; start < n; start += chunk)
        edge_ser_push_f32(&state, samples + start, n - start < chunk ? n - start : chunk);
    edge_ser_result(&state, &answer);
    printf("%s", edge_ser_label(answer.label));
    for (int k = 0; k < EDGE_SER_N_LABELS; k++)
        printf("\t%.9g", (double)answer.probabilities[k]);
    printf("\n");
}

int main(void)
{
    int32_t n;

    while (fread(&n, sizeof n, 1, stdin) == 1) {
        if (n < 0 || n > MAX_SAMPLES ||
            fread(samples, sizeof *samples, (size_t)n, stdin) != (size_t)n)
            return 1;
        classify((size_t)n, MAX_SAMPLES);
        classify((size_t)n, 733);
    }
    return 0;
}
