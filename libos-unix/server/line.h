/*
 * The terminal's line discipline: what is typed becomes lines (or bytes), echoes and signals, as the program set it. Pure: what it
 * wants done it hands to the functions below, which terminal.c has.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unix/linux.h>

enum { LINE_MOST = 4096, READY_MOST = 8192 };

struct line {
    struct linux_termios termios;
    uint32_t length, column, start_column; /* of the line that is being typed; columns of the screen */
    bool literal;                          /* the next character stands for itself */
    uint8_t text[LINE_MOST];
    uint16_t ready[READY_MOST];            /* what may be read, with marks where lines end */
    uint32_t written, read, ends;          /* since ever; lines that are ready */
};

void line_open(struct line *line);
/* A byte that was typed. */
void line_type(struct line *line, uint8_t byte);
/* Room for typing: nothing that was typed is lost while this holds. */
bool line_has_room(const struct line *line);
/* May a read take something now? */
bool line_is_ready(const struct line *line, size_t size);
/* How many bytes a read takes, at most one line. */
size_t line_read(struct line *line, uint8_t *target, size_t size);
size_t line_waiting(const struct line *line);
/* New settings; what was typed so far stays readable. */
void line_set(struct line *line, const struct linux_termios *termios);
void line_flush(struct line *line);
/* The program's output, to know the cursor's column. */
void line_follow(struct line *line, const uint8_t *text, size_t size);

/* To the screen; a signal for those in the foreground; somebody may read. */
void line_echo(const char *text, size_t size);
void line_signal(uint32_t signal);
void line_wake(void);
