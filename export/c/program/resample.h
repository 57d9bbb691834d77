/* Resamples a stream by band-limited interpolation.
 *
 * Smith and Gossett 1984, A flexible sampling-rate conversion method,
 * https://doi.org/10.1109/ICASSP.1984.1172555 */
#ifndef EDGE_SER_RESAMPLE_H
#define EDGE_SER_RESAMPLE_H

#define EDGE_SER_ZERO_CROSSINGS 72 /* of the kernel, on either side */
#define EDGE_SER_KERNEL_STEPS 256  /* values of the kernel from one zero crossing to the next */
#define EDGE_SER_KERNEL_SIZE (EDGE_SER_ZERO_CROSSINGS * EDGE_SER_KERNEL_STEPS + 2)
#define EDGE_SER_MAX_RATIO 12 /* of the rates, if the source has the higher one */
#define EDGE_SER_HISTORY 2048 /* samples; more than the kernel spans */

typedef struct {
    float kernel[EDGE_SER_KERNEL_SIZE]; /* one half */
    float history[EDGE_SER_HISTORY];    /* the last samples, as a ring */
    int source_rate;
    int target_rate;
    double reach;       /* of the kernel, in samples of the source */
    double cutoff;      /* zero crossings of the kernel for each sample of the source */
    long long received; /* samples of the source */
    long long sent;     /* samples of the result */
} edge_ser_resampler;

/* Return 0, or -1 if the rates are not supported. */
int edge_ser_resampler_init(edge_ser_resampler *resampler, int source_rate, int target_rate);

/* Add a sample. */
void edge_ser_resampler_push(edge_ser_resampler *resampler, float sample);

/* Return 1 and the next sample of the result if it is complete, else 0.
 *
 * is_last: the source has ended; its continuation counts as zeros. */
int edge_ser_resampler_next(edge_ser_resampler *resampler, int is_last, float *sample);

#endif
