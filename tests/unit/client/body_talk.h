/* A daemon of paper that gets a job whose body it pours into the client's own pipe or socket.
 * Included once by each test program. */
#ifndef TESTS_UNIT_CLIENT_BODY_TALK_H
#define TESTS_UNIT_CLIENT_BODY_TALK_H

#include "paper_daemon.h"
#include "penstock/client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#define JOB 7

static struct fake fake;
static struct talk talk;
static int given = -1; /* the end that the client has given away */

/* --- the daemon's side ------------------------------------------------------------------------ */

static inline void say(const char *what)
{
    char line[128];
    snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":{\"id\":%d}}",
             what, JOB);
    talk_say(&talk, line);
}

static inline void say_verdict(const char *members)
{
    char line[512];
    snprintf(line, sizeof line, "{\"event\":\"verdict\",\"job\":%d,\"attempt\":1,%s}", JOB,
             members);
    talk_event(&talk, line);
}

static inline void say_done(void)
{
    say_verdict("\"state\":\"done\",\"status\":200,\"bytes\":6,\"records\":0,"
                "\"verified_by\":\"length\"");
}

static inline void say_truncated(void)
{
    say_verdict("\"state\":\"failed\",\"error\":{\"kind\":\"truncated\",\"message\":\"cut\"}");
}

static inline void pour(const char *text)
{
    assert_int_equal(fd_write_all(given, text, strlen(text)), 0);
}

/* The request, which has to be this one, and the descriptor that comes with its first byte. */
static inline void hear_run(const char *params)
{
    static char line[4096];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = line, .iov_len = sizeof line - 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    fake_accept(&fake, &talk);
    fake_wait(talk.fd, POLLIN);
    ssize_t n = recvmsg(talk.fd, &msg, MSG_CMSG_CLOEXEC);
    assert_true(n > 0 && line[n - 1] == '\n');
    const struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    assert_non_null(head);
    memcpy(&given, CMSG_DATA(head), sizeof given);
    line[n] = '\0';
    json_t *request = json_loads(line, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(request, "method")), "run");
    same_json(json_object_get(request, "params"), params);
    json_decref(request);
}

static inline void expect_exited(int status)
{
    char request[128];
    snprintf(request, sizeof request,
             "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"exited\","
             "\"params\":{\"id\":%d,\"status\":%d}}",
             JOB, status);
    talk_expect(&talk, request);
}

/* --- the client's side ------------------------------------------------------------------------ */

/* An open waits for the daemon, so it is on a thread of its own. */
struct opening {
    pthread_t thread;
    const char *options;
    bool as_file;
    FILE *file;
    int fd, code;
    char why[512];
};

static inline void *open_body(void *arg)
{
    struct opening *o = arg;
    if (o->as_file)
        o->file = penstock_open("http://h.test/", o->options);
    else
        o->fd = penstock_open_fd("http://h.test/", o->options);
    o->code = errno;
    snprintf(o->why, sizeof o->why, "%s", penstock_error(NULL));
    return NULL;
}

static inline void opening_start(struct opening *o, bool as_file, const char *options)
{
    *o = (struct opening){.as_file = as_file, .options = options, .fd = -1};
    assert_int_equal(pthread_create(&o->thread, NULL, open_body, o), 0);
}

static inline void opening_begin(struct opening *o, bool as_file, const char *options,
                                 const char *params)
{
    opening_start(o, as_file, options);
    hear_run(params);
}

static inline void opening_end(struct opening *o)
{
    pthread_join(o->thread, NULL);
}

static inline void begin_opening(struct opening *o, bool as_file)
{
    opening_begin(o, as_file, NULL, "{\"url\":\"http://h.test/\"}");
    talk_answer(&talk, 1, "{\"id\":7}");
}

/* A reader to whom it was not told why there is no more waits for that: on a thread of its own. */
struct reading {
    pthread_t thread;
    FILE *file; /* NULL: the descriptor */
    int fd;
    bool failed; /* the FILE's reads */
    char why[512];
};

static inline void *read_body(void *arg)
{
    struct reading *r = arg;
    char data[256];
    while (r->file && fread(data, 1, sizeof data, r->file) > 0)
        ;
    r->failed = r->file && ferror(r->file);
    snprintf(r->why, sizeof r->why, "%s",
             r->file ? penstock_error(r->file) : penstock_error_fd(r->fd));
    return NULL;
}

static inline void reading_begin(struct reading *r, FILE *file, int fd)
{
    *r = (struct reading){.file = file, .fd = fd};
    assert_int_equal(pthread_create(&r->thread, NULL, read_body, r), 0);
}

static inline void reading_end(struct reading *r)
{
    pthread_join(r->thread, NULL);
}

static inline void daemon_ends(void)
{
    fd_close(&given);
    talk_end(&talk);
}

static inline int begin(void **state)
{
    fake_listen(&fake, test_path("socket"));
    talk = (struct talk){.fd = -1};
    given = -1;
    return setenv("PENSTOCK_SOCKET", fake.path, 1);
}

static inline int end(void **state)
{
    daemon_ends();
    fake_close(&fake);
    return 0;
}

#endif
