/* Measures the library on a Cortex-M: instructions and stack. The emulator runs one instruction in
 * a nanosecond of its clock. */
#include <stdint.h>
#include <stdio.h>

#include "edge_ser.h"
#include "vectors.h"

#ifndef CLOCK_MHZ
#error "CLOCK_MHZ must be the clock of the SysTick timer"
#endif

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018)
#define SYSTICK_MASK 0xFFFFFFu

#define CHUNK (EDGE_SER_SAMPLE_RATE / 50)
#define PATTERN 0xA5A5A5A5u
#define MARGIN 64 /* bytes of stack for paint_stack, which are not painted but counted */

extern uint32_t stack_limit[];

static edge_ser_state state;
static edge_ser_answer answer;

static uint32_t ticks(uint32_t before, uint32_t after)
{
    return (before - after) & SYSTICK_MASK; /* the timer counts down */
}

static double instructions(double n_ticks)
{
    return n_ticks * (1000.0 / CLOCK_MHZ);
}

/* Fill the unused part of the stack with a pattern, and return its end. */
static uint32_t *paint_stack(void)
{
    uint32_t *pointer;

    __asm__ volatile("mov %0, sp" : "=r"(pointer));
    pointer -= MARGIN / sizeof(uint32_t);
    for (volatile uint32_t *word = stack_limit; word < pointer; word++)
        *word = PATTERN;
    return pointer;
}

/* Return the bytes of stack that were used since it was painted down from `top`. */
static long stack_used(const uint32_t *top)
{
    const uint32_t *word = stack_limit;

    while (word < top && *word == PATTERN)
        word++;
    return (long)(top - word) * (long)sizeof(uint32_t) + MARGIN;
}

int main(void)
{
    const edge_ser_vector *voice = &edge_ser_vectors[0];
    double total = 0.0;
    uint32_t most = 0, before, spent;
    long stack_push, stack_result;
    uint32_t *top;

    SYSTICK_RELOAD = SYSTICK_MASK;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 5; /* on, at the clock of the processor */

    edge_ser_init(&state);
    top = paint_stack();
    for (size_t start = 0; start + CHUNK <= voice->n; start += CHUNK) {
        before = SYSTICK_VALUE;
        edge_ser_push_i16(&state, voice->pcm + start, CHUNK);
        spent = ticks(before, SYSTICK_VALUE);
        total += spent;
        most = spent > most ? spent : most;
    }
    stack_push = stack_used(top);
    top = paint_stack();
    before = SYSTICK_VALUE;
    edge_ser_result(&state, &answer);
    spent = ticks(before, SYSTICK_VALUE);
    stack_result = stack_used(top);

    printf("per second %.0f\n",
           instructions(total) * EDGE_SER_SAMPLE_RATE / (double)(voice->n / CHUNK * CHUNK));
    printf("largest push %.0f\n", instructions(most));
    printf("result %.0f\n", instructions(spent));
    printf("stack of push %ld\nstack of result %ld\n", stack_push, stack_result);
    return 0;
}
