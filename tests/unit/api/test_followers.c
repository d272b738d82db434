/* Followers: who gets which line, and that by ids each gets exactly one verdict, or `unknown`. */
#include "job/hold.h"

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
    size_t owed; /* bytes of records that must be given back */
};

static void on_line(struct follower *f, enum event event, uint64_t job, const char *text,
                    size_t len, bool owed)
{
    struct follow *follow = container_of(f, struct follow, follower);
    assert_true(len > 0 && text[0] == '{');
    assert_true(follow->count < sizeof follow->lines / sizeof follow->lines[0]);
    follow->lines[follow->count].event = event;
    follow->lines[follow->count++].job = job;
    follow->owed += owed ? len : 0;
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

/* A job of its own for each of these, and lines of all kinds. */
static uint64_t labelled_job(struct api_world *a, const char *label)
{
    json_t *job = job_json(a, "/lines?n=3");
    json_object_set_new(job, "parser", json_string("lines"));
    json_object_set_new(job, "labels", json_pack("{s:s, s:s}", "k", label, "other", "x\"y"));
    struct asked *asked = ask(a, API_SUBMIT, job);
    WORLD_WAIT(a->w, asked->answered);
    uint64_t id = (uint64_t)json_integer_value(json_object_get(asked->result, "id"));
    asked_free(asked);
    world_wait_end(a->w, id, JOB_DONE);
    return id;
}

/* What lines cost does not grow with followers that want none of them. Counted: followers that the
 * lines of one job were brought to. */
static void test_the_cost_of_others(void **state)
{
    static const char *const filters[][2] = {
        {"{'label':{'k':'v", "'}}"},
        {"{'host':'h", ".example'}"},
        {"{'schedule':'s", "'}"},
        {"{'parser':'p", "'}"},
        {"{'ids':[", "]}"},
        {"{'label':{'k\\\"':'", "'}}"},
        {"{'events':['start'],'host':'127.0.0.1','since':'", "h'}"},
    };
    enum { KINDS = sizeof filters / sizeof filters[0], OTHERS = 1000 };
    struct follow *others = calloc(OTHERS, sizeof *others), all, one, ended;
    (void)state;
    assert_non_null(others);
    struct api_world *a = api_world_new("", false);
    assert_int_equal(follow_begin(&all, a, json_object()), 0);
    assert_int_equal(follow_begin(&one, a, json_of("{'label':{'k':'wanted'}}")), 0);
    assert_int_equal(follow_begin(&ended, a, json_of("{'events':['verdict']}")), 0);
    uint64_t before = followers_looks(a->api);
    uint64_t id = labelled_job(a, "wanted");
    WORLD_WAIT(a->w, lines_of(&ended, EVENT_VERDICT, id) == 1);
    turn(a);
    uint64_t few = followers_looks(a->api) - before;
    assert_int_equal(few, all.count + one.count + ended.count);
    assert_int_equal(one.count, 5); /* records, attempt, verdict */
    for (int i = 0; i < OTHERS; i++) {
        const char *const *filter = filters[i % KINDS];
        json_t *params = json_of("%s%d%s", filter[0], i + 1000, filter[1]);
        assert_int_equal(follow_begin(&others[i], a, params), 0);
    }
    turn(a); /* ids that are unknown are told */
    before = followers_looks(a->api);
    id = labelled_job(a, "wanted");
    WORLD_WAIT(a->w, lines_of(&ended, EVENT_VERDICT, id) == 1);
    turn(a);
    assert_int_equal(followers_looks(a->api) - before, few);
    assert_int_equal(one.count, 10);
    /* A label in which a quote is escaped is found as well. */
    follower_end(&one.follower);
    assert_int_equal(follow_begin(&one, a, json_of("{'label':{'other':'x\\\"y'}}")), 0);
    id = labelled_job(a, "unwanted");
    WORLD_WAIT(a->w, lines_of(&one, EVENT_VERDICT, id) == 1);
    for (int i = 0; i < OTHERS; i++) {
        assert_int_equal(others[i].count, 0);
        follower_end(&others[i].follower);
    }
    follower_end(&all.follower);
    follower_end(&one.follower);
    follower_end(&ended.follower);
    api_world_free(a);
    free(others);
}

/* The records of a job that a client has just made, and presses on, are owed to it; to nobody else
 * they are, and not once it has let go. */
static void test_pressing(void **state)
{
    struct follow own, other;
    (void)state;
    struct api_world *a = api_world_new("", false);
    assert_int_equal(follow_begin(&other, a, json_object()), 0);
    follow_init(&own, a);
    for (int round = 0; round < 3; round++) {
        own.count = own.owed = 0;
        if (round == 1) {
            assert_int_equal(follower_press(&own.follower, a->api, 1),
                             0); /* any record is too much */
            assert_int_equal(follower_press(&own.follower, a->api, 1), 0); /* once is enough */
        } else if (round == 2) {
            follower_let_go(&own.follower);
        }
        struct asked *asked = ask_with(a, API_SUBMIT, job_json(a, "/bytes?n=3"), &own.follower);
        WORLD_WAIT(a->w, asked->answered);
        uint64_t id = (uint64_t)json_integer_value(json_object_get(asked->result, "id"));
        asked_free(asked);
        world_wait_end(a->w, id, JOB_DONE);
        WORLD_WAIT(a->w, lines_of(&own, EVENT_VERDICT, id) == 1);
        assert_int_equal(lines_of(&own, EVENT_RECORD, id), 1);
        assert_int_equal(own.owed > 0, round == 1);
        follower_taken(&own.follower, own.owed, 0);
    }
    assert_int_equal(other.owed, 0);
    follower_end(&own.follower);
    follower_end(&other.follower);
    api_world_free(a);
}

static uint64_t submit_lines(struct api_world *a, struct follow *follow, const char *path)
{
    json_t *job = job_json(a, path);
    json_object_set_new(job, "parser", json_string("lines"));
    struct asked *asked = ask_with(a, API_SUBMIT, job, &follow->follower);
    WORLD_WAIT(a->w, asked->answered);
    uint64_t id = (uint64_t)json_integer_value(json_object_get(asked->result, "id"));
    asked_free(asked);
    return id;
}

/* A job that waits for its reader holds others up if these wait for its worker, or for a slot of
 * its host; jobs of the same reader are no others. */
static void test_holding_up(void **state)
{
    static const char *const settings[] = {"[parse]\nworkers = 1\n",
                                           "[fetch]\nhost_connections = 1\n"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct follow own;
        struct api_world *a = api_world_new(settings[i], false);
        follow_init(&own, a);
        assert_false(follower_holds_up(&own.follower));
        assert_int_equal(follower_press(&own.follower, a->api, 1), 0);
        uint64_t first = submit_lines(a, &own, "/lines?n=20");
        WORLD_WAIT(a->w, own.owed > 0 && world_is_at(a->w, first, PLACE_RUNNING));
        uint64_t second = submit_lines(a, &own, "/lines?n=1");
        WORLD_WAIT(a->w, world_is_at(a->w, second, PLACE_WINDOW));
        assert_false(follower_holds_up(&own.follower)); /* nobody but the reader waits */
        uint64_t other = world_submit(a->w, "127.0.0.1", "/bytes?n=1");
        WORLD_WAIT(a->w, world_is_at(a->w, other, PLACE_WINDOW));
        assert_true(follower_holds_up(&own.follower));
        assert_int_equal(hold_set(a->w->jobs, NULL, NULL, true), 0);
        assert_false(follower_holds_up(&own.follower)); /* it would wait anyway */
        assert_int_equal(hold_set(a->w->jobs, NULL, NULL, false), 0);
        follower_let_go(&own.follower);
        assert_false(follower_holds_up(&own.follower));
        world_wait_end(a->w, other, JOB_DONE);
        follower_end(&own.follower);
        api_world_free(a);
    }
}

static struct sink_chunk *chunk_of(size_t size, size_t lines)
{
    static const char text[] = "{\"n\":1}\n";
    struct sink_chunk *chunk = calloc(1, sizeof *chunk);
    list_init(&chunk->link);
    chunk->data = calloc(1, size);
    chunk->size = size;
    chunk->marks = calloc(lines, sizeof *chunk->marks);
    chunk->mark_count = chunk->mark_size = lines;
    for (size_t i = 0; i < lines; i++) {
        memcpy(chunk->data + chunk->len, text, sizeof text - 1);
        chunk->marks[i] = (struct sink_mark){
            .start = (uint32_t)chunk->len, .len = sizeof text - 1, .event = EVENT_RECORD, .job = 1};
        chunk->len += sizeof text - 1;
    }
    return chunk;
}

/* More than the control loop may be late by: what is dropped then is neither a verdict nor a record
 * that somebody's credit was taken for. */
static void test_late(void **state)
{
    struct follow all;
    (void)state;
    struct api_world *a = api_world_new("", false);
    assert_int_equal(follow_begin(&all, a, json_object()), 0);
    followers_take_chunk(a->api, chunk_of(9 << 20, 1));
    followers_take_chunk(a->api, chunk_of(1000, 10)); /* goes */
    struct sink_chunk *chunk = chunk_of(1000, 10);
    chunk->marks[2].credited = chunk->marks[7].credited = true;
    chunk->marks[9].event = EVENT_VERDICT;
    followers_take_chunk(a->api, chunk);
    turn(a);
    assert_int_equal(lines_of(&all, EVENT_RECORD, 1), 3);
    assert_int_equal(lines_of(&all, EVENT_VERDICT, 1), 1);
    follower_end(&all.follower);
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_cost_of_others),
        cmocka_unit_test(test_all_lines),
        cmocka_unit_test(test_with_the_submission),
        cmocka_unit_test(test_by_ids),
        cmocka_unit_test(test_by_select_and_event),
        cmocka_unit_test(test_of_other_people),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_pressing),
        cmocka_unit_test(test_holding_up),
        cmocka_unit_test(test_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
