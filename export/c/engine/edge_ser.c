#include "../edge_ser.h"

#include <math.h>
#include <string.h>

#include "cepstrum.h"
#include "decision.h"
#include "fft.h"
#include "state.h"
#if EDGE_SER_N_STATISTICS
#include "branch.h"
#endif

/* EDGE_SER_STATE_BYTES must be the size of the content. */
typedef char edge_ser_size_check[sizeof(edge_ser_engine) <= EDGE_SER_STATE_BYTES ? 1 : -1];

#define CHUNK 32 /* samples that are converted to float at once */

static edge_ser_engine *engine_of(edge_ser_state *state)
{
    return (edge_ser_engine *)(void *)state->bytes;
}

edge_ser_status edge_ser_init(edge_ser_state *state)
{
    if (state == NULL)
        return EDGE_SER_BAD_ARGUMENT;
    edge_ser_reset(state);
    return EDGE_SER_OK;
}

void edge_ser_reset(edge_ser_state *state)
{
    edge_ser_engine *engine = engine_of(state);

    edge_ser_framing_reset(&engine->framing);
    edge_ser_level_reset(&engine->level);
    edge_ser_pipeline_reset(&engine->pipeline);
#if EDGE_SER_N_STATISTICS
    edge_ser_descriptors_reset(&engine->history);
    edge_ser_statistics_reset(&engine->sums);
    engine->n_rows = 0;
#endif
    engine->has_samples = 0;
}

/* Compute the row of the frame that begins `start` samples after the next one. */
#if EDGE_SER_N_STATISTICS
static void compute_row(edge_ser_engine *engine, int start, edge_ser_descriptor_history *history)
#else
static void compute_row(edge_ser_engine *engine, int start)
#endif
{
    edge_ser_framing_window(&engine->framing, start, engine->scratch);
    edge_ser_rfft(engine->scratch, engine->spectrum, EDGE_SER_N_FFT, edge_ser_twiddles, 1);
    edge_ser_power(engine->spectrum);
    edge_ser_cepstrum(engine->spectrum, engine->scratch, engine->row);
#if EDGE_SER_N_STATISTICS
    edge_ser_descriptors(history, engine->spectrum, engine->scratch,
                         engine->row + EDGE_SER_N_MFCC);
#endif
}

static void process_frame(edge_ser_engine *engine)
{
#if EDGE_SER_N_STATISTICS
    compute_row(engine, 0, &engine->history);
    if (engine->n_rows == EDGE_SER_BLOCK_FRAMES) {
        edge_ser_statistics_add(&engine->sums, engine->rows[0], EDGE_SER_BLOCK_FRAMES,
                                engine->scratch);
        engine->n_rows = 0;
    }
    memcpy(engine->rows[engine->n_rows++], engine->row, sizeof engine->row);
#else
    compute_row(engine, 0);
#endif
    edge_ser_pipeline_push(&engine->pipeline, engine->row, engine->scratch);
    edge_ser_framing_advance(&engine->framing);
}

static void push(edge_ser_engine *engine, const float *samples, int n)
{
    edge_ser_level_push(&engine->level, samples, n);
    if (n > 0)
        engine->has_samples = 1;
    while (n > 0) {
        int taken = edge_ser_framing_fill(&engine->framing, samples, n);

        samples += taken;
        n -= taken;
        if (edge_ser_framing_ready(&engine->framing))
            process_frame(engine);
    }
}

edge_ser_status edge_ser_push_i16(edge_ser_state *state, const int16_t *pcm, size_t n)
{
    float samples[CHUNK];

    if (state == NULL || (pcm == NULL && n > 0))
        return EDGE_SER_BAD_ARGUMENT;
    while (n > 0) {
        int count = n < CHUNK ? (int)n : CHUNK;

        for (int k = 0; k < count; k++)
            samples[k] = (float)pcm[k] / 32768.0f;
        push(engine_of(state), samples, count);
        pcm += count;
        n -= (size_t)count;
    }
    return EDGE_SER_OK;
}

edge_ser_status edge_ser_push_f32(edge_ser_state *state, const float *pcm, size_t n)
{
    if (state == NULL || (pcm == NULL && n > 0))
        return EDGE_SER_BAD_ARGUMENT;
    for (size_t k = 0; k < n; k++)
        if (!(fabsf(pcm[k]) <= EDGE_SER_MAX_SAMPLE))
            return EDGE_SER_BAD_SAMPLES;
    while (n > 0) {
        int count = n < CHUNK ? (int)n : CHUNK;

        push(engine_of(state), pcm, count);
        pcm += count;
        n -= (size_t)count;
    }
    return EDGE_SER_OK;
}

/* End a copy of the pipeline, and return the number of frames. */
static int end_clip(edge_ser_engine *engine)
{
    int n_tail = edge_ser_framing_tail(&engine->framing);
    int n_frames = engine->framing.has_frames + n_tail;

    if (!engine->has_samples || n_frames == 0)
        return 0;
    engine->tail = engine->pipeline;
#if EDGE_SER_N_STATISTICS
    engine->tail_history = engine->history;
#endif
    for (int k = 0; k < n_tail; k++) {
#if EDGE_SER_N_STATISTICS
        compute_row(engine, k * EDGE_SER_HOP, &engine->tail_history);
        memcpy(engine->rows[engine->n_rows + k], engine->row, sizeof engine->row);
#else
        compute_row(engine, k * EDGE_SER_HOP);
#endif
        edge_ser_pipeline_push(&engine->tail, engine->row, engine->scratch);
    }
    edge_ser_pipeline_end(&engine->tail, engine->scratch);
    return n_frames;
}

#if EDGE_SER_N_STATISTICS

/* Combine the logits of the network with the statistics of all rows. */
static void add_statistics(edge_ser_engine *engine)
{
    float *statistics = engine->spectrum, *rows = engine->rows[0];
    int n_rows = engine->n_rows + edge_ser_framing_tail(&engine->framing);

    engine->tail_sums = engine->sums;
    if (n_rows > EDGE_SER_BLOCK_FRAMES) {
        edge_ser_statistics_add(&engine->tail_sums, rows, EDGE_SER_BLOCK_FRAMES, engine->scratch);
        rows = engine->rows[EDGE_SER_BLOCK_FRAMES];
        n_rows -= EDGE_SER_BLOCK_FRAMES;
    }
    edge_ser_statistics_values(&engine->tail_sums, rows, n_rows, engine->scratch, statistics);
    edge_ser_branch(statistics, engine->logits);
}

#endif

edge_ser_status edge_ser_result(edge_ser_state *state, edge_ser_answer *answer)
{
    edge_ser_engine *engine;
    float speech = 1.0f;

    if (state == NULL || answer == NULL)
        return EDGE_SER_BAD_ARGUMENT;
    engine = engine_of(state);
    if (end_clip(engine) == 0)
        return EDGE_SER_NO_FRAMES;
    edge_ser_network_logits(&engine->tail.network, engine->scratch, engine->logits);
#if EDGE_SER_N_STATISTICS
    add_statistics(engine);
#endif
#if EDGE_SER_HAS_GATE
    speech = edge_ser_gate_speech(&engine->tail.gate);
#endif
    edge_ser_decide(engine->logits, speech, edge_ser_level_dbfs(&engine->level), answer);
    return EDGE_SER_OK;
}

float edge_ser_frame_speech(const edge_ser_state *state)
{
#if EDGE_SER_HAS_GATE
    return ((const edge_ser_engine *)(const void *)state->bytes)->pipeline.gate.speech;
#else
    (void)state;
    return 1.0f;
#endif
}

const char *edge_ser_label(int label)
{
    if (label == EDGE_SER_NO_SPEECH)
        return "no speech";
    if (label == EDGE_SER_UNCERTAIN)
        return "uncertain";
    return label >= 0 && label < EDGE_SER_N_LABELS ? edge_ser_labels[label] : NULL;
}

const char *edge_ser_version(void)
{
    return EDGE_SER_VERSION;
}

const char *edge_ser_license(void)
{
    return EDGE_SER_LICENSE;
}

size_t edge_ser_state_bytes(void)
{
    return EDGE_SER_STATE_BYTES;
}

int edge_ser_sample_rate(void)
{
    return EDGE_SER_SAMPLE_RATE;
}
