/* The part of the Arduino core of the ESP32 that the example uses: 32-bit samples come from standard
 * input, text goes to standard output. */
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

enum i2s_mode_t { I2S_MODE_STD };
enum i2s_data_bit_width_t { I2S_DATA_BIT_WIDTH_16BIT = 16, I2S_DATA_BIT_WIDTH_32BIT = 32 };
enum i2s_slot_mode_t { I2S_SLOT_MODE_MONO = 1, I2S_SLOT_MODE_STEREO };
enum i2s_std_slot_mask_t { I2S_STD_SLOT_LEFT = 1, I2S_STD_SLOT_RIGHT };

struct I2SClass {
    void setPins(int8_t clock, int8_t word, int8_t, int8_t in = -1, int8_t = -1)
    {
        has_pins = clock >= 0 && word >= 0 && in >= 0;
    }
    bool begin(i2s_mode_t, uint32_t rate, i2s_data_bit_width_t bits, i2s_slot_mode_t slots,
               int8_t mask = -1)
    {
        return has_pins && rate == RATE && bits == 32 && slots == I2S_SLOT_MODE_MONO && mask == 1;
    }
    size_t readBytes(char *buffer, size_t size)
    {
        size_t n = fread(buffer, 1, size, stdin);
        if (n == 0)
            exit(0);
        return n;
    }
    bool has_pins = false;
};

struct SerialClass {
    void begin(unsigned long) {}
    void print(const char *text) { fputs(text, stdout); }
    void println(const char *text) { puts(text); }
    void println(double value) { printf("%.2f\n", value); }
};

static SerialClass Serial;

void setup();
void loop();

int main()
{
    setup();
    for (;;)
        loop();
}
