#include "wav.h"

#include <string.h>

#define PCM 1
#define EXTENSIBLE 0xFFFE
#define MAX_CHANNELS 64
#define FORMAT_SIZE 16u /* the part of the format that is read */

static uint32_t little_endian(const unsigned char *bytes, int n)
{
    uint32_t value = 0;

    while (n-- > 0)
        value = value << 8 | bytes[n];
    return value;
}

/* Skip bytes, also of a pipe. Return 0 if the file ends before. */
static int skip(FILE *file, uint32_t n)
{
    for (; n > 0; n--)
        if (getc(file) == EOF)
            return 0;
    return 1;
}

static const char *read_format(edge_ser_wav *wav, uint32_t size)
{
    unsigned char format[FORMAT_SIZE];
    uint32_t codec;

    if (size < FORMAT_SIZE || fread(format, FORMAT_SIZE, 1, wav->file) != 1)
        return "the format is incomplete";
    codec = little_endian(format, 2);
    if ((codec != PCM && codec != EXTENSIBLE) || little_endian(format + 14, 2) != 16)
        return "only PCM of 16 bits is supported";
    if (little_endian(format + 2, 2) < 1 || little_endian(format + 2, 2) > MAX_CHANNELS)
        return "the number of channels is not supported";
    if (little_endian(format + 4, 4) < 1 || little_endian(format + 4, 4) > 768000)
        return "the sample rate is not supported";
    wav->channels = (int)little_endian(format + 2, 2);
    wav->rate = (int)little_endian(format + 4, 4);
    return skip(wav->file, size - FORMAT_SIZE + size % 2) ? NULL : "the file is incomplete";
}

const char *edge_ser_wav_open(edge_ser_wav *wav, FILE *file)
{
    unsigned char header[12];

    memset(wav, 0, sizeof *wav);
    wav->file = file;
    if (fread(header, 1, 12, file) != 12 || memcmp(header, "RIFF", 4) != 0 ||
        memcmp(header + 8, "WAVE", 4) != 0)
        return "not a WAV file";
    while (fread(header, 1, 8, file) == 8) {
        uint32_t size = little_endian(header + 4, 4);

        if (memcmp(header, "data", 4) == 0) {
            /* Programs that write to a pipe leave the size open. */
            wav->bytes_left = size == 0 || size >= 0x7FFFFF00 ? UINT32_MAX : size;
            return wav->channels ? NULL : "the format is missing";
        }
        if (memcmp(header, "fmt ", 4) == 0) {
            const char *reason = read_format(wav, size);

            if (reason)
                return reason;
        } else if (!skip(file, size + size % 2)) {
            break;
        }
    }
    return "the samples are missing";
}

int edge_ser_wav_read(edge_ser_wav *wav, float *samples, int n)
{
    unsigned char frame[2 * MAX_CHANNELS];
    uint32_t size = 2 * (uint32_t)wav->channels;
    int count = 0;

    while (count < n && wav->bytes_left >= size && fread(frame, size, 1, wav->file) == 1) {
        float sum = 0.0f;

        for (int k = 0; k < wav->channels; k++)
            sum += (float)(int16_t)little_endian(frame + 2 * k, 2) / 32768.0f;
        samples[count++] = sum / (float)wav->channels;
        if (wav->bytes_left != UINT32_MAX)
            wav->bytes_left -= size;
    }
    return count;
}
