#include "decision.h"

#include <math.h>

#include "lstm.h"

static int largest(const float *values)
{
    int best = 0;

    for (int label = 1; label < EDGE_SER_N_LABELS; label++)
        if (values[label] > values[best])
            best = label;
    return best;
}

static float arousal_of(const float *probabilities)
{
#if EDGE_SER_HAS_AROUSAL
    float high = 0.0f, low = 0.0f;

    for (int label = 0; label < EDGE_SER_N_LABELS; label++)
        if (edge_ser_is_aroused[label])
            high += probabilities[label];
        else
            low += probabilities[label];
    high = fmaxf(high, EDGE_SER_MIN_PROBABILITY);
    low = fmaxf(low, EDGE_SER_MIN_PROBABILITY);
    return edge_ser_sigmoid(EDGE_SER_AROUSAL_SCALE * logf(high / low) + EDGE_SER_AROUSAL_OFFSET);
#else
    (void)probabilities;
    return -1.0f;
#endif
}

void edge_ser_decide(const float *logits, float speech, float dbfs, edge_ser_answer *answer)
{
    float sum = 0.0f;

    answer->guess = largest(logits);
    for (int label = 0; label < EDGE_SER_N_LABELS; label++) {
        float difference = logits[label] - logits[answer->guess];
        answer->probabilities[label] = expf(difference / EDGE_SER_TEMPERATURE);
        sum += answer->probabilities[label];
    }
    for (int label = 0; label < EDGE_SER_N_LABELS; label++)
        answer->probabilities[label] /= sum;
    answer->confidence = answer->probabilities[answer->guess];
    answer->speech = speech;
    answer->arousal = arousal_of(answer->probabilities);

    if (dbfs < EDGE_SER_SPEECH_ABOVE_DBFS || speech < EDGE_SER_SPEECH_ABOVE)
        answer->label = EDGE_SER_NO_SPEECH;
    else if (answer->confidence < EDGE_SER_UNCERTAIN_BELOW)
        answer->label = EDGE_SER_UNCERTAIN;
    else
        answer->label = answer->guess;
}
