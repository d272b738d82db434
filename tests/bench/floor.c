/* The floor under a download: a bare socket whose body is spliced into a pipe of 1 MiB, no library
 * between, and the reader that the daemon has (parse/task.h with `count`) on a thread of its own.
 * HTTP/1.1, a known length, loopback; no clock, no limit, no resume.
 *
 *     bench-floor PORT PATH      prints what `count` found */
#include "base/fd.h"
#include "flow/body.h"
#include "parse/registry.h"
#include "parse/task.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
#define HEAD_BYTES 4096

static int emit(struct parse_task *task, const char *json, size_t len)
{
    (void)task;
    return printf("%.*s\n", (int)len, json) < 0 ? -errno : 0;
}

static void done(struct parse_task *task)
{
    (void)task; /* pthread_join tells */
}

static void *run(void *arg)
{
    parse_task_run(arg);
    return NULL;
}

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static int connect_to(const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        give_up("connect");
    return fd;
}

/* Sends the request, takes the head, and puts what came behind it into the pipe: the bytes still to
 * come. */
static size_t take_head(int web, const char *path, int pipe)
{
    char head[HEAD_BYTES + 1];
    size_t len = 0;
    char *end = NULL;
    dprintf(web, "GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
    while (!end && len < HEAD_BYTES) {
        ssize_t n = recv(web, head + len, HEAD_BYTES - len, 0);
        if (n <= 0)
            give_up("the head");
        len += (size_t)n;
        head[len] = 0;
        end = strstr(head, "\r\n\r\n");
    }
    char *length = end ? strcasestr(head, "\r\ncontent-length:") : NULL;
    if (!length || strncmp(head, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "bench-floor: an answer other than 200 with a length\n");
        exit(1);
    }
    size_t rest = (size_t)(head + len - (end + 4));
    if (fd_write_all(pipe, end + 4, rest) < 0)
        give_up("write");
    return strtoull(length + 17, NULL, 10) - rest;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench-floor PORT PATH\n");
        return 2;
    }
    int ends[2];
    pthread_t reader;
    struct parse_task task = {
        .parser = &parser_count, .body = body_new(), .emit = emit, .done = done};
    if (!task.body || pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
        give_up("pipe");
    task.read_fd = ends[0];
    int web = connect_to(argv[1]);
    size_t left = take_head(web, argv[2], ends[1]);
    if (pthread_create(&reader, NULL, run, &task) != 0)
        give_up("thread");
    while (left > 0) {
        ssize_t n =
            splice(web, NULL, ends[1], NULL, left < PIPE_BYTES ? left : PIPE_BYTES, SPLICE_F_MOVE);
        if (n <= 0)
            give_up("splice");
        left -= (size_t)n;
    }
    body_settle(task.body, BODY_COMPLETE);
    close(ends[1]);
    pthread_join(reader, NULL);
    body_unref(task.body);
    close(web);
    return task.result == PENSTOCK_OK ? 0 : 1;
}
