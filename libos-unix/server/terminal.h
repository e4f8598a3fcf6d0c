/*
 * The machine's console as the instance's terminal, when the manifest gives it: who may read, write and set it, whose it is, and how
 * keys come. A scheduler looks for keys (KEYS_NS) and puts them into a ring, of which it is the only writer; the server takes them.
 */
#pragma once
#include "line.h"
#include "request.h"

extern const char terminal_channel[]; /* readers wait on it */

/* After the first process was made: it becomes its session's terminal. */
void terminal_open(struct process *first);
bool terminal_exists(void);
bool file_is_terminal(const struct file *file);

/* By a scheduler. True: keys came, the server is to take them. When to look again; EXO_NEVER without a terminal. */
bool terminal_keys_look(void);
uint64_t terminal_keys_due(void);
/* By the server, between requests. */
void terminal_keys_take(void);

/* Answers to read, write and ioctl on it; terminal_write answers 0 when the process may write. */
int64_t terminal_read(struct request *request, struct file *file);
int64_t terminal_write(struct request *request);
int64_t terminal_ioctl(struct request *request);
bool terminal_may_read(void);
/* The text of a program to the screen. */
void terminal_put(const void *text, size_t size);
/* A process opens /dev/tty or the console; 0 or -errno. */
int64_t terminal_enter(struct process *process, const struct node *node, uint32_t flags);
/* The process has left its session, or has ended. */
void terminal_leave(const struct process *process);
