/* Starts a program on a Cortex-M without an operating system. Text and exit status leave through
 * the debugger (semihosting), here the emulator; standard input is the file INPUT of the host. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPACR (*(volatile uint32_t *)0xE000ED88)
#define COPROCESSORS 0x00F00000u /* full access to CP10 and CP11, the floating-point unit */

extern char data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern void initialise_monitor_handles(void);
extern int main(void);

void reset_handler(void);
void fault_handler(void);

typedef union {
    const void *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {stack_top},
    {.handler = reset_handler},
    {.handler = fault_handler}, /* NMI */
    {.handler = fault_handler}, /* hard fault */
    {.handler = fault_handler}, /* memory management */
    {.handler = fault_handler}, /* bus */
    {.handler = fault_handler}, /* usage */
    {.handler = fault_handler}, /* security */
};

void reset_handler(void)
{
#ifdef __ARM_FP
    CPACR |= COPROCESSORS;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    memcpy(data_start, data_load, (size_t)(data_end - data_start));
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    initialise_monitor_handles();
#ifdef INPUT
    if (freopen(INPUT, "rb", stdin) == NULL)
        _Exit(98);
#endif
    exit(main());
}

void fault_handler(void)
{
    _Exit(99);
}
