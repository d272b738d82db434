/* run and exited: a body that goes to a command of the client's, whose pipe came with the call. */
#include "api_world.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

/* A client that runs commands, and what it was told of them. */
struct commander {
    struct runner runner;
    char told[256]; /* "begin 1, complete 1, " */
};

static void on_tell(struct runner *runner, const char *what, uint64_t id)
{
    struct commander *c = container_of(runner, struct commander, runner);
    size_t at = strlen(c->told);
    snprintf(c->told + at, sizeof c->told - at, "%s %llu, ", what, (unsigned long long)id);
}

static void commander_init(struct commander *c)
{
    c->told[0] = '\0';
    runner_init(&c->runner, on_tell);
}

static struct asked *ask_as(struct api_world *a, struct commander *c, enum api_method method,
                            json_t *params, int fd)
{
    struct asked *asked = calloc(1, sizeof *asked);
    assert_non_null(asked);
    asked->params = params;
    asked->call = (struct api_call){.method = method,
                                    .params = params,
                                    .peer = a->peer,
                                    .fd = fd,
                                    .runner = &c->runner,
                                    .answer = asked_on_answer};
    api_call(a->api, &asked->call);
    assert_false(asked->answered);
    return asked;
}

/* The read end of a pipe whose write end the call gets. */
static int pipe_for(int *ret_write)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    *ret_write = ends[1];
    return ends[0];
}

static json_t *command_json(struct api_world *a, const char *path)
{
    json_t *job = job_json(a, path);
    json_object_del(job, "parser");
    return job;
}

static struct asked *ask_run(struct api_world *a, struct commander *c, json_t *job, int *ret_read)
{
    int fd;
    *ret_read = pipe_for(&fd);
    return ask_as(a, c, API_RUN, job, fd);
}

static uint64_t run_well(struct api_world *a, struct commander *c, const char *path, int *ret_read)
{
    struct asked *asked = ask_run(a, c, command_json(a, path), ret_read);
    WORLD_WAIT(a->w, asked->answered);
    if (asked->code)
        fail_msg("%s", asked->message);
    uint64_t id = (uint64_t)int_in(asked->result, "id");
    asked_free(asked);
    return id;
}

/* True if nobody has the write end any more. */
static bool is_over(int fd)
{
    char byte;
    return read(fd, &byte, 1) == 0;
}

static int exited(struct api_world *a, struct commander *c, json_t *params)
{
    struct asked *asked = ask_as(a, c, API_EXITED, params, -1);
    WORLD_WAIT(a->w, asked->answered);
    int code = asked->code;
    asked_free(asked);
    return code;
}

static json_t *exited_json(uint64_t id, int status)
{
    return json_of("{'id':%llu,'status':%d}", (unsigned long long)id, status);
}

/* --- a command's life ------------------------------------------------------------------------- */

/* The bytes are in the pipe, the end is told, and the command's status decides. */
static void test_the_status_decides(void **state)
{
    static const struct {
        int status;
        enum job_state state;
        enum error_kind kind;
    } cases[] = {{0, JOB_DONE, 0},
                 {1, JOB_FAILED, KIND_PARSER_FAILED},
                 {128 + SIGKILL, JOB_FAILED, KIND_PARSER_CRASHED}};
    struct commander c;
    struct api_world *a = api_world_new("", false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char told[64], body[64];
        int fd;
        commander_init(&c);
        uint64_t id = run_well(a, &c, "/lines?n=2", &fd);
        snprintf(told, sizeof told, "begin %llu, complete %llu, ", (unsigned long long)id,
                 (unsigned long long)id);
        WORLD_WAIT(a->w, strcmp(c.told, told) == 0);
        assert_null(world_end_of(a->w, id)); /* the command has not ended */
        assert_int_equal(read(fd, body, sizeof body), 14);
        assert_int_equal(memcmp(body, "line 1\nline 2\n", 14), 0);
        assert_int_equal(exited(a, &c, exited_json(id, cases[i].status)), 0);
        world_wait_end(a->w, id, cases[i].state);
        assert_int_equal(world_end_of(a->w, id)->error, cases[i].kind);
        assert_string_equal(c.told, told);
        close(fd);
    }
    api_world_free(a);
}

/* Nothing has begun: the job fails by itself, and its command is not to be started. */
static void test_nothing_to_begin_with(void **state)
{
    struct commander c;
    int fd;
    struct api_world *a = api_world_new("", false);
    commander_init(&c);
    uint64_t id = run_well(a, &c, "/lines?n=2&status=404", &fd);
    world_wait_end(a->w, id, JOB_FAILED);
    assert_string_equal(c.told, "abort 1, ");
    WORLD_WAIT(a->w, is_over(fd));
    assert_int_equal(exited(a, &c, exited_json(id, 0)), API_NOT_FOUND);
    close(fd);
    api_world_free(a);
}

/* Its client goes: the job is cancelled, whether its command runs or waits. */
static void test_the_client_goes(void **state)
{
    struct commander c;
    int fds[2];
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 1\n", false);
    commander_init(&c);
    uint64_t runs = run_well(a, &c, "/lines?n=2&hold_at=3&hold=it", &fds[0]);
    uint64_t waits = run_well(a, &c, "/lines?n=2", &fds[1]);
    WORLD_WAIT(a->w, strcmp(c.told, "begin 1, ") == 0);
    api_runner_gone(&c.runner);
    world_wait_end(a->w, runs, JOB_CANCELLED);
    world_wait_end(a->w, waits, JOB_CANCELLED);
    assert_string_equal(c.told, "begin 1, "); /* nobody is there who could be told */
    api_runner_gone(&c.runner);               /* who runs nothing any more */
    for (int i = 0; i < 2; i++)
        close(fds[i]);
    api_world_free(a);
}

/* … and before the store has the job: it ends as one that is cancelled, and does not begin. */
static void test_the_client_goes_before_the_store_answers(void **state)
{
    struct commander c;
    int fd;
    struct api_world *a = api_world_new("", false);
    commander_init(&c);
    a->w->gate.hold[GATE_SUBMIT] = true;
    struct asked *asked = ask_run(a, &c, command_json(a, "/lines?n=2"), &fd);
    api_call_abandon(&asked->call);
    api_runner_gone(&c.runner);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, asked->answered);
    assert_int_equal(asked->code, API_INTERNAL);
    world_wait_end(a->w, 1, JOB_CANCELLED);
    assert_string_equal(shown(a, 1, "state"), "cancelled");
    assert_string_equal(c.told, "");
    WORLD_WAIT(a->w, is_over(fd));
    struct origin_counts counts;
    assert_false(origin_counts(a->w->origin, "/lines", &counts));
    asked_free(asked);
    close(fd);
    api_world_free(a);
}

/* Its time is its own matter, not the store's. */
static void test_not_before(void **state)
{
    struct commander c;
    int fd;
    struct api_world *a = api_world_new("", false);
    commander_init(&c);
    json_t *job = command_json(a, "/lines?n=2");
    json_object_set_new(job, "not_before", json_string("1d"));
    struct asked *asked = ask_run(a, &c, job, &fd);
    WORLD_WAIT(a->w, asked->answered);
    assert_int_equal(asked->code, 0);
    assert_true(shown(a, 1, "due")[0] == '2');
    assert_string_equal(shown(a, 1, "waiting_for"), "not_before");
    json_decref(ask_well(a, API_CANCEL, id_json(1)));
    world_wait_end(a->w, 1, JOB_CANCELLED);
    assert_string_equal(c.told, "abort 1, ");
    asked_free(asked);
    close(fd);
    api_world_free(a);
}

/* --- what is refused -------------------------------------------------------------------------- */

/* Whatever comes of the call, nobody keeps the write end of a job that is not there. */
static void assert_run_refused(struct api_world *a, json_t *job, int code, const char *field)
{
    struct commander c;
    int fd;
    commander_init(&c);
    struct asked *asked = ask_run(a, &c, job, &fd);
    WORLD_WAIT(a->w, asked->answered);
    assert_int_equal(asked->code, code);
    assert_string_equal(asked->field, field);
    WORLD_WAIT(a->w, is_over(fd));
    assert_string_equal(c.told, "");
    asked_free(asked);
    close(fd);
}

static void test_refused(void **state)
{
    struct api_world *a = api_world_new("", false);
    assert_run_refused(a, json_of("{'parser':'count'}"), API_INVALID_PARAMS, "url");
    assert_run_refused(a, json_of("[]"), API_INVALID_PARAMS, "");
    assert_run_refused(a, json_of("{'url':'http://h.test/','colour':1}"), API_INVALID_PARAMS,
                       "colour");
    a->w->gate.refuse[GATE_SUBMIT] = -EIO;
    assert_run_refused(a, command_json(a, "/lines?n=1"), API_UNAVAILABLE, "");
    a->w->gate.refuse[GATE_SUBMIT] = -EDQUOT;
    assert_run_refused(a, command_json(a, "/lines?n=1"), API_QUEUE_FULL, "");
    a->w->gate.refuse[GATE_SUBMIT] = 0;
    json_t *job = command_json(a, "/lines?n=1");
    json_object_set_new(job, "key", json_string("k"));
    json_decref(ask_well(a, API_SUBMIT, json_deep_copy(job)));
    assert_run_refused(a, job, API_CONFLICT, "key");
    uint64_t held = ask_submit(a, "/bytes?n=1&hold=it");
    world_wait_running(a->w, held);
    drain_begin(a->w->jobs, world_on_drained, a->w);
    assert_run_refused(a, command_json(a, "/lines?n=1"), API_DRAINING, "");
    origin_release(a->w->origin, "it");
    api_world_free(a);
}

static void test_forbidden(void **state)
{
    struct api_world *a = api_world_new("[control]\nsubmit_users = 4242\n", false);
    api_world_peer(a, 4243);
    assert_run_refused(a, command_json(a, "/lines?n=1"), API_FORBIDDEN, "");
    assert_int_equal(a->w->gate.made[GATE_SUBMIT], 0);
    api_world_free(a);
}

/* It has to be the write end of a pipe, or one of a pair of sockets with a byte in it. */
static void test_descriptors(void **state)
{
    struct commander c;
    struct api_world *a = api_world_new("", false);
    int pipes[2], pair[2];
    commander_init(&c);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    const int cases[] = {-1, pipes[0], pair[1]};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asked *asked = ask_as(a, &c, API_RUN, command_json(a, "/lines?n=1"), cases[i]);
        WORLD_WAIT(a->w, asked->answered);
        assert_int_equal(asked->code, API_INVALID_PARAMS);
        assert_true(strncmp(asked->message, "run: ", 5) == 0);
        asked_free(asked);
    }
    assert_int_equal(a->w->gate.made[GATE_SUBMIT], 0);
    close(pipes[1]);
    close(pair[0]);
    api_world_free(a);
}

/* The daemon stops while the store is asked: the job's pipe would go with it. */
static void test_draining(void **state)
{
    struct commander c;
    int fd;
    struct api_world *a = api_world_new("", true);
    commander_init(&c);
    a->w->gate.hold[GATE_SUBMIT] = true;
    struct asked *asked = ask_run(a, &c, command_json(a, "/lines?n=2"), &fd);
    drain_begin(a->w->jobs, world_on_drained, a->w);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, asked->answered && a->w->drained);
    assert_int_equal(asked->code, 0);
    assert_int_equal(world_end_of(a->w, 1)->state, JOB_CANCELLED);
    assert_string_equal(c.told, "abort 1, ");
    asked_free(asked);
    close(fd);
    api_world_free(a);
}

/* --- exited ----------------------------------------------------------------------------------- */

/* Said by the connection that runs the command, once it has begun, of a status that there can
 * be. */
static void test_exited_refused(void **state)
{
    struct commander c, other;
    int fd;
    struct api_world *a = api_world_new("", false);
    commander_init(&c);
    commander_init(&other);
    uint64_t plain = ask_submit(a, "/bytes?n=1&hold=it");
    uint64_t id = run_well(a, &c, "/lines?n=2&hold=it", &fd);
    world_wait_running(a->w, id);
    assert_int_equal(exited(a, &c, exited_json(id, 0)), API_NOT_FOUND); /* it has not begun */
    origin_release(a->w->origin, "it");
    WORLD_WAIT(a->w, strstr(c.told, "complete"));
    static const char *const statuses[] = {"-1", "256", "'0'", "null", "1.5"};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        json_t *params = json_of("{'id':%llu,'status':%s}", (unsigned long long)id, statuses[i]);
        assert_int_equal(exited(a, &c, params), API_INVALID_PARAMS);
    }
    assert_int_equal(exited(a, &c, id_json(id)), API_INVALID_PARAMS);
    assert_int_equal(exited(a, &other, exited_json(id, 0)), API_NOT_FOUND);
    assert_int_equal(exited(a, &c, exited_json(plain, 0)), API_NOT_FOUND);
    assert_int_equal(exited(a, &c, exited_json(99, 0)), API_NOT_FOUND);
    assert_int_equal(exited(a, &c, json_of("{'status':0}")), API_NOT_FOUND);
    assert_null(world_end_of(a->w, id));
    assert_int_equal(exited(a, &c, exited_json(id, 0)), 0);
    world_wait_end(a->w, id, JOB_DONE);
    close(fd);
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_status_decides),
        cmocka_unit_test(test_nothing_to_begin_with),
        cmocka_unit_test(test_the_client_goes),
        cmocka_unit_test(test_the_client_goes_before_the_store_answers),
        cmocka_unit_test(test_not_before),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_draining),
        cmocka_unit_test(test_exited_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
