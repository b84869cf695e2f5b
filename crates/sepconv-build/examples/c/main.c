/* A network on a Cortex-M, in the emulator, from C. A program of its own would read a camera or a microphone in place of the host's files. */
#include <stdint.h>

#include "network.h"

static network_arena arena;

/* A call of the host: semihosting, by its number. */
static int host(int call, const void *argument) {
    register int r0 __asm__("r0") = call;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

enum { OPEN = 0x01, WRITE = 0x05, READ = 0x06, EXIT = 0x20, TO_READ = 1, TO_WRITE = 5, EXITED = 0x20026 };

static int open_file(const char *name, uintptr_t length, uintptr_t mode) {
    const uintptr_t arguments[] = {(uintptr_t)name, mode, length};
    return host(OPEN, arguments);
}

/* Reads or writes; returns how many bytes are left over. */
static int transfer(int call, int file, const void *bytes, uintptr_t size) {
    const uintptr_t arguments[] = {(uintptr_t)file, (uintptr_t)bytes, size};
    return host(call, arguments);
}

static void run(void) {
    const int inputs = open_file("input.bin", 9, TO_READ), outputs = open_file("output.bin", 10, TO_WRITE);
    const uintptr_t input_size = NETWORK_INPUT_LEN * sizeof *network_input(&arena);
    const uintptr_t output_size = NETWORK_OUTPUT_LEN * sizeof *network_output(&arena);
    while (transfer(READ, inputs, network_input(&arena), input_size) == 0) {
        for (uint32_t step = 0; step < NETWORK_STEPS; step++) {
            network_run_step(step, &arena);
        }
        transfer(WRITE, outputs, network_output(&arena), output_size);
    }
    const uintptr_t success[] = {EXITED, 0};
    host(EXIT, success);
}

void reset(void) {
    /* Turns the unit for f32 on. */
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20;
    __asm__ volatile("dsb\n isb" ::: "memory");
    run();
    for (;;) {
    }
}

extern char stack_top[];

/* Where the processor finds its stack and its first instruction. */
__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {(void (*)(void))stack_top, reset};
