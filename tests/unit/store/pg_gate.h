/* A gate before the test's server: connections that go through it can be held up without a word, as
 * by a network that drops all, and be cut. */
#ifndef TESTS_UNIT_STORE_PG_GATE_H
#define TESTS_UNIT_STORE_PG_GATE_H

#include "pg_support.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#define GATE_CONNECTIONS 64

struct gate {
    char dir[92], dsn[160], path[108];
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool shut;
    unsigned cuts;          /* what came before one goes nowhere */
    unsigned flows, sticks; /* so many were made; those before this one get stuck … */
    size_t more;            /* … when so many bytes of their clients' have gone on */
    size_t asked;           /* bytes of clients' that have gone on */
    bool over;
    int connections[GATE_CONNECTIONS]; /* the clients' */
    size_t count, running;
};

struct gate_flow {
    struct gate *gate;
    unsigned number;
    int client, server;
};

static inline int gate_socket(const char *path, bool listens)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int r = listens ? bind(fd, (struct sockaddr *)&address, sizeof address)
                    : connect(fd, (struct sockaddr *)&address, sizeof address);
    if (r == 0 && (!listens || listen(fd, 16) == 0))
        return fd;
    close(fd);
    return -1;
}

/* Waits while it is shut; how often it has cut. */
static inline unsigned gate_pass(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (g->shut)
        pthread_cond_wait(&g->opened, &g->lock);
    unsigned cuts = g->cuts;
    pthread_mutex_unlock(&g->lock);
    return cuts;
}

/* Of `n` bytes so many go on. If the flow is stuck it waits for the end of the gate: neither side
 * is told that the other one has gone. */
static inline ssize_t gate_limit(struct gate_flow *f, int from, ssize_t n)
{
    struct gate *g = f->gate;
    pthread_mutex_lock(&g->lock);
    bool sticks = f->number < g->sticks;
    while (sticks && g->more == 0 && !g->over)
        pthread_cond_wait(&g->opened, &g->lock);
    if (sticks && g->over)
        n = 0;
    if (sticks && from == f->client && n > (ssize_t)g->more)
        n = (ssize_t)g->more;
    if (sticks && from == f->client && n > 0)
        g->more -= (size_t)n;
    if (from == f->client && n > 0)
        g->asked += (size_t)n;
    pthread_mutex_unlock(&g->lock);
    return n;
}

/* False: there is no more. */
static inline bool gate_forward(struct gate_flow *f, int from, int to)
{
    struct gate *g = f->gate;
    char data[65536];
    unsigned cuts = gate_pass(g);
    ssize_t n = gate_limit(f, from, recv(from, data, sizeof data, 0));
    if (gate_pass(g) != cuts)
        return false;
    for (ssize_t sent = 0, r; n > 0 && sent < n; sent += r)
        if ((r = send(to, data + sent, (size_t)(n - sent), MSG_NOSIGNAL)) <= 0)
            return false;
    return n > 0;
}

static inline void *gate_flow_run(void *arg)
{
    struct gate_flow *f = arg;
    struct gate *g = f->gate;
    bool more = true;
    while (more) {
        struct pollfd fds[2] = {{.fd = f->client, .events = POLLIN},
                                {.fd = f->server, .events = POLLIN}};
        poll(fds, 2, -1);
        if (fds[0].revents)
            more = gate_forward(f, f->client, f->server);
        if (more && fds[1].revents)
            more = gate_forward(f, f->server, f->client);
    }
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->count; i++)
        if (g->connections[i] == f->client)
            g->connections[i] = g->connections[--g->count];
    close(f->client);
    close(f->server);
    g->running--;
    pthread_cond_broadcast(&g->opened);
    pthread_mutex_unlock(&g->lock);
    free(f);
    return NULL;
}

static inline void *gate_run(void *arg)
{
    struct gate *g = arg;
    char server[108];
    snprintf(server, sizeof server, "%s/.s.PGSQL.5432", cluster);
    for (int client; (client = accept(g->fd, NULL, NULL)) >= 0;) {
        struct gate_flow *f = calloc(1, sizeof *f);
        pthread_t thread;
        *f = (struct gate_flow){.gate = g, .client = client, .server = gate_socket(server, false)};
        pthread_mutex_lock(&g->lock);
        f->number = g->flows++;
        bool full = f->server < 0 || g->count == GATE_CONNECTIONS;
        if (!full) {
            g->connections[g->count++] = client;
            g->running++;
        }
        pthread_mutex_unlock(&g->lock);
        if (full || pthread_create(&thread, NULL, gate_flow_run, f) != 0) {
            close(client);
            free(f);
            continue;
        }
        pthread_detach(thread);
    }
    return NULL;
}

static inline void gate_open(struct gate *g)
{
    memset(g, 0, sizeof *g);
    snprintf(g->dir, sizeof g->dir, "%s.gate-XXXXXX", cluster);
    assert_non_null(mkdtemp(g->dir));
    snprintf(g->path, sizeof g->path, "%s/.s.PGSQL.5432", g->dir);
    snprintf(g->dsn, sizeof g->dsn, "host=%s dbname=postgres user=penstock", g->dir);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->opened, NULL);
    g->fd = gate_socket(g->path, true);
    assert_true(g->fd >= 0);
    assert_int_equal(pthread_create(&g->thread, NULL, gate_run, g), 0);
}

static inline void gate_set(struct gate *g, bool shut)
{
    pthread_mutex_lock(&g->lock);
    g->shut = shut;
    pthread_cond_broadcast(&g->opened);
    pthread_mutex_unlock(&g->lock);
}

/* The connections that are there get stuck for good when `more` bytes of their clients' have gone
 * on; others may come. */
static inline void gate_stick(struct gate *g, size_t more)
{
    pthread_mutex_lock(&g->lock);
    g->sticks = g->flows;
    g->more = more;
    pthread_mutex_unlock(&g->lock);
}

static inline bool gate_is_stuck(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    bool stuck = g->sticks > 0 && g->more == 0;
    pthread_mutex_unlock(&g->lock);
    return stuck;
}

static inline size_t gate_asked(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    size_t asked = g->asked;
    pthread_mutex_unlock(&g->lock);
    return asked;
}

/* The clients see the end of their connections; the server does not of those that are stuck. */
static inline void gate_lose(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->count; i++)
        shutdown(g->connections[i], SHUT_RDWR);
    pthread_mutex_unlock(&g->lock);
}

/* What is held up is lost, and its connections end; others may come. */
static inline void gate_cut(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->cuts++;
    for (size_t i = 0; i < g->count; i++)
        shutdown(g->connections[i], SHUT_RDWR);
    pthread_mutex_unlock(&g->lock);
    gate_set(g, false);
}

static inline void gate_close(struct gate *g)
{
    gate_set(g, false);
    shutdown(g->fd, SHUT_RDWR);
    pthread_join(g->thread, NULL);
    close(g->fd);
    pthread_mutex_lock(&g->lock);
    g->over = true;
    pthread_cond_broadcast(&g->opened);
    for (size_t i = 0; i < g->count; i++)
        shutdown(g->connections[i], SHUT_RDWR);
    while (g->running > 0)
        pthread_cond_wait(&g->opened, &g->lock);
    pthread_mutex_unlock(&g->lock);
    assert_int_equal(unlink(g->path), 0);
    assert_int_equal(rmdir(g->dir), 0);
}

#endif
