/*
 * A pendulum that stands on a cart (point mass on a rod without mass), and its regulator. Both are plain computations, in SI units; angles are
 * from upright. See README.md for the equations.
 */
#pragma once
#include <stdint.h>

struct plant {
    double position, speed; /* of the cart */
    double angle, rate;     /* of the pendulum */
    uint64_t time;          /* ns: how far it is computed */
};

/* Up to `now`, with a constant force on the cart (N). */
void plant_advance(struct plant *plant, double force, uint64_t now);

/* Steps of the encoders: per turn, and per metre. */
#define ANGLE_STEPS    65536
#define POSITION_STEPS 20000

struct regulator {
    double position, angle; /* as measured last */
    double speed, rate;     /* filtered differences */
    uint64_t time;          /* of the measurement; 0: none yet */
};

/* The force for a measurement of the encoders that was made at a time (ns). */
double regulator_step(struct regulator *regulator, int32_t position, int32_t angle, uint64_t time);

int32_t plant_angle_steps(const struct plant *plant);
int32_t plant_position_steps(const struct plant *plant);
int64_t micro(double value); /* in millionths */
