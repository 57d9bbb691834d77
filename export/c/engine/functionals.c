#include "functionals.h"

#include <math.h>
#include <string.h>

#include "descriptors.h"

#define SPEECH_RANGE_DB 11.0 /* frames within this range of the loudest twentieth are speech */
#define MAX_CHANGE 8.0f      /* semitones or dB over two frames; more are octave errors and clicks */
#define MAX_JITTER 4.0f      /* semitones */
#define REGRESSION_VARIANCE 0.5 /* added to the variance of the first variable */

typedef enum { SPEECH, VOICED, UNVOICED, ALL } subset;

/* A block: its rows from the first to the last speech frame. Sums are double, as in the Python
 * package: there are up to thousands of rows. */
typedef struct {
    const float *rows;
    int n;
    double threshold;      /* loudness of speech */
    double loudness_mean;  /* over the speech frames */
    float *values;         /* working memory for one column */
} block;

static const float *row_of(const block *b, int t)
{
    return b->rows + (size_t)t * EDGE_SER_WIDTH;
}

static float descriptor(const block *b, int t, int column)
{
    return row_of(b, t)[EDGE_SER_N_MFCC + column];
}

static int is_in(const block *b, int t, subset which)
{
    int is_speech = (double)descriptor(b, t, EDGE_SER_LOUDNESS) > b->threshold;
    int is_voiced = is_speech && descriptor(b, t, EDGE_SER_F0) > 0.0f;

    switch (which) {
    case SPEECH:
        return is_speech;
    case VOICED:
        return is_voiced;
    case UNVOICED:
        return is_speech && !is_voiced;
    default:
        return 1;
    }
}

/* 1 if the frame and its neighbours are voiced. */
static int is_within_voice(const block *b, int t)
{
    return is_in(b, t - 1, VOICED) && is_in(b, t, VOICED) && is_in(b, t + 1, VOICED);
}

/* Sort values in ascending order by heapsort, which needs no further memory. */
static void sort(float *values, int n)
{
    for (int start = n / 2, end = n; end > 1;) {
        float moved;
        int parent;

        if (start > 0) {
            moved = values[--start]; /* build the heap */
        } else {
            moved = values[--end]; /* take the largest value from it */
            values[end] = values[0];
        }
        for (parent = start;;) {
            int child = 2 * parent + 1;

            if (child >= end)
                break;
            if (child + 1 < end && values[child + 1] > values[child])
                child++;
            if (values[child] <= moved)
                break;
            values[parent] = values[child];
            parent = child;
        }
        values[parent] = moved;
    }
}

/* Return a percentile of sorted values, as numpy does. */
static double percentile(const float *sorted, int n, int percent)
{
    int below = (n - 1) * percent / 100, share = (n - 1) * percent % 100;
    int above = below + 1 < n ? below + 1 : below;

    return (double)sorted[below] +
           ((double)sorted[above] - (double)sorted[below]) * (share / 100.0);
}

/* Collect a column of the frames of a subset in b->values, and return their number. */
static int collect(const block *b, int column, subset which)
{
    int n = 0;

    for (int t = 0; t < b->n; t++)
        if (is_in(b, t, which))
            b->values[n++] = row_of(b, t)[column];
    return n;
}

static double mean_of(const float *values, int n)
{
    double sum = 0.0;

    for (int k = 0; k < n; k++)
        sum += (double)values[k];
    return n ? sum / n : 0.0;
}

static double deviation_of(const float *values, int n)
{
    double mean = mean_of(values, n), sum = 0.0;

    for (int k = 0; k < n; k++)
        sum += ((double)values[k] - mean) * ((double)values[k] - mean);
    return n ? sqrt(sum / n) : 0.0;
}

/* Write mean and standard deviation of a descriptor, and return what follows them. */
static float *add_moments(const block *b, int column, subset which, float *out)
{
    int n = collect(b, EDGE_SER_N_MFCC + column, which);

    *out++ = n ? (float)mean_of(b->values, n) : NAN;
    *out++ = n ? (float)deviation_of(b->values, n) : NAN;
    return out;
}

/* Write the percentiles of a column less an offset. The frames are sorted. */
static float *add_percentiles(float *values, int n, double offset, float *out)
{
    static const int percents[] = {20, 50, 80};

    sort(values, n);
    for (int k = 0; k < 3; k++)
        *out++ = n ? (float)(percentile(values, n, percents[k]) - offset) : NAN;
    return out;
}

/* Write the percentiles of a descriptor, and their range. */
static float *add_range(const block *b, int column, subset which, double offset, float *out)
{
    int n = collect(b, EDGE_SER_N_MFCC + column, which);

    out = add_percentiles(b->values, n, offset, out);
    *out = n ? (float)(percentile(b->values, n, 80) - percentile(b->values, n, 20)) : NAN;
    return out + 1;
}

/* Write mean and deviation of the rising slopes, then of the falling ones, in units per second.
 *
 * within_voice: only frames whose neighbours are voiced count. */
static float *add_slopes(const block *b, int column, int within_voice, float *out)
{
    for (int sign = 1; sign >= -1; sign -= 2) {
        int n = 0;

        for (int t = 1; t < b->n - 1; t++) {
            float change = descriptor(b, t + 1, column) - descriptor(b, t - 1, column);

            if (change * (float)sign > 0.0f && (!within_voice || is_within_voice(b, t)))
                b->values[n++] = fminf(change * (float)sign, MAX_CHANGE) /
                                 (float)(2.0 * EDGE_SER_FRAME_PERIOD);
        }
        *out++ = (float)mean_of(b->values, n);
        *out++ = (float)deviation_of(b->values, n);
    }
    return out;
}

/* Return the mean absolute second difference of a descriptor within voices. */
static float irregularity(const block *b, int column, float limit)
{
    int n = 0;

    for (int t = 1; t < b->n - 1; t++)
        if (is_within_voice(b, t)) {
            float before = descriptor(b, t - 1, column), after = descriptor(b, t + 1, column);
            float middle = descriptor(b, t, column);

            b->values[n++] = fminf(fabsf((after - middle) - (middle - before)), limit);
        }
    return (float)mean_of(b->values, n);
}

/* Write the deviation of the linear loudness over its mean. */
static float *add_linear_loudness(const block *b, float *out)
{
    int n = collect(b, EDGE_SER_N_MFCC + EDGE_SER_LOUDNESS, SPEECH);

    for (int k = 0; k < n; k++)
        b->values[k] = powf(10.0f, (float)((double)b->values[k] - b->loudness_mean) / 10.0f);
    *out = (float)(deviation_of(b->values, n) / mean_of(b->values, n));
    return out + 1;
}

static float *add_loudness(const block *b, float *out)
{
    int n = collect(b, EDGE_SER_N_MFCC + EDGE_SER_LOUDNESS, SPEECH);

    *out++ = (float)deviation_of(b->values, n);
    out = add_linear_loudness(b, out);
    out = add_range(b, EDGE_SER_LOUDNESS, SPEECH, b->loudness_mean, out);
    out = add_slopes(b, EDGE_SER_LOUDNESS, 0, out);
    *out++ = irregularity(b, EDGE_SER_LOUDNESS, HUGE_VALF);
    n = collect(b, EDGE_SER_N_MFCC + EDGE_SER_LOUDNESS, VOICED);
    *out++ = n ? (float)(mean_of(b->values, n) - b->loudness_mean) : 0.0f;
    *out++ = (float)deviation_of(b->values, n);
    return out;
}

/* Return the slope of the regression of a descriptor on another, over voiced frames. */
static float regression_slope(const block *b, int x, int y)
{
    double mean_x, mean_y, products = 0.0, squares = 0.0;
    int n = collect(b, EDGE_SER_N_MFCC + y, VOICED);

    mean_y = mean_of(b->values, n);
    mean_x = mean_of(b->values, collect(b, EDGE_SER_N_MFCC + x, VOICED));
    if (n < 3)
        return 0.0f;
    for (int t = 0; t < b->n; t++)
        if (is_in(b, t, VOICED)) {
            double dx = (double)descriptor(b, t, x) - mean_x;

            products += dx * ((double)descriptor(b, t, y) - mean_y);
            squares += dx * dx;
        }
    return (float)(products / (squares + REGRESSION_VARIANCE * n));
}

/* Write number per second, mean length, its deviation and the share of time of the runs of frames
 * that are, or are not, in a subset. */
static float *add_runs(const block *b, subset which, int is_inside, float *out)
{
    int n = 0, length = 0, total = 0;

    for (int t = 0; t <= b->n; t++) {
        if (t < b->n && is_in(b, t, which) == is_inside) {
            length++;
        } else if (length > 0) {
            b->values[n++] = (float)length;
            total += length;
            length = 0;
        }
    }
    *out++ = (float)(n / (b->n * EDGE_SER_FRAME_PERIOD));
    *out++ = (float)(mean_of(b->values, n) * EDGE_SER_FRAME_PERIOD);
    *out++ = (float)(deviation_of(b->values, n) * EDGE_SER_FRAME_PERIOD);
    *out++ = (float)((double)total / b->n);
    return out;
}

static float *add_rates(const block *b, float *out)
{
    int n_peaks = 0;

    for (int t = 1; t < b->n - 1; t++) {
        float before = descriptor(b, t - 1, EDGE_SER_LOUDNESS);
        float peak = descriptor(b, t, EDGE_SER_LOUDNESS);

        n_peaks += peak > before && peak >= descriptor(b, t + 1, EDGE_SER_LOUDNESS) &&
                   is_in(b, t, SPEECH);
    }
    *out++ = (float)(n_peaks / (b->n * EDGE_SER_FRAME_PERIOD));
    out = add_runs(b, VOICED, 1, out);
    out = add_runs(b, SPEECH, 0, out);
    return add_runs(b, VOICED, 0, out);
}

static float *add_descriptors(const block *b, float *out)
{
    static const int both[] = {EDGE_SER_VOICING,        EDGE_SER_HNR,         EDGE_SER_SLOPE_0_500,
                               EDGE_SER_SLOPE_500_1500, EDGE_SER_ALPHA_RATIO, EDGE_SER_HAMMARBERG,
                               EDGE_SER_FLUX};
    static const int voiced_only[] = {EDGE_SER_H1_H2, EDGE_SER_H1_A1, EDGE_SER_H1_A3};
    static const int regressions[][2] = {{EDGE_SER_F0, EDGE_SER_LOUDNESS},
                                         {EDGE_SER_LOUDNESS, EDGE_SER_ALPHA_RATIO},
                                         {EDGE_SER_F0, EDGE_SER_ALPHA_RATIO},
                                         {EDGE_SER_LOUDNESS, EDGE_SER_SLOPE_500_1500},
                                         {EDGE_SER_F0, EDGE_SER_H1_A1}};

    out = add_moments(b, EDGE_SER_F0, VOICED, out);
    out = add_range(b, EDGE_SER_F0, VOICED, 0.0, out);
    out = add_slopes(b, EDGE_SER_F0, 1, out);
    *out++ = irregularity(b, EDGE_SER_F0, MAX_JITTER);
    out = add_loudness(b, out);
    for (size_t k = 0; k < sizeof both / sizeof *both; k++) {
        out = add_moments(b, both[k], VOICED, out);
        out = add_range(b, both[k], VOICED, 0.0, out);
        out = add_moments(b, both[k], UNVOICED, out);
    }
    for (size_t k = 0; k < sizeof voiced_only / sizeof *voiced_only; k++)
        out = add_moments(b, voiced_only[k], VOICED, out);
    for (size_t k = 0; k < sizeof regressions / sizeof *regressions; k++)
        *out++ = regression_slope(b, regressions[k][0], regressions[k][1]);
    return add_rates(b, out);
}

/* Return the mean absolute change of a coefficient from one speech frame to the next. */
static float mean_change(const block *b, int column)
{
    int n = 0;

    for (int t = 1; t < b->n; t++)
        if (is_in(b, t - 1, SPEECH) && is_in(b, t, SPEECH))
            b->values[n++] = fabsf(row_of(b, t)[column] - row_of(b, t - 1)[column]);
    return (float)mean_of(b->values, n);
}

static void add_mfcc(const block *b, float *out)
{
    for (int column = 0; column < EDGE_SER_N_MFCC; column++) {
        int n = collect(b, column, SPEECH);
        double mean = mean_of(b->values, n);

        if (column > 0) /* the mean of c0 is the gain */
            *out++ = (float)mean;
        *out++ = (float)deviation_of(b->values, n);
        out = add_percentiles(b->values, n, mean, out);
        *out++ = mean_change(b, column);
    }
}

/* Compute EDGE_SER_N_FUNCTIONALS statistics of a block. */
static void functionals(const float *rows, int n, float *scratch, float *out)
{
    block b = {rows, n, 0.0, 0.0, scratch};
    int first = 0;

    collect(&b, EDGE_SER_N_MFCC + EDGE_SER_LOUDNESS, ALL);
    sort(b.values, n);
    b.threshold = percentile(b.values, n, 95) - SPEECH_RANGE_DB;
    while (!is_in(&b, first, SPEECH))
        first++;
    while (!is_in(&b, b.n - 1, SPEECH))
        b.n--;
    b.rows += (size_t)first * EDGE_SER_WIDTH;
    b.n -= first;
    n = collect(&b, EDGE_SER_N_MFCC + EDGE_SER_LOUDNESS, SPEECH);
    b.loudness_mean = mean_of(b.values, n);
    add_mfcc(&b, add_descriptors(&b, out));
}

void edge_ser_statistics_reset(edge_ser_statistics_sums *sums)
{
    memset(sums, 0, sizeof *sums);
}

void edge_ser_statistics_add(edge_ser_statistics_sums *sums, const float *rows, int n,
                             float *scratch)
{
    float *values = scratch + EDGE_SER_BLOCK_FRAMES;

    functionals(rows, n, scratch, values);
    for (int k = 0; k < EDGE_SER_N_FUNCTIONALS; k++)
        if (!isnan(values[k])) {
            sums->sums[k] += (double)values[k] * n;
            sums->weights[k] += n;
        }
}

void edge_ser_statistics_values(const edge_ser_statistics_sums *sums, const float *rows, int n,
                                float *scratch, float *out)
{
    float *values = scratch + EDGE_SER_BLOCK_FRAMES;

    functionals(rows, n, scratch, values);
    for (int k = 0; k < EDGE_SER_N_STATISTICS; k++) {
        int index = edge_ser_statistics_columns[k];
        int is_known = !isnan(values[index]);
        double weight = sums->weights[index] + (is_known ? n : 0);
        double sum = sums->sums[index] + (is_known ? (double)values[index] * n : 0.0);

        out[k] = weight > 0.0 ? (float)(sum / weight) : NAN;
    }
}
