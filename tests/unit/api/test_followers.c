/* Followers: who gets which line, and that by ids each gets exactly one verdict, or `unknown`. */
#include "api_world.h"

struct follow {
    struct follower follower;
    struct {
        enum event event;
        uint64_t job;
    } lines[256];
    size_t count;
    uint64_t unknown[16];
    size_t unknown_count;
};

static void on_line(struct follower *f, enum event event, uint64_t job, const char *text,
                    size_t len)
{
    struct follow *follow = container_of(f, struct follow, follower);
    assert_true(len > 0 && text[0] == '{');
    assert_true(follow->count < sizeof follow->lines / sizeof follow->lines[0]);
    follow->lines[follow->count].event = event;
    follow->lines[follow->count++].job = job;
}

static void on_unknown(struct follower *f, uint64_t id)
{
    struct follow *follow = container_of(f, struct follow, follower);
    follow->unknown[follow->unknown_count++] = id;
}

static void follow_init(struct follow *follow, const struct api_world *a)
{
    *follow = (struct follow){
        .follower = {.line = on_line, .unknown = on_unknown, .events = EVENT_ALL, .peer = a->peer}};
    list_init(&follow->follower.link);
}

static int follow_begin(struct follow *follow, struct api_world *a, json_t *params)
{
    struct error err = {""};
    follow_init(follow, a);
    int r = follower_begin(a->api, &follow->follower, params, &err);
    assert_true(r == 0 || err.text[0]);
    json_decref(params);
    return r;
}

static size_t lines_of(const struct follow *follow, enum event event, uint64_t job)
{
    size_t count = 0;
    for (size_t i = 0; i < follow->count; i++)
        count += follow->lines[i].event == event && follow->lines[i].job == job;
    return count;
}

static void turn(struct api_world *a)
{
    for (int i = 0; i < 30; i++)
        uv_run(&a->w->loop, UV_RUN_NOWAIT);
}

static void test_all_lines(void **state)
{
    struct follow all;
    (void)state;
    struct api_world *a = api_world_new("", false);
    assert_int_equal(follow_begin(&all, a, json_object()), 0);
    uint64_t id = ask_submit(a, "/bytes?n=3");
    world_wait_end(a->w, id, JOB_DONE);
    WORLD_WAIT(a->w, lines_of(&all, EVENT_VERDICT, id) == 1);
    assert_int_equal(lines_of(&all, EVENT_RECORD, id), 1);
    assert_int_equal(lines_of(&all, EVENT_ATTEMPT, id), 1);
    assert_int_equal(all.lines[all.count - 1].event, EVENT_VERDICT); /* after all its records */
    follower_end(&all.follower);
    follower_end(&all.follower); /* a second time does nothing */
    size_t count = all.count;
    world_wait_end(a->w, ask_submit(a, "/bytes?n=3"), JOB_DONE);
    turn(a);
    assert_int_equal(all.count, count);
    api_world_free(a);
}

/* Subscribed before the job is queued, so that nothing is missed. */
static void test_with_the_submission(void **state)
{
    struct follow follow;
    (void)state;
    struct api_world *a = api_world_new("", false);
    follow_init(&follow, a);
    struct asked *asked = ask_with(a, API_SUBMIT, job_json(a, "/bytes?n=3"), &follow.follower);
    WORLD_WAIT(a->w, asked->answered);
    uint64_t id = (uint64_t)json_integer_value(json_object_get(asked->result, "id"));
    asked_free(asked);
    uint64_t other = ask_submit(a, "/bytes?n=3");
    world_wait_end(a->w, id, JOB_DONE);
    world_wait_end(a->w, other, JOB_DONE);
    WORLD_WAIT(a->w, lines_of(&follow, EVENT_VERDICT, id) == 1);
    turn(a);
    assert_int_equal(lines_of(&follow, EVENT_RECORD, id), 1);
    assert_int_equal(lines_of(&follow, EVENT_VERDICT, id), 1); /* once, by whichever way it came */
    assert_int_equal(lines_of(&follow, EVENT_VERDICT, other), 0);
    follower_end(&follow.follower);
    api_world_free(a);
}

static void test_by_ids(void **state)
{
    struct follow follow;
    (void)state;
    struct api_world *a = api_world_new("", false);
    uint64_t ended = ask_submit(a, "/bytes?n=3"), runs = ask_submit(a, "/bytes?n=3&hold=it");
    world_wait_end(a->w, ended, JOB_DONE);
    assert_int_equal(follow_begin(&follow, a,
                                  json_of("{'ids':[%llu,%llu,77]}", (unsigned long long)ended,
                                          (unsigned long long)runs)),
                     0);
    WORLD_WAIT(a->w, lines_of(&follow, EVENT_VERDICT, ended) == 1); /* it has ended before */
    WORLD_WAIT(a->w, follow.unknown_count == 1);
    assert_int_equal(follow.unknown[0], 77);
    origin_release(a->w->origin, "it");
    world_wait_end(a->w, runs, JOB_DONE);
    WORLD_WAIT(a->w, lines_of(&follow, EVENT_VERDICT, runs) == 1);
    turn(a);
    assert_int_equal(follow.unknown_count, 1);
    assert_int_equal(lines_of(&follow, EVENT_VERDICT, ended), 1);
    follower_end(&follow.follower);
    api_world_free(a);
}

static void test_by_select_and_event(void **state)
{
    struct follow follow, verdicts;
    (void)state;
    struct api_world *a = api_world_new("", false);
    assert_int_equal(follow_begin(&follow, a, json_of("{'parser':'lines'}")), 0);
    assert_int_equal(follow_begin(&verdicts, a, json_of("{'events':['verdict']}")), 0);
    uint64_t id = ask_submit(a, "/bytes?n=3");
    world_wait_end(a->w, id, JOB_DONE);
    WORLD_WAIT(a->w, verdicts.count == 1);
    turn(a);
    assert_int_equal(follow.count, 0);
    assert_int_equal(verdicts.lines[0].event, EVENT_VERDICT);
    follower_end(&follow.follower);
    follower_end(&verdicts.follower);
    api_world_free(a);
}

/* Lines of other people's jobs are for administrators; such a job is as good as not there. */
static void test_of_other_people(void **state)
{
    struct follow all, one;
    (void)state;
    struct api_world *a = api_world_new("[control]\nadmin_users = 4242\n", false);
    a->peer = (struct peer){.uid = 4243, .gid = 4243};
    assert_int_equal(follow_begin(&all, a, json_object()), 0);
    struct peer other = a->peer;
    a->peer = (struct peer){.uid = getuid(), .gid = getgid()};
    uint64_t id = ask_submit(a, "/bytes?n=3");
    world_wait_end(a->w, id, JOB_DONE);
    a->peer = other;
    assert_int_equal(follow_begin(&one, a, json_of("{'ids':[%llu]}", (unsigned long long)id)), 0);
    WORLD_WAIT(a->w, one.unknown_count == 1);
    turn(a);
    assert_int_equal(all.count, 0);
    assert_int_equal(one.count, 0);
    follower_end(&all.follower);
    follower_end(&one.follower);
    api_world_free(a);
}

static void test_refused(void **state)
{
    static const char *const params[] = {"{'ids':[]}",           "{'ids':[0]}",
                                         "{'ids':'1'}",          "{'events':[]}",
                                         "{'events':['noise']}", "{'ids':[1],'state':'done'}",
                                         "{'state':'ready'}",    "{'colour':'red'}"};
    struct follow follow;
    (void)state;
    struct api_world *a = api_world_new("", false);
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        if (follow_begin(&follow, a, json_of("%s", params[i])) != -EINVAL)
            fail_msg("%s", params[i]);
        assert_null(follow.follower.filter); /* it is subscribed to nothing */
    }
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_lines),       cmocka_unit_test(test_with_the_submission),
        cmocka_unit_test(test_by_ids),          cmocka_unit_test(test_by_select_and_event),
        cmocka_unit_test(test_of_other_people), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
