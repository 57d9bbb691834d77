/* The rule that turns logits into an answer. */
#ifndef EDGE_SER_DECISION_H
#define EDGE_SER_DECISION_H

#include "model.h"

/* Fill in an answer.
 *
 * logits: EDGE_SER_N_LABELS values.
 * speech: probability of speech.
 * dbfs: level of the loudest 30 ms. */
void edge_ser_decide(const float *logits, float speech, float dbfs, edge_ser_answer *answer);

#endif
