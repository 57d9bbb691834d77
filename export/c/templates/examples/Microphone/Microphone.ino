/* Prints the emotion of each utterance that a microphone with I2S output records, such as an INMP441
 * or an ICS-43434 with L/R at ground. Board: an ESP32 with version 3 of its Arduino core.
 *
 * The state takes EDGE_SER_STATE_BYTES bytes of memory. If that is too much for a board, generate
 * the library with a smaller --block-seconds, or from a model without statistics of the clip. */
#include <ESP_I2S.h>
#include <edge_ser.h>

const int8_t PIN_CLOCK = 5;   /* SCK */
const int8_t PIN_WORD = 6;    /* WS */
const int8_t PIN_DATA = 4;    /* SD */
const float SPEECH = 0.5f;    /* a frame with a lower probability of speech is a pause */
const size_t CHUNK = EDGE_SER_SAMPLE_RATE / 50;
const size_t PAUSE = EDGE_SER_SAMPLE_RATE / 2;    /* ends an utterance */
const size_t LONGEST = 10 * EDGE_SER_SAMPLE_RATE; /* utterance */

static I2SClass microphone;
static edge_ser_state state;
static int32_t raw[CHUNK];
static float samples[CHUNK];
static size_t length, pause;

void setup()
{
    Serial.begin(115200);
    edge_ser_init(&state);
    microphone.setPins(PIN_CLOCK, PIN_WORD, -1, PIN_DATA);
    if (!microphone.begin(I2S_MODE_STD, EDGE_SER_SAMPLE_RATE, I2S_DATA_BIT_WIDTH_32BIT,
                          I2S_SLOT_MODE_MONO, I2S_STD_SLOT_LEFT))
        Serial.println("error: the microphone does not start; check the pins");
}

void loop()
{
    size_t n = microphone.readBytes((char *)raw, sizeof raw) / sizeof raw[0];
    edge_ser_answer answer;

    for (size_t k = 0; k < n; k++)
        samples[k] = (float)raw[k] / 2147483648.0f;
    edge_ser_push_f32(&state, samples, n);
    length += n;
    pause = edge_ser_frame_speech(&state) < SPEECH ? pause + n : 0;
    if (pause < PAUSE && length < LONGEST)
        return;
    if (edge_ser_result(&state, &answer) == EDGE_SER_OK && answer.label != EDGE_SER_NO_SPEECH) {
        Serial.print(edge_ser_label(answer.label));
        Serial.print(" ");
        Serial.println(answer.confidence);
    }
    edge_ser_reset(&state);
    length = pause = 0;
}
