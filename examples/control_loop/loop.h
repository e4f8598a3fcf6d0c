/* What the two environments share: one frame that the plant writes and one that the controller writes. The plant can only read the second. */
#pragma once
#include <stdint.h>

#define SENSOR_ADDRESS   0x20000000ull
#define ACTUATOR_ADDRESS 0x20001000ull

/* The encoders. Odd while it is being written. */
struct sensor {
    uint64_t sequence, time;
    int32_t position, angle; /* steps */
};

struct actuator {
    double force;   /* N */
    uint64_t pushes; /* how often somebody has pushed the pendulum */
};

#define SENSOR   ((volatile struct sensor *)SENSOR_ADDRESS)
#define ACTUATOR ((volatile struct actuator *)ACTUATOR_ADDRESS)

/* float.c: in the plant, move it on to `now`, and write what the encoders say. */
void plant_begin(uint64_t now);
void plant_move(uint64_t now);
/* In the controller: read the encoders and, if it acts, set the force. False: they say nothing new. */
int regulator_run(int acts);
void push(void);

/* Of the controller, for its report: millionths of a radian, of a metre and of a newton. */
struct moment {
    int64_t angle, position, force;
};
void moment_take(struct moment *moment);
