/* The parts that compute with floating point. They make no calls. */
#include "loop.h"
#include "plant.h"

#define PUSH_RATE 0.8 /* radians per second at once */

static struct plant plant;
static struct regulator regulator;
static uint64_t pushes, seen;

void plant_begin(uint64_t now)
{
    plant = (struct plant){.angle = 0.1, .time = now};
}

void plant_move(uint64_t now)
{
    if (ACTUATOR->pushes != pushes) {
        pushes = ACTUATOR->pushes;
        plant.rate += PUSH_RATE;
    }
    plant_advance(&plant, ACTUATOR->force, now);
    SENSOR->sequence++;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    SENSOR->time = now;
    SENSOR->position = plant_position_steps(&plant);
    SENSOR->angle = plant_angle_steps(&plant);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    SENSOR->sequence++;
}

int regulator_run(int acts)
{
    uint64_t sequence = SENSOR->sequence;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint64_t time = SENSOR->time;
    int32_t position = SENSOR->position, angle = SENSOR->angle;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (sequence & 1 || sequence == seen || SENSOR->sequence != sequence)
        return 0;
    seen = sequence;
    double force = regulator_step(&regulator, position, angle, time);
    if (acts)
        ACTUATOR->force = force;
    return 1;
}

void push(void)
{
    ACTUATOR->pushes++;
}

void moment_take(struct moment *moment)
{
    moment->angle = micro(regulator.angle);
    moment->position = micro(regulator.position);
    moment->force = micro(ACTUATOR->force);
}
