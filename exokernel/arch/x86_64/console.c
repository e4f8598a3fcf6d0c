/*
 * The serial console: a 16550 at COM1, polled (PC16550D data sheet). And the end of the machine: QEMU's isa-debug-exit
 * at port 0xf4, whose process then ends with status code << 1 | 1; where there is none the processor halts.
 */
#include "machine.h"

enum { COM1 = 0x3f8, LINE_STATUS = COM1 + 5, CAN_SEND = 0x20, HAS_BYTE = 0x01, DEBUG_EXIT = 0xf4 };
enum { SEND_TRIES = 100000 }; /* a port without a device must not stop the kernel */
enum { FIFO_SIZE = 16 };

static uint32_t console_room; /* bytes that the FIFO takes for sure */

/* As many bytes as the FIFO takes, by one instruction. */
static void console_send(const char *text, uint32_t length)
{
    while (length) {
        if (console_room == 0) {
            for (uint32_t tries = 0; tries < SEND_TRIES && !(inb(LINE_STATUS) & CAN_SEND); tries++)
                pause();
            console_room = FIFO_SIZE;
        }
        uint32_t part = length < console_room ? length : console_room;
        uint64_t count = part;
        __asm__ volatile("rep outsb" : "+S"(text), "+c"(count) : "d"(COM1) : "memory");
        console_room -= part;
        length -= part;
    }
}

void arch_console_write(const char *text, uint32_t length)
{
    bool ends = length && text[length - 1] == '\n';

    console_send(text, length - ends);
    if (ends)
        console_send("\r\n", 2);
}

int arch_console_read(void)
{
    uint8_t status = inb(LINE_STATUS);
    return status != 0xff && (status & HAS_BYTE) ? inb(COM1) : -1;
}

void console_start(void)
{
    static const uint8_t setup[][2] = {
        {1, 0x00}, /* no interrupts */
        {3, 0x80}, {0, 0x01}, {1, 0x00}, /* 115200 baud */
        {3, 0x03}, /* 8N1 */
        {2, 0xc7}, /* FIFOs on and empty */
        {4, 0x03}, /* ready */
    };
    for (uint32_t i = 0; i < sizeof setup / sizeof setup[0]; i++)
        outb(COM1 + setup[i][0], setup[i][1]);
}

void arch_exit(uint32_t code)
{
    outb(DEBUG_EXIT, code);
    for (;;)
        __asm__ volatile("cli\n\thlt");
}
