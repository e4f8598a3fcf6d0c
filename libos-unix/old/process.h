/*
 * Processes as environments. fork makes a child that shares all pages until somebody writes; it runs on its parent's time:
 * by directed yield, or by its parent's slots while the parent sleeps in wait. Its end comes as a message.
 */
#pragma once
#include <stdbool.h>
#include <exo/child.h>

enum { PROCESSES_MAX = 4, PROCESS_FRAMES = 160 };

struct process {
    uint32_t number; /* 0: none */
    bool ended;
    int status;
    struct exo_child child;
};

/* In the child: the slots of its parent's environment and of the pipe's frames. */
extern uint16_t process_parent;

/* 0 in the child; in the parent the child's number (2 up), or an error. */
int64_t process_fork(void);
/* Until the child has ended: its status; its frames are back then. */
int process_wait(int64_t number);
/* Let the child run for the rest of our slice. False when it has ended. */
bool process_run(int64_t number);
