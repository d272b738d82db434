/* backup: who may have a copy of the store, by which descriptor, and how its reader knows that it
 * is whole. */
#include "api_world.h"

#include <fcntl.h>
#include <sys/socket.h>

static struct store_backup *copying; /* what the store was asked for and has not answered */
static unsigned copies;

static void on_backup(struct store *store, struct store_backup *call)
{
    (void)store;
    copies++;
    copying = call;
}

static struct api_world *backup_world(const char *settings)
{
    struct api_world *a = api_world_new(settings, true);
    a->w->gate.engine.backup = on_backup;
    copying = NULL;
    copies = 0;
    return a;
}

static struct asked *ask_backup(struct api_world *a, json_t *params, int fd)
{
    struct asked *asked = calloc(1, sizeof *asked);
    assert_non_null(asked);
    asked->params = params;
    asked->call = (struct api_call){.method = API_BACKUP,
                                    .params = params,
                                    .peer = a->peer,
                                    .fd = fd,
                                    .answer = asked_on_answer};
    api_call(a->api, &asked->call);
    return asked;
}

/* A pair of sockets with the byte in it that a reader has to put there; the reader's end. */
static int pair_for(int *ret_given)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(write(ends[0], "", 1), 1);
    assert_int_equal(fd_set_nonblock(ends[0], true), 0);
    *ret_given = ends[1];
    return ends[0];
}

/* What the reader sees next: bytes, 0 at a verified end, or a negative errno. */
static int read_next(int fd)
{
    char data[64];
    ssize_t n = read(fd, data, sizeof data);
    return n < 0 ? -errno : (int)n;
}

/* A close that may take its time is another thread's. */
static void assert_last(struct api_world *a, int fd, int wanted)
{
    int last = -EAGAIN;
    WORLD_WAIT(a->w, (last = read_next(fd)) != -EAGAIN);
    assert_int_equal(last, wanted);
}

static void copy_ends(struct api_world *a, int result, uint64_t bytes)
{
    copying->bytes = bytes;
    copying->call.result =
        result < 0 ? error_set(&copying->call.error, result, "no space left") : 0;
    mailbox_post(&a->w->mailbox, &copying->call.mail);
    copying = NULL;
}

/* The end is one only if the copy is whole; else it is an error, never an end. */
static void test_the_end(void **state)
{
    static const struct {
        int result, code, last;
        const char *words;
    } cases[] = {
        {0, 0, 0, ""},
        {-ENOSPC, API_UNAVAILABLE, -ECONNRESET, "there is no backup: no space left"},
        {-ECANCELED, API_DRAINING, -ECONNRESET, "stopping"},
    };
    struct api_world *a = backup_world("");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int given, fd = pair_for(&given);
        struct asked *asked = ask_backup(a, json_object(), given);
        assert_int_equal(copies, i + 1);
        assert_int_equal(copying->fd, given);
        assert_int_equal(write(given, "copy", 4), 4);
        copy_ends(a, cases[i].result, 4);
        WORLD_WAIT(a->w, asked->answered);
        assert_int_equal(asked->code, cases[i].code);
        assert_non_null(strstr(asked->message, cases[i].words));
        if (!asked->code)
            assert_int_equal(int_in(asked->result, "bytes"), 4);
        asked_free(asked);
        assert_int_equal(read_next(fd), 4);
        assert_last(a, fd, cases[i].last);
        close(fd);
    }
    api_world_free(a);
}

/* Refused: nothing is copied, and the reader sees an error, no end. */
static void refuse(struct api_world *a, json_t *params, int code, const char *words)
{
    int given, fd = pair_for(&given);
    unsigned before = copies;
    struct asked *asked = ask_backup(a, params, given);
    WORLD_WAIT(a->w, asked->answered);
    assert_int_equal(asked->code, code);
    if (!strstr(asked->message, words))
        fail_msg("%s", asked->message);
    asked_free(asked);
    assert_int_equal(copies, before);
    assert_last(a, fd, -ECONNRESET);
    close(fd);
}

/* Everybody's jobs are in it: so where no administrators are named not everybody is one. */
static void test_who_may(void **state)
{
    static const char *const settings[] = {"", "[control]\nadmin_users = 4242\n"};
    for (size_t i = 0; i < 2; i++) {
        struct api_world *a = backup_world(settings[i]);
        api_world_peer(a, 4243);
        refuse(a, json_object(), API_FORBIDDEN, "admin_users, admin_groups");
        api_world_peer(a, 4242);
        if (i == 0)
            refuse(a, json_object(), API_FORBIDDEN, "everybody's jobs");
        else
            refuse(a, json_object(), API_INVALID_PARAMS,
                   "another user's"); /* whose the socket is */
        api_world_free(a);
    }
}

static void test_refused(void **state)
{
    struct api_world *a = backup_world("");
    refuse(a, json_of("{'path':'/x'}"), API_INVALID_PARAMS, "params: backup takes none");
    a->w->gate.engine.backup = NULL;
    refuse(a, json_object(), API_CONFLICT, "pg_dump");
    a->w->gate.engine.keeps = false;
    refuse(a, json_object(), API_CONFLICT, "the jobs end with the daemon");
    a->w->gate.engine.keeps = true;
    api_world_free(a);
}

/* A pair of sockets with a byte in it, and nothing else. */
static void test_descriptors(void **state)
{
    struct api_world *a = backup_world("");
    int pipes[2], empty[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, empty), 0);
    const struct {
        int fd;
        const char *words;
    } cases[] = {
        {-1, "no descriptor came"}, {pipes[1], "not one of a pair"}, {empty[1], "write a byte"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asked *asked = ask_backup(a, json_object(), cases[i].fd);
        WORLD_WAIT(a->w, asked->answered);
        assert_int_equal(asked->code, API_INVALID_PARAMS);
        if (!strstr(asked->message, cases[i].words))
            fail_msg("%s", asked->message);
        asked_free(asked);
    }
    assert_int_equal(copies, 0);
    close(pipes[0]);
    close(empty[0]);
    api_world_free(a);
}

/* One after the other: the next may begin once the one before it was answered. */
static void test_one_at_a_time(void **state)
{
    struct api_world *a = backup_world("");
    int given, fd = pair_for(&given);
    struct asked *first = ask_backup(a, json_object(), given);
    refuse(a, json_object(), API_UNAVAILABLE, "under way");
    api_call_abandon(&first->call); /* whose client has gone: it goes on */
    refuse(a, json_object(), API_UNAVAILABLE, "under way");
    copy_ends(a, 0, 0);
    WORLD_WAIT(a->w, first->answered);
    asked_free(first);
    close(fd);
    fd = pair_for(&given);
    struct asked *next = ask_backup(a, json_object(), given);
    assert_int_equal(copies, 2);
    copy_ends(a, 0, 0);
    WORLD_WAIT(a->w, next->answered);
    asked_free(next);
    close(fd);
    api_world_free(a);
}

/* None once the jobs drain: the copy under way is told to stop, and its reader that it is none. */
static void test_drain(void **state)
{
    struct api_world *a = backup_world("");
    uint64_t held = ask_submit(a, "/bytes?n=1&hold=it");
    world_wait_running(a->w, held);
    int given, fd = pair_for(&given);
    struct asked *asked = ask_backup(a, json_object(), given);
    struct store_backup *copy = copying;
    assert_false(atomic_load(&copy->stop));
    drain_begin(a->w->jobs, world_on_drained, a->w);
    assert_true(atomic_load(&copy->stop));
    copy_ends(a, -ECANCELED, 0);
    WORLD_WAIT(a->w, asked->answered);
    assert_int_equal(asked->code, API_DRAINING);
    refuse(a, json_object(), API_DRAINING, "the daemon is stopping");
    asked_free(asked);
    close(fd);
    origin_release(a->w->origin, "it");
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_end),       cmocka_unit_test(test_who_may),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_one_at_a_time), cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
