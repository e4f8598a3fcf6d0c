/*
 * The device contract: what core asks of drivers, and what drivers tell core. The machine finds devices and hands on their interrupts.
 */
#pragma once
#include <state.h>

/* The machine calls these: once at boot, with the loader's command line; and with interrupts disabled, on processor 0, when the
 * device with this number has interrupted. */
void device_start(const char *command_line);
void device_interrupt(uint32_t number);
