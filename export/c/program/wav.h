/* Reads 16-bit PCM, in WAV files or without a header. */
#ifndef EDGE_SER_WAV_H
#define EDGE_SER_WAV_H

#include <stdint.h>
#include <stdio.h>

typedef struct {
    FILE *file;
    int rate;
    int channels;
    uint32_t bytes_left; /* UINT32_MAX: up to the end of the file */
} edge_ser_wav;

/* Read a header. Return NULL, or the reason why the file is not supported. */
const char *edge_ser_wav_open(edge_ser_wav *wav, FILE *file);

/* Read samples, the mean of the channels. Return their number, 0 at the end. */
int edge_ser_wav_read(edge_ser_wav *wav, float *samples, int n);

#endif
