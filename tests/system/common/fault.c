#include <fault.h>
#include <exo/program.h>
#include <exo/text.h>
#include <exo/upcall.h>

extern uint64_t fault_stack;
bool fault_run(void (*act)(uint64_t), uint64_t argument);
void fault_land(void);

struct fault fault_last;

static void fault_taken(struct exo_upcall_frame *frame)
{
    fault_last = (struct fault){ frame->vector, frame->error, frame->address };
    if (!fault_stack) {
        exo_print("FAIL exception %u, error %u, at %#lx, address %#lx", frame->vector, frame->error, frame->rip,
                  frame->address);
        exo_exit(EXO_EXIT_EXCEPTION);
    }
    frame->rip = (uint64_t)fault_land;
    frame->rsp = fault_stack;
    frame->rflags = 0x202;
}

void fault_begin(void)
{
    exo_exception_handler = fault_taken;
}

bool fault_catch(void (*act)(uint64_t), uint64_t argument)
{
    fault_last = (struct fault){ 0 };
    return fault_run(act, argument);
}

static void byte_read(uint64_t address)
{
    (void)*(volatile uint8_t *)address;
}

static void byte_write(uint64_t address)
{
    *(volatile uint8_t *)address = 0xa5;
}

static void place_execute(uint64_t address)
{
    ((void (*)(void))address)();
}

bool fault_at_read(uint64_t address)
{
    return fault_catch(byte_read, address);
}

bool fault_at_write(uint64_t address)
{
    return fault_catch(byte_write, address);
}

bool fault_at_execute(uint64_t address)
{
    return fault_catch(place_execute, address);
}
