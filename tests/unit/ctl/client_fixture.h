/* A daemon of paper for each test, and the client that talks to it. */
#ifndef PENSTOCK_TESTS_CLIENT_FIXTURE_H
#define PENSTOCK_TESTS_CLIENT_FIXTURE_H

#include "fake.h"

static struct fake daemon_;
static struct test_child child;
static struct talk talk;

static inline int setup(void **state)
{
    fake_listen(&daemon_, test_path("control.sock"));
    return 0;
}

static inline int teardown(void **state)
{
    talk_end(&talk);
    fake_close(&daemon_);
    return 0;
}

/* One request, one answer. */
static inline void serve(const char *request, const char *result)
{
    fake_accept(&daemon_, &talk);
    talk_expect(&talk, request);
    talk_answer(&talk, 1, result);
}

static inline void follow(const char *request)
{
    fake_accept(&daemon_, &talk);
    talk_expect(&talk, request);
    talk_answer(&talk, 1, "{\"following\":true}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
