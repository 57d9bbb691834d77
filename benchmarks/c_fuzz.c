/* Drives the C library with arbitrary calls and samples, for libFuzzer. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "edge_ser.h"

#define MAX_SAMPLES 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static edge_ser_state state;

/* Check an answer; the fuzzer reports an abort. */
static void check(void)
{
    edge_ser_answer answer;
    float sum = 0.0f;

    if (edge_ser_result(&state, &answer) != EDGE_SER_OK)
        return;
    for (int k = 0; k < EDGE_SER_N_LABELS; k++)
        sum += answer.probabilities[k];
    if (!(fabsf(sum - 1.0f) < 1e-3f) || edge_ser_label(answer.label) == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int16_t pcm[MAX_SAMPLES];
    static float samples[MAX_SAMPLES];

    edge_ser_init(&state);
    while (size >= 4) {
        size_t n = (size_t)data[1] * 8, bytes = n * (data[0] % 2 ? sizeof *samples : sizeof *pcm);
        unsigned kind = data[0] % 8, level = data[2];

        data += 4;
        size -= 4;
        if (n > MAX_SAMPLES)
            n = MAX_SAMPLES;
        if (bytes > n * 4)
            bytes = n * 4;
        if (bytes > size)
            bytes = size;
        if (kind < 2) { /* the bytes of the input as samples, the rest a constant */
            memset(pcm, (int)level, sizeof pcm);
            memset(samples, (int)level, sizeof samples);
            memcpy(kind ? (void *)samples : (void *)pcm, data, bytes);
            data += bytes;
            size -= bytes;
        } else if (kind < 6) { /* noise, or a tone */
            uint32_t noise = level;

            for (size_t k = 0; k < n; k++) {
                noise = noise * 1664525u + 1013904223u;
                pcm[k] = (int16_t)(kind < 4 ? (int)(noise >> 16) - 32768
                                            : (k % (level + 2u) < level / 2 ? 12000 : -12000));
                samples[k] = (float)pcm[k] / 3.2768f / (1.0f + (float)level);
            }
        } else {
            if (kind == 6)
                check();
            else
                edge_ser_reset(&state);
            continue;
        }
        if (kind % 2)
            edge_ser_push_f32(&state, samples, n);
        else
            edge_ser_push_i16(&state, pcm, n);
    }
    check();
    return 0;
}
