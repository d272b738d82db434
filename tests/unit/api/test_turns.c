/* Turns: one call at a time, in the order in which they came. The calls are names of the test's. */
#include "api/call.h"
#include "api/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

enum { CALLS = 8 };

static uv_loop_t loop;
static struct mailbox mailbox;
static struct slices slices;
static struct turns turns;
static struct api api;
static struct api_call calls[CALLS];
static char begun[CALLS + 1]; /* "abc": the calls that began, in order */
static char refused[CALLS + 1];
static bool takes; /* a call that begins takes the turn */

static void on_begin(struct api_call *call)
{
    char name[] = {(char)('a' + (call - calls)), '\0'};
    strcat(begun, name);
    if (takes)
        turns_take(&turns);
}

/* In place of api/call.c's answer. */
static void on_mail(struct mail *mail)
{
    struct api_call *call = container_of(mail, struct api_call, mail);
    char name[] = {(char)('a' + (call - calls)), '\0'};
    assert_int_equal(call->code, API_DRAINING);
    strcat(refused, name);
}

static int begin(void **state)
{
    begun[0] = refused[0] = '\0';
    takes = true;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mailbox_init(&mailbox, &loop), 0);
    slices_init(&slices, &mailbox);
    turns_init(&turns, &slices, on_begin);
    api = (struct api){.config.mailbox = &mailbox};
    for (int i = 0; i < CALLS; i++) {
        calls[i] = (struct api_call){.api = &api};
        mail_init(&calls[i].mail, on_mail);
    }
    return 0;
}

static int end(void **state)
{
    mailbox_close(&mailbox, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void ask(int from, int to)
{
    for (int i = from; i <= to; i++)
        turns_ask(&turns, &calls[i]);
}

static void turn(void)
{
    for (int i = 0; i < 30; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

/* A turn that is free is had at once; the others wait until it is given back. */
static void one_at_a_time(void **state)
{
    ask(0, 0);
    assert_string_equal(begun, "a");
    ask(1, 3);
    turn();
    assert_string_equal(begun, "a");
    for (int i = 1; i <= 3; i++) {
        char wanted[] = "abcd";
        wanted[i + 1] = '\0';
        turns_give(&turns);
        assert_int_equal(strlen(begun), i); /* not from within */
        turn();
        assert_string_equal(begun, wanted);
    }
    turns_give(&turns);
    turn();
    assert_string_equal(begun, "abcd");
    ask(4, 4); /* it is free again */
    assert_string_equal(begun, "abcde");
}

/* Nobody passes one who waits, though the turn is free at this moment. */
static void nobody_passes(void **state)
{
    ask(0, 1);
    turns_give(&turns);
    ask(2, 2);
    assert_string_equal(begun, "a");
    turn();
    assert_string_equal(begun, "ab");
    turns_give(&turns);
    turn();
    assert_string_equal(begun, "abc");
}

/* Those that take no turn keep nobody waiting. */
static void without_a_turn(void **state)
{
    ask(0, 0);
    ask(1, 5);
    takes = false;
    turns_give(&turns);
    turn();
    assert_string_equal(begun, "abcdef");
    assert_false(turns.taken);
    ask(6, 6);
    assert_string_equal(begun, "abcdefg");
}

/* The turn is had by somebody else before the slice comes. */
static void taken_meanwhile(void **state)
{
    ask(0, 1);
    turns_give(&turns);
    turns_take(&turns);
    turn();
    assert_string_equal(begun, "a");
    turns_give(&turns);
    turn();
    assert_string_equal(begun, "ab");
}

/* Those that wait are refused, each once; the one that has the turn goes on. */
static void the_end(void **state)
{
    ask(0, 3);
    turns_refuse(&turns);
    turn();
    assert_string_equal(begun, "a");
    assert_string_equal(refused, "bcd");
    turns_refuse(&turns);
    turns_give(&turns);
    turn();
    assert_string_equal(begun, "a");
    assert_string_equal(refused, "bcd");
}

/* … also those whose slice is on its way. */
static void the_end_before_the_slice(void **state)
{
    ask(0, 2);
    turns_give(&turns);
    turns_refuse(&turns);
    turn();
    assert_string_equal(begun, "a");
    assert_string_equal(refused, "bc");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(one_at_a_time),   EACH(nobody_passes), EACH(without_a_turn),
        EACH(taken_meanwhile), EACH(the_end),       EACH(the_end_before_the_slice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
