/* Speech emotion recognition: samples in, the probability of each emotion out.
 *
 * @MODEL@
 *
 *     static edge_ser_state state;
 *     edge_ser_answer answer;
 *
 *     edge_ser_init(&state);
 *     while (there are samples)
 *         edge_ser_push_i16(&state, pcm, n);
 *     if (edge_ser_result(&state, &answer) == EDGE_SER_OK)
 *         puts(edge_ser_label(answer.label));
 *
 * A state takes EDGE_SER_STATE_BYTES bytes. There is no heap and no variable outside of the states,
 * so that any number of states may be in use, each by one thread at a time. The calls need at most
 * EDGE_SER_STACK_BYTES bytes of stack, as measured with gcc on 32-bit ARM.
 *
 * The weights in engine/model.c have a licence of their own, see edge_ser_license. */
#ifndef EDGE_SER_H
#define EDGE_SER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EDGE_SER_SAMPLE_RATE @SAMPLE_RATE@ /* Hz */
#define EDGE_SER_N_LABELS @N_LABELS@
#define EDGE_SER_N_STATISTICS @N_STATISTICS@ /* of a clip; 0: the model uses none */
#define EDGE_SER_STATE_BYTES @STATE_BYTES@
#define EDGE_SER_STACK_BYTES 2048
#define EDGE_SER_MAX_SAMPLE 1000.0f /* largest magnitude of a sample; full scale is 1 */

/* Answers that are not labels. */
#define EDGE_SER_NO_SPEECH (-1)
#define EDGE_SER_UNCERTAIN (-2)

typedef enum {
    EDGE_SER_OK = 0,
    EDGE_SER_NO_FRAMES = 1,    /* there is no answer yet: the clip is empty, or too short */
    EDGE_SER_BAD_SAMPLES = 2,  /* NaN, or beyond EDGE_SER_MAX_SAMPLE; the push has no effect */
    EDGE_SER_BAD_ARGUMENT = 3, /* a null pointer; the call has no effect */
} edge_ser_status;

/* The state of a stream. Its content is private. */
typedef union {
    long long align;
    unsigned char bytes[EDGE_SER_STATE_BYTES];
} edge_ser_state;

typedef struct {
    int label;        /* 0 to EDGE_SER_N_LABELS - 1, EDGE_SER_UNCERTAIN or EDGE_SER_NO_SPEECH */
    int guess;        /* the most probable label, also of an uncertain answer */
    float confidence; /* its probability */
    float probabilities[EDGE_SER_N_LABELS];
    float speech;  /* probability of speech; 1 if the model has no speech gate */
    float arousal; /* probability of an aroused voice; -1 if the model does not predict it */
} edge_ser_answer;

/* Begin a stream. Required before all other calls. */
edge_ser_status edge_ser_init(edge_ser_state *state);

/* Begin the next clip. */
void edge_ser_reset(edge_ser_state *state);

/* Add n samples of one channel at EDGE_SER_SAMPLE_RATE. n may be 0; the answer does not depend on
 * how a clip is divided into pushes. */
edge_ser_status edge_ser_push_i16(edge_ser_state *state, const int16_t *pcm, size_t n);
edge_ser_status edge_ser_push_f32(edge_ser_state *state, const float *pcm, size_t n);

/* Answer for all samples since the clip began, as if it ended here; more samples may follow. It
 * uses a part of the state as working memory. */
edge_ser_status edge_ser_result(edge_ser_state *state, edge_ser_answer *answer);

/* Probability of speech of the last frame, 0 before the first; 1 without a speech gate. A frame
 * spans @FRAME_MS@ ms, and a new one begins every @HOP_MS@ ms. */
float edge_ser_frame_speech(const edge_ser_state *state);

/* Name of a label, of EDGE_SER_NO_SPEECH or of EDGE_SER_UNCERTAIN; NULL for other numbers. */
const char *edge_ser_label(int label);

/* Name of the model, and version of the program that generated this library. */
const char *edge_ser_version(void);

/* Licence of the weights. */
const char *edge_ser_license(void);

/* EDGE_SER_STATE_BYTES and EDGE_SER_SAMPLE_RATE, for other programming languages. */
size_t edge_ser_state_bytes(void);
int edge_ser_sample_rate(void);

#ifdef __cplusplus
}
#endif

#endif
