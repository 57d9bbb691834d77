/* Level of the loudest 30 ms of a signal. */
#ifndef EDGE_SER_LEVEL_H
#define EDGE_SER_LEVEL_H

typedef struct {
    float peak; /* mean square of the loudest complete block */
    float sum;  /* of the squares of the block in progress */
    int n;      /* its samples */
} edge_ser_level;

void edge_ser_level_reset(edge_ser_level *level);
void edge_ser_level_push(edge_ser_level *level, const float *samples, int n);

/* Level in dB relative to full scale; -INFINITY for silence. A signal that is shorter than a block
 * is one block; the incomplete last block of a longer one does not count. */
float edge_ser_level_dbfs(const edge_ser_level *level);

#endif
