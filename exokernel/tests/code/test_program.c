/* Programs written in C and compiled by clang: accepted, right against plain C here, and equal both ways. */
#include "runner.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "checksum.h"
#include "forgets_null.h"
#include "reads_behind.h"
#include "sort.h"
#include "table.h"
#include "tells_address.h"
#include "udp_filter.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* "SLOT FILE:LINE: TEXT" a line; the line that the refused slot comes from. */
static uint32_t refused_line(const char *places)
{
    uint32_t line = 0;

    while (*places && strtoul(places, NULL, 10) <= runner_refusal.instruction) {
        line = (uint32_t)strtoul(strchr(places, ':') + 1, NULL, 10);
        places = strchr(places, '\n') + 1;
    }
    return line;
}

static void load(struct code_program *program, const uint64_t *code, uint32_t count, const char *places)
{
    ck_assert_msg(runner_verify(program, (const struct code_instruction *)code, count), "line %u, slot %u: %s", refused_line(places),
                  runner_refusal.instruction, code_reason_text(runner_refusal.reason));
}

static void refuse(const uint64_t *code, uint32_t count, const char *places, uint32_t line, uint32_t reason)
{
    struct code_program program;
    ck_assert(!runner_verify(&program, (const struct code_instruction *)code, count));
    ck_assert_uint_eq(runner_refusal.reason, reason);
    ck_assert_uint_eq(refused_line(places), line);
}

#define REFUSE_PROGRAM(name, line, reason) refuse(name##_code, COUNT(name##_code), name##_places, line, reason)
#define LOAD_PROGRAM(program, name) load(program, name##_code, COUNT(name##_code), name##_places)

static struct outcome run(const struct code_program *program, const struct outcome *before, uint32_t size)
{
    struct outcome after;
    const char *differs = runner_compare(program, before, size, &after);
    ck_assert_msg(!differs, "%s", differs);
    ck_assert(!after.spent);
    return after;
}

/* ---- the filter */

enum { PORT = 5353, IP = 14 };

static void make_datagram(uint8_t *frame, uint32_t header, uint16_t port)
{
    memset(frame, 0, RUNNER_PACKET);
    frame[12] = 8;
    frame[IP] = 0x40 | header / 4;
    frame[IP + 9] = 17;
    frame[IP + header + 2] = port >> 8;
    frame[IP + header + 3] = port;
}

static uint64_t filtered(const struct code_program *program, const uint8_t *frame, uint32_t size)
{
    static struct outcome before;
    before = (struct outcome){.budget = 1000, .word = {PORT}};
    /* The runner lets the packet end where its memory ends. */
    memcpy(before.packet + (RUNNER_PACKET - size) / 8 * 8, frame, size);
    return run(program, &before, size).result;
}

START_TEST(filter_takes_its_port_behind_any_header)
{
    static uint8_t frame[RUNNER_PACKET];
    struct code_program program;
    LOAD_PROGRAM(&program, udp_filter);
    for (uint32_t header = 0; header <= 60; header += 4)
        for (uint32_t size = 0; size < 100; size++) {
            make_datagram(frame, header, PORT);
            bool whole = header >= 20 && size >= 42 && size >= IP + header + 8;
            ck_assert_uint_eq(filtered(&program, frame, size), whole);
            make_datagram(frame, header, PORT + 1);
            ck_assert_uint_eq(filtered(&program, frame, size), 0);
        }
}
END_TEST

START_TEST(filter_refuses_other_protocols_and_fragments)
{
    static const struct { uint8_t at, value; } changes[] = {{12, 6}, {13, 1}, {IP, 0x65}, {IP + 9, 6}, {IP + 6, 0x20}, {IP + 7, 1}};
    static uint8_t frame[RUNNER_PACKET];
    struct code_program program;
    LOAD_PROGRAM(&program, udp_filter);
    for (uint32_t i = 0; i < COUNT(changes); i++) {
        make_datagram(frame, 20, PORT);
        ck_assert_uint_eq(filtered(&program, frame, 60), 1);
        frame[changes[i].at] = changes[i].value;
        ck_assert_uint_eq(filtered(&program, frame, 60), 0);
    }
}
END_TEST

/* ---- loops */

static uint16_t expected_checksum(const uint8_t *byte, uint32_t size)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < size; i++)
        sum += (uint32_t)byte[i] << (i % 2 ? 8 : 0);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

START_TEST(checksum_is_right_for_all_sizes)
{
    struct code_program program;
    struct outcome before = {.budget = 20000};
    LOAD_PROGRAM(&program, checksum);
    for (uint32_t i = 0; i < RUNNER_PACKET; i++)
        before.packet[i] = i * 73 + (i >> 3);
    for (uint32_t size = 0; size <= RUNNER_PACKET; size += size < 40 ? 1 : 41)
        ck_assert_uint_eq(run(&program, &before, size).result,
                          expected_checksum(before.packet + (RUNNER_PACKET - size) / 8 * 8, size));
}
END_TEST

static int compare_signed(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

START_TEST(sort_sorts)
{
    struct code_program program;
    LOAD_PROGRAM(&program, sort);
    for (uint32_t seed = 0; seed < 300; seed++) {
        int64_t words[8];
        struct outcome before = {.budget = 20000};
        srandom(seed);
        for (uint32_t i = 0; i < 8; i++)
            words[i] = random() % (1 + seed) - seed / 2;
        memcpy(before.shared, words, sizeof(words));
        struct outcome after = run(&program, &before, 0);
        qsort(words, 8, 8, compare_signed);
        ck_assert_mem_eq(after.shared, words, sizeof(words));
    }
}
END_TEST

START_TEST(histogram_finds_the_most_frequent)
{
    struct code_program program;
    LOAD_PROGRAM(&program, table);
    for (uint8_t favourite = 0; favourite < 64; favourite++) {
        struct outcome before = {.budget = 20000};
        for (uint32_t i = 0; i < RUNNER_PACKET; i++)
            before.packet[i] = i % 3 ? favourite : i * 7;
        struct outcome after = run(&program, &before, 240);
        uint64_t counted;
        memcpy(&counted, after.shared + 8, 8);
        ck_assert_uint_eq(after.log[0], favourite);
        ck_assert_uint_eq(after.word[1], favourite * 3);
        ck_assert_uint_ge(counted, favourite ? 160 : 0);
    }
}
END_TEST

START_TEST(refusal_names_the_line_in_c)
{
    REFUSE_PROGRAM(reads_behind, 9, CODE_OUT_OF_BOUNDS);
    REFUSE_PROGRAM(tells_address, 15, CODE_POINTER_STORED);
    REFUSE_PROGRAM(forgets_null, 22, CODE_MAYBE_NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {filter_takes_its_port_behind_any_header, filter_refuses_other_protocols_and_fragments,
                                  checksum_is_right_for_all_sizes, sort_sorts, histogram_finds_the_most_frequent, refusal_names_the_line_in_c};
    Suite *suite = suite_create("program");
    TCase *test = tcase_create("program");
    tcase_set_timeout(test, 60);
    for (uint32_t i = 0; i < COUNT(tests); i++)
        tcase_add_test(test, tests[i]);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "/dev/stdout");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
