#include "plant.h"

#define PI          3.14159265358979
#define GRAVITY     9.81
#define CART        1.0    /* kg */
#define BOB         0.1    /* kg */
#define ROD         0.5    /* m */
#define STEP_NS     50000
#define FORCE_MOST  30.0   /* N */
#define FILTER      0.15   /* of a new difference, at 1 kHz */

/* To 1e-6 for |x| <= pi; beyond that the pendulum has fallen, and it does not matter. */
static double sine(double x)
{
    double square = x * x;

    return x * (1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72 * (1 - square / 110)))));
}

static double cosine(double x)
{
    double square = x * x;

    return 1 - square / 2 * (1 - square / 12 * (1 - square / 30 * (1 - square / 56 * (1 - square / 90))));
}

/* Semi-implicit Euler: speeds first. It lies down at a right angle. */
static void plant_step(struct plant *plant, double force, double time)
{
    double s = sine(plant->angle), c = cosine(plant->angle);
    double push = force + BOB * s * (ROD * plant->rate * plant->rate - GRAVITY * c);
    double acceleration = push / (CART + BOB * s * s);
    double turn = (GRAVITY * s - acceleration * c) / ROD;

    plant->speed += acceleration * time;
    plant->rate += turn * time;
    plant->position += plant->speed * time;
    plant->angle += plant->rate * time;
    if (plant->angle > PI / 2 || plant->angle < -PI / 2) {
        plant->angle = plant->angle > 0 ? PI / 2 : -PI / 2;
        plant->rate = 0;
    }
}

void plant_advance(struct plant *plant, double force, uint64_t now)
{
    for (; plant->time + STEP_NS <= now; plant->time += STEP_NS)
        plant_step(plant, force, STEP_NS * 1e-9);
}

/* Poles at -2, -2.5, -5 and -6 per second of the system linearised about upright. */
double regulator_step(struct regulator *regulator, int32_t position_steps, int32_t angle_steps, uint64_t time)
{
    double position = (double)position_steps / POSITION_STEPS, angle = angle_steps * (2 * PI / ANGLE_STEPS);

    if (regulator->time && time > regulator->time) {
        double between = (double)(time - regulator->time) * 1e-9;
        regulator->speed += FILTER * ((position - regulator->position) / between - regulator->speed);
        regulator->rate += FILTER * ((angle - regulator->angle) / between - regulator->rate);
    }
    regulator->position = position;
    regulator->angle = angle;
    regulator->time = time;
    double force = 7.645 * position + 9.684 * regulator->speed + 56.86 * angle + 12.59 * regulator->rate;
    return force > FORCE_MOST ? FORCE_MOST : force < -FORCE_MOST ? -FORCE_MOST : force;
}

static int32_t rounded(double value)
{
    return (int32_t)(value < 0 ? value - 0.5 : value + 0.5);
}

int32_t plant_angle_steps(const struct plant *plant)
{
    return rounded(plant->angle * (ANGLE_STEPS / (2 * PI)));
}

int32_t plant_position_steps(const struct plant *plant)
{
    return rounded(plant->position * POSITION_STEPS);
}

int64_t micro(double value)
{
    return (int64_t)(value * 1e6);
}
