/* A run of the client as a row of a table: its arguments, what the daemon hears and answers, all
 * that is printed, and the exit status. */
#ifndef PENSTOCK_TESTS_SCENE_H
#define PENSTOCK_TESTS_SCENE_H

#include "client_fixture.h"

/* A request and its answer. `params`: NULL if there are to be none. `answer`: the result; one that
 * begins with '!' is an error object behind that; NULL: the daemon hangs up. */
struct step {
    const char *method, *params, *answer;
};

struct scene {
    const char *args[14];
    const char *input; /* on standard input; NULL: nothing */
    struct step steps[6];
    int status;
    const char *out, *err; /* all of it; NULL: nothing */
};

static inline void scene_hear(unsigned id, const struct step *step)
{
    json_t *params = step->params ? json_loads(step->params, 0, NULL) : NULL;
    if (step->params && !params)
        fail_msg("no JSON: %s", step->params);
    json_t *request = json_pack("{s:s, s:i, s:s, s:o*}", "jsonrpc", "2.0", "id", (int)id, "method",
                                step->method, "params", params);
    char *text = json_dumps(request, JSON_COMPACT);
    talk_expect(&talk, text);
    free(text);
    json_decref(request);
}

static inline void scene_answer(unsigned id, const struct step *step)
{
    struct buf b = BUF_INIT;
    if (!step->answer) {
        talk_end(&talk);
        return;
    }
    if (*step->answer != '!') {
        talk_answer(&talk, id, step->answer);
        return;
    }
    buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%u,\"error\":%s}", id, step->answer + 1);
    talk_say(&talk, b.data);
    buf_deinit(&b);
}

/* What completes a line stands before all options, and has the socket behind it. */
static inline void scene_start(const struct scene *scene)
{
    const char *argv[sizeof scene->args / sizeof *scene->args + 1] = {PENSTOCKCTL};
    if (strcmp(scene->args[0], "__complete") != 0) {
        client_start(&child, &daemon_, scene->args);
        return;
    }
    memcpy(argv + 1, scene->args, sizeof scene->args - sizeof *scene->args);
    test_start(&child, argv);
}

static inline void scene_play(const struct scene *scene)
{
    scene_start(scene);
    if (scene->input)
        assert_int_equal(fd_write_all(child.in, scene->input, strlen(scene->input)), 0);
    fd_close(&child.in);
    if (scene->steps[0].method)
        fake_accept(&daemon_, &talk);
    for (unsigned i = 0; i < 6 && scene->steps[i].method; i++) {
        scene_hear(i + 1, &scene->steps[i]);
        scene_answer(i + 1, &scene->steps[i]);
    }
    client_ends(&child, scene->status, scene->out ? scene->out : "", scene->err);
    if (scene->err)
        file_is(child.err, scene->err);
    talk_end(&talk);
}

/* Accepts a client, hears its first request, and takes the descriptor that comes with it. */
static inline int scene_take(char *ret_request, size_t size)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = ret_request, .iov_len = size - 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    int fd = -1;
    fake_accept(&daemon_, &talk);
    fake_wait(talk.fd, POLLIN);
    ssize_t n = recvmsg(talk.fd, &msg, MSG_CMSG_CLOEXEC);
    assert_true(n > 0);
    ret_request[n] = '\0';
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    assert_non_null(c);
    assert_int_equal(c->cmsg_type, SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    assert_true(fd >= 0);
    return fd;
}

#define SCENES(scenes)                                             \
    for (size_t i = 0; i < sizeof(scenes) / sizeof *(scenes); i++) \
    scene_play(&(scenes)[i])

#endif
