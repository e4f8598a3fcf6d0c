/*
 * An inverted pendulum, balanced at 1 kHz. This environment is the controller; it makes another one that is the plant: a copy of
 * itself that holds the sensor's frame to write and the actuator's frame to read, and runs as a task of the same schedule. A third
 * task, every 10 ms, keeps what the report shows, and pushes the pendulum now and then.
 *
 * Arguments: milliseconds=N; missed=N (how many deadlines may be missed; 0); regulate=0 leaves the cart alone, and it falls.
 */
#include "loop.h"
#include <exo/calls.h>
#include <exo/child.h>
#include <exo/machine.h>
#include <exo/program.h>
#include <exo/rt_run.h>
#include <exo/text.h>
#include <exo/upcall.h>

enum {
    MILLISECOND = 1000000, STACK = 8192, FPU = 4096, PLANT_FRAMES = 128, SLOT_PLANT = 40, SLOT_WINDOW = 41,
    MOMENTS_MAX = 1000, MOMENT_MS = 10, PUSH_EVERY = 100, /* moments */
    FALLEN = 500000, UPRIGHT = 100000, /* millionths of a radian: at any time, and at the end */
};

static struct exo_frames frames;
static struct exo_space space;
static struct exo_child plant;
static struct moment moments[MOMENTS_MAX];
static uint32_t moment_count, stale;
static bool regulates;

static void must(int64_t result, const char *what)
{
    if (result >= 0)
        return;
    exo_print("%s: %s", what, exo_status_name(result));
    exo_exit(1);
}

/* ---- the plant's environment */

static _Noreturn void plant_run(void)
{
    static uint8_t fpu[FPU] __attribute__((aligned(64)));
    uint16_t memory = exo_start_slot(EXO_KIND_FRAMES, 0), sensor = exo_start_slot(EXO_KIND_FRAMES, 1);
    uint16_t actuator = exo_start_slot(EXO_KIND_FRAMES, 2);
    const struct exo_start_capability *held = exo_start_capability(memory);

    exo_threads[0].fpu = (uint64_t)fpu;
    exo_frames_open(&frames, 0, memory, held->first, held->count);
    exo_space_open(&space, &exo_start, &frames);
    must(exo_space_map(&space, SENSOR_ADDRESS, exo_start_capability(sensor)->first, 1, sensor, EXO_MAP_READ | EXO_MAP_WRITE), "sensor");
    must(exo_space_map(&space, ACTUATOR_ADDRESS, exo_start_capability(actuator)->first, 1, actuator, EXO_MAP_READ), "actuator");
    for (plant_begin(exo_time());; plant_move(exo_time()))
        exo_yield();
}

static void plant_grant(uint32_t sensor, uint32_t actuator)
{
    const struct exo_start_capability *memory = exo_start_capability(frames.capability);
    uint32_t all = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXECUTE | EXO_RIGHT_TAKE | EXO_RIGHT_GRANT;
    uint16_t slot;

    must(exo_child_grant(&plant, exo_start_slot(EXO_KIND_CONSOLE, 0), EXO_KIND_CONSOLE, EXO_RIGHT_WRITE,
                         exo_start_capability(exo_start_slot(EXO_KIND_CONSOLE, 0))->first,
                         exo_start_capability(exo_start_slot(EXO_KIND_CONSOLE, 0))->count, 0), "console");
    must(exo_child_grant(&plant, frames.capability, EXO_KIND_FRAMES, all, memory->first + memory->count - PLANT_FRAMES, PLANT_FRAMES,
                         &slot), "memory");
    must(exo_child_grant(&plant, frames.capability, EXO_KIND_FRAMES, EXO_RIGHT_READ | EXO_RIGHT_WRITE, sensor, 1, 0), "sensor");
    must(exo_child_grant(&plant, frames.capability, EXO_KIND_FRAMES, EXO_RIGHT_READ, actuator, 1, 0), "actuator");
    must(exo_child_memory(&plant, slot), "memory");
}

/* Returns when the plant waits for its first turn. */
static void plant_make(void)
{
    const struct exo_start_capability *memory = exo_start_capability(exo_start_slot(EXO_KIND_FRAMES, 0));

    exo_frames_open(&frames, 0, memory->slot, memory->first, memory->count);
    exo_space_open(&space, &exo_start, &frames);
    uint32_t sensor = exo_frame_alloc(&frames), actuator = exo_frame_alloc(&frames);
    must(exo_space_map(&space, SENSOR_ADDRESS, sensor, 1, memory->slot, EXO_MAP_READ), "sensor");
    must(exo_space_map(&space, ACTUATOR_ADDRESS, actuator, 1, memory->slot, EXO_MAP_READ | EXO_MAP_WRITE), "actuator");
    must(exo_child_create(&plant, &space, SLOT_PLANT, SLOT_WINDOW, "plant"), "create");
    plant_grant(sensor, actuator);
    int64_t result = exo_child_fork(&plant);
    if (result == 0)
        plant_run();
    must(result, "fork");
    do {
        must(exo_yield_to(SLOT_PLANT, 0), "the plant's first turn");
    } while (!SENSOR->sequence);
}

/* ---- the controller's tasks */

static void control_run(void *argument)
{
    (void)argument;
    if (!regulator_run(regulates))
        stale++;
}

static void record_run(void *argument)
{
    (void)argument;
    if (moment_count == MOMENTS_MAX)
        return;
    moment_take(&moments[moment_count++]);
    if (moment_count % PUSH_EVERY == PUSH_EVERY / 2)
        push();
}

static uint8_t stack[2][STACK] __attribute__((aligned(64))), fpu[2][FPU] __attribute__((aligned(64)));

#define DEADLINE(runtime, deadline, period) {sizeof(struct rt_attribute), RT_SCHED_DEADLINE, 0, 0, 0, runtime, deadline, period}

/* The plant moves at the beginning of each millisecond, the controller acts on that. */
static struct rt_task moving = {
    .name = "plant", .give_to = SLOT_PLANT, .attribute = DEADLINE(80000, 400000, MILLISECOND), .phase = 100000, .on_miss = RT_SKIP,
};
static struct rt_task control = {
    .name = "control", .job = control_run, .stack = stack[0], .stack_size = STACK, .fpu = fpu[0],
    .attribute = DEADLINE(40000, 450000, MILLISECOND), .phase = 550000, .on_miss = RT_SKIP,
};
static struct rt_task record = {
    .name = "record", .job = record_run, .stack = stack[1], .stack_size = STACK, .fpu = fpu[1],
    .attribute = DEADLINE(40000, MOMENT_MS * MILLISECOND, MOMENT_MS * MILLISECOND), .phase = 600000,
};
static struct rt_task *const tasks[] = {&moving, &control, &record};

enum { TASKS = sizeof tasks / sizeof tasks[0] };

/* ---- the report */

static int64_t size_of(int64_t value)
{
    return value < 0 ? -value : value;
}

static bool stood(int64_t *ret_most)
{
    int64_t most = 0;

    for (uint32_t i = 1; i < moment_count; i++)
        most = size_of(moments[i].angle) > most ? size_of(moments[i].angle) : most;
    *ret_most = most;
    return moment_count > 1 && most < FALLEN && size_of(moments[moment_count - 1].angle) < UPRIGHT;
}

static const char *sign(int64_t value)
{
    return value < 0 ? "-" : "";
}

static void report(void)
{
    for (uint32_t i = 0; i < TASKS; i++)
        rt_report(tasks[i]);
    rt_report_histogram(&control, "latency", &control.latency);
    rt_report_histogram(&control, "response", &control.response);
    for (uint32_t i = 0; i < moment_count; i++)
        exo_print("moment %u %s%lu %s%lu %s%lu", i * MOMENT_MS, sign(moments[i].angle), size_of(moments[i].angle),
                  sign(moments[i].position), size_of(moments[i].position), sign(moments[i].force), size_of(moments[i].force));
}

static bool verdict(uint64_t most)
{
    int64_t angle;
    bool balanced = stood(&angle);
    uint64_t missed = moving.misses + control.misses + record.misses;

    exo_print("%s: at most %lu thousandths of a radian from upright, %lu deadlines missed, %u measurements were old",
              balanced ? "balanced" : "FALLEN", angle / 1000, missed, stale);
    return balanced && missed <= most;
}

int main(void)
{
    uint64_t duration = exo_argument("milliseconds", 2000) * MILLISECOND;
    struct rt_verdict feasible;

    regulates = exo_argument("regulate", 1);
    plant_make();
    int result = rt_open(&rt_edf, tasks, TASKS, &feasible);
    if (result) {
        rt_report_refusal(tasks, result, &feasible);
        return 1;
    }
    for (uint32_t i = 0; i < TASKS; i++) {
        rt_histogram_open(&tasks[i]->latency, exo_argument("bucket", 200));
        rt_histogram_open(&tasks[i]->response, exo_argument("bucket", 200));
    }
    rt_run((exo_time() / EXO_SLOT_NS + 2) * EXO_SLOT_NS, duration);
    report();
    return verdict(exo_argument("missed", 0)) ? 0 : 1;
}
