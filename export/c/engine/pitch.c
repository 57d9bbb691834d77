#include "pitch.h"

#include <math.h>
#include <string.h>

#include "fft.h"

#define NO_CANDIDATE (-1.0f)
#define UNVOICED EDGE_SER_N_CANDIDATES /* index of the unvoiced candidate */

void edge_ser_pitch_reset(edge_ser_pitch *pitch)
{
    memset(pitch, 0, sizeof *pitch);
}

static float octave_cost(float lag)
{
    return EDGE_SER_OCTAVE_COST * log2f(EDGE_SER_PITCH_FLOOR * lag / EDGE_SER_LAG_RATE);
}

/* Compute the normalised autocorrelation at the lags that may be a pitch, and at a neighbour at
 * either end. Return it; it is a part of the scratch.
 *
 * The spectrum is filtered, and resampled to EDGE_SER_LAG_RATE by a shorter transform. */
static float *autocorrelation(const float *power, float *scratch)
{
    float *filtered = scratch, *acf = scratch + EDGE_SER_LAG_FFT;
    float energy = 0.0f;

    memset(filtered, 0, EDGE_SER_LAG_FFT * sizeof *filtered);
    for (int k = 0; k < EDGE_SER_N_PITCH_BINS; k++) {
        filtered[k] = power[k] * edge_ser_pitch_filter[k];
        energy += filtered[k];
    }
    energy = fmaxf(energy, EDGE_SER_TINY);
    edge_ser_rfft(filtered, acf, EDGE_SER_LAG_FFT, edge_ser_twiddles,
                  EDGE_SER_N_FFT / EDGE_SER_LAG_FFT);
    for (int k = 0; k < EDGE_SER_N_LAGS; k++) /* the real part of each bin */
        acf[k] = acf[2 * (EDGE_SER_FIRST_LAG - 1 + k)] * edge_ser_lag_weights[k] / energy;
    return acf;
}

/* Interpolate a maximum by a parabola. */
static void refine(const float *acf, int index, float *strength, float *lag)
{
    float left = acf[index - 1], middle = acf[index], right = acf[index + 1];
    float curvature = fminf(left - 2.0f * middle + right, -1e-9f);
    float shift = fminf(fmaxf(0.5f * (left - right) / curvature, -0.5f), 0.5f);

    *strength = fminf(middle - 0.25f * (left - right) * shift, 1.0f) - edge_ser_lag_cost[index];
    *lag = (float)(EDGE_SER_FIRST_LAG - 1 + index) + shift;
}

static float score_of(const float *acf, int index)
{
    if (acf[index] > acf[index - 1] && acf[index] >= acf[index + 1])
        return acf[index] - edge_ser_lag_cost[index];
    return NO_CANDIDATE;
}

/* Find the highest maxima, in descending order. */
static void find_candidates(const float *acf, edge_ser_candidates *candidates)
{
    float scores[EDGE_SER_N_CANDIDATES] = {0};
    int indices[EDGE_SER_N_CANDIDATES] = {0};
    int n = 0;

    for (int index = 1; index < EDGE_SER_N_LAGS - 1; index++) {
        float score = score_of(acf, index);
        int place = n;

        if (score <= NO_CANDIDATE)
            continue;
        for (; place > 0 && scores[place - 1] < score; place--)
            if (place < EDGE_SER_N_CANDIDATES) {
                scores[place] = scores[place - 1];
                indices[place] = indices[place - 1];
            }
        if (place < EDGE_SER_N_CANDIDATES) {
            scores[place] = score;
            indices[place] = index;
            n += n < EDGE_SER_N_CANDIDATES;
        }
    }
    for (int k = 0; k < EDGE_SER_N_CANDIDATES; k++)
        if (k < n) {
            refine(acf, indices[k], &candidates->strengths[k], &candidates->lags[k]);
        } else {
            candidates->strengths[k] = NO_CANDIDATE;
            candidates->lags[k] = EDGE_SER_FIRST_LAG;
        }
}

static float strength_of(const edge_ser_candidates *frame, int index)
{
    return index == UNVOICED ? EDGE_SER_VOICING_THRESHOLD : frame->strengths[index];
}

/* Cost of a change from a candidate of one frame to a candidate of the next. */
static float change_cost(const edge_ser_candidates *from, int a, const edge_ser_candidates *to, int b)
{
    if (a == UNVOICED || b == UNVOICED)
        return a == b ? 0.0f : EDGE_SER_VOICING_COST;
    return fabsf(log2f(from->lags[a]) - log2f(to->lags[b])) * EDGE_SER_OCTAVE_JUMP_COST;
}

/* Return the candidate of the last frame at the end of the best path through all frames. */
static int best_candidate(const edge_ser_candidates *frames, int n_frames)
{
    float totals[EDGE_SER_N_CANDIDATES + 1];
    int best = 0;

    for (int a = 0; a <= UNVOICED; a++)
        totals[a] = strength_of(&frames[0], a);
    for (int t = 1; t < n_frames; t++) {
        float before[EDGE_SER_N_CANDIDATES + 1];

        memcpy(before, totals, sizeof before);
        for (int b = 0; b <= UNVOICED; b++) {
            float message = before[0] - change_cost(&frames[t - 1], 0, &frames[t], b);

            for (int a = 1; a <= UNVOICED; a++)
                message =
                    fmaxf(message, before[a] - change_cost(&frames[t - 1], a, &frames[t], b));
            totals[b] = strength_of(&frames[t], b) + message;
        }
    }
    for (int b = 1; b <= UNVOICED; b++)
        if (totals[b] > totals[best])
            best = b;
    return best;
}

void edge_ser_pitch_push(edge_ser_pitch *pitch, const float *power, float *scratch, float *f0,
                         float *voicing)
{
    edge_ser_candidates *frame = &pitch->frames[pitch->n_frames];
    int best, column;

    find_candidates(autocorrelation(power, scratch), frame);
    best = best_candidate(pitch->frames, pitch->n_frames + 1);
    column = best;
    if (best == UNVOICED) { /* the voicing is that of the strongest candidate */
        column = 0;
        for (int k = 1; k < EDGE_SER_N_CANDIDATES; k++)
            if (frame->strengths[k] > frame->strengths[column])
                column = k;
    }
    *f0 = best == UNVOICED ? 0.0f : EDGE_SER_LAG_RATE / frame->lags[column];
    *voicing = frame->strengths[column] + octave_cost(frame->lags[column]);
    *voicing = fminf(fmaxf(*voicing, 0.0f), 1.0f);

    if (pitch->n_frames < EDGE_SER_PITCH_REACH)
        pitch->n_frames++;
    else
        memmove(pitch->frames, pitch->frames + 1,
                EDGE_SER_PITCH_REACH * sizeof *pitch->frames);
}
