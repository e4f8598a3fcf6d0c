#include <verify.h>
#include <scalar.h>

/* Calls: each argument as the helper's signature says, and what is left of the registers after it. */

static bool check_scalar(struct code_verifier *verifier, uint32_t name, uint32_t limit)
{
    const struct code_value *value = &verifier->now.registers[name];

    if (value->type != CODE_SCALAR)
        return verifier_refuse(verifier, CODE_NOT_SCALAR, name);
    return !limit || value->scalar.high <= limit ? true : verifier_refuse(verifier, CODE_BAD_ARGUMENT, name);
}

/* A helper may write fewer bytes than it is allowed to, so a size that is not constant leaves the stack as it was: what it
   writes there is initialised only if the size is known. */
static bool check_memory(struct code_verifier *verifier, const struct code_argument *argument, uint32_t name)
{
    bool write = argument->type == CODE_ARGUMENT_WRITE;
    const struct code_value *size = &verifier->now.registers[name + 1];
    bool varies = !argument->limit && !scalar_is_constant(&size->scalar);

    if (!argument->limit && !check_scalar(verifier, name + 1, argument[1].limit))
        return false;
    if (write && varies && verifier->now.registers[name].type == CODE_STACK_POINTER)
        return verifier_refuse(verifier, CODE_BAD_ARGUMENT, name + 1);
    return access_range(verifier, name, argument->limit ? argument->limit : size->scalar.high, write);
}

static bool check_argument(struct code_verifier *verifier, const struct code_argument *argument, uint32_t name)
{
    const struct code_value *value = &verifier->now.registers[name];

    if (argument->type == CODE_ARGUMENT_NONE)
        return true;
    if (value->type == CODE_NOTHING)
        return verifier_refuse(verifier, CODE_UNINITIALISED, name);
    switch (argument->type) {
    case CODE_ARGUMENT_SCALAR:
    case CODE_ARGUMENT_SIZE:
        return check_scalar(verifier, name, argument->limit);
    case CODE_ARGUMENT_CONTEXT:
        return value->type == CODE_CONTEXT && value->offset == 0 ? true : verifier_refuse(verifier, CODE_BAD_ARGUMENT, name);
    default:
        return check_memory(verifier, argument, name);
    }
}

bool call_helper(struct code_verifier *verifier, struct code_instruction i)
{
    const struct code_helper *helper = &verifier->program->kind->helpers[i.immediate];
    struct code_state *state = &verifier->now;

    for (uint32_t n = 0; n < CODE_ARGUMENTS; n++)
        if (!check_argument(verifier, &helper->argument[n], n + 1))
            return false;
    for (uint32_t name = 0; name <= CODE_ARGUMENTS; name++)
        state->registers[name].type = CODE_NOTHING;
    state->registers[0] = value_scalar(UINT64_MAX);
    if (helper->result == CODE_RESULT_REGION)
        state->registers[0] = (struct code_value) { .type = CODE_POINTER_OR_NULL, .region = helper->region, .id = ++verifier->ids };
    return true;
}
