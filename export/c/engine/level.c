#include "level.h"

#include <math.h>
#include <string.h>

#include "model.h"

void edge_ser_level_reset(edge_ser_level *level)
{
    memset(level, 0, sizeof *level);
}

void edge_ser_level_push(edge_ser_level *level, const float *samples, int n)
{
    for (int i = 0; i < n; i++) {
        level->sum += samples[i] * samples[i];
        if (++level->n == EDGE_SER_LEVEL_BLOCK) {
            float power = level->sum / EDGE_SER_LEVEL_BLOCK;
            if (power > level->peak)
                level->peak = power;
            level->sum = 0.0f;
            level->n = 0;
        }
    }
}

float edge_ser_level_dbfs(const edge_ser_level *level)
{
    float power = level->peak;

    if (power <= 0.0f && level->n > 0)
        power = level->sum / (float)level->n;
    return power > 0.0f ? 10.0f * log10f(power) : -INFINITY;
}
