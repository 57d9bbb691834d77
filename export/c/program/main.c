/* Classifies the emotion of 16-bit WAV files, and of PCM on standard input. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/edge_ser.h"
#include "resample.h"
#include "wav.h"

#define CHUNK 256

static edge_ser_state state;
static edge_ser_resampler resampler;

static const char USAGE[] =
    "Usage: edge-ser-c [--rate HZ] FILE.wav...\n"
    "\n"
    "Print the emotion of 16-bit WAV files; - stands for standard input.\n"
    "\n"
    "  --rate HZ   standard input is 16-bit little-endian PCM of one channel at this rate\n"
    "  --version   print the model and the version\n"
    "  --license   print the licence of the weights\n";

static void push_resampled(int is_last)
{
    float sample;

    while (edge_ser_resampler_next(&resampler, is_last, &sample))
        edge_ser_push_f32(&state, &sample, 1);
}

/* Return NULL, or the reason why there is no answer. */
static const char *classify(edge_ser_wav *wav, edge_ser_answer *answer)
{
    float samples[CHUNK];
    int n;

    edge_ser_init(&state);
    if (edge_ser_resampler_init(&resampler, wav->rate, EDGE_SER_SAMPLE_RATE))
        return "the sample rate is not supported";
    while ((n = edge_ser_wav_read(wav, samples, CHUNK)) > 0) {
        if (wav->rate == EDGE_SER_SAMPLE_RATE) {
            edge_ser_push_f32(&state, samples, (size_t)n);
            continue;
        }
        for (int k = 0; k < n; k++) {
            edge_ser_resampler_push(&resampler, samples[k]);
            push_resampled(0);
        }
    }
    if (wav->rate != EDGE_SER_SAMPLE_RATE)
        push_resampled(1);
    return edge_ser_result(&state, answer) == EDGE_SER_OK ? NULL : "there are no samples";
}

static void print_answer(const char *name, const edge_ser_answer *answer)
{
    printf("%s: %s", name, edge_ser_label(answer->label));
    if (answer->label == EDGE_SER_UNCERTAIN)
        printf(" (%s?)", edge_ser_label(answer->guess));
    if (answer->label != EDGE_SER_NO_SPEECH) {
        for (int k = 0; k < EDGE_SER_N_LABELS; k++)
            printf("%s%s %3.0f%%", k ? "  " : "  (", edge_ser_label(k),
                   100.0 * (double)answer->probabilities[k]);
        printf(")");
        if (answer->arousal >= 0.0f)
            printf("  arousal %3.0f%%", 100.0 * (double)answer->arousal);
    }
    printf("\n");
}

/* Return 0, or 1 after an error message. */
static int run(const char *name, int rate)
{
    edge_ser_wav wav = {stdin, rate, 1, UINT32_MAX};
    edge_ser_answer answer;
    const char *reason = NULL;
    int is_stdin = strcmp(name, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(name, "rb");

    if (file == NULL) {
        reason = strerror(errno);
    } else {
        if (!is_stdin || rate == 0)
            reason = edge_ser_wav_open(&wav, file);
        if (reason == NULL)
            reason = classify(&wav, &answer);
        if (!is_stdin)
            fclose(file);
    }
    if (reason) {
        fprintf(stderr, "error: %s: %s\n", name, reason);
        return 1;
    }
    print_answer(name, &answer);
    return 0;
}

int main(int argc, char **argv)
{
    int rate = 0, first = 1, failed = 0;

    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts(edge_ser_version());
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--license") == 0) {
        puts(edge_ser_license());
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "--rate") == 0) {
        rate = atoi(argv[2]);
        first = 3;
    }
    if (first >= argc || rate < 0 || (first == 3 && rate == 0)) {
        fputs(USAGE, stderr);
        return 2;
    }
    for (int k = first; k < argc; k++)
        failed |= run(argv[k], rate);
    return failed;
}
