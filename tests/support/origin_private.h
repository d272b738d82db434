/* The misbehaving origin's inside: the server, its counters and its connections. Everything runs on
 * the origin's thread, but for what `lock` guards. */
#ifndef TESTS_SUPPORT_ORIGIN_PRIVATE_H
#define TESTS_SUPPORT_ORIGIN_PRIVATE_H

#include "base/list.h"
#include "support/origin.h"
#include "support/origin_response.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>

#define COUNTER_BUCKETS 1024

struct counter {
    struct counter *next;
    struct origin_counts counts;
    char key[];
};

/* A thing by name: what was put at /data, or a hold that was released (without data). */
struct named {
    struct named *next;
    char *data;
    size_t len;
    char name[];
};

struct origin {
    struct origin_config config;
    struct response_origin plan;
    struct sockaddr_storage address;
    int listener, epoll, event;
    bool accepting;
    pthread_t thread;
    SSL_CTX *ssl;
    char *ca_file, *ca_dir; /* ca_dir: made by us, to be removed */
    struct list conns, sleepers;

    pthread_mutex_t lock; /* guards what follows; held for a few instructions, never over I/O */
    bool stopping;
    struct origin_totals totals;
    struct counter *counters[COUNTER_BUCKETS];
    struct named *data, *released;
};

enum conn_phase {
    CONN_HANDSHAKE,
    CONN_HEAD,      /* reads a request's head; between requests too */
    CONN_BODY,      /* reads its body */
    CONN_RESPONSE,  /* sends */
    CONN_STALLED,   /* keeps silent until the client goes */
    CONN_RESETTING, /* waits until the client's kernel has all, then sends RST */
    CONN_LINGER, /* said its end; waits for the client's, so that no RST overtakes the last bytes */
};

struct conn {
    struct list node, sleeper;
    struct origin *origin;
    int fd;
    SSL *ssl;
    enum conn_phase phase;
    uint32_t events; /* as registered with epoll */
    bool blocked;    /* the socket takes no more for now */
    bool held;
    uint64_t wake; /* clock_now at which to go on; 0 for none */
    struct buf in;
    struct request request;
    struct response response;
    struct counter *counter; /* of the request under way */
    char *out;               /* the piece being sent; NULL if none is */
    struct response_piece piece;
    size_t out_off;
};

/* --- origin_state.c */
/* Lets the loop look at what `lock` guards. Any thread. */
void origin_wake(struct origin *origin);
/* As struct response_origin's. */
int origin_special(void *arg, const struct request *request, struct buf *ret);
/* Frees what `lock` guards. */
void origin_state_deinit(struct origin *origin);
/* The key's counter, made if need be; NULL: out of memory. Call with the lock held. */
struct counter *origin_counter(struct origin *origin, const char *key);
bool origin_is_released(struct origin *origin, const char *name);

/* --- origin_conn.c */
/* Takes the descriptor over. */
void conn_new(struct origin *origin, int fd);
void conn_free(struct conn *conn);
/* epoll's news. May free the connection, as may the next two. */
void conn_event(struct conn *conn, uint32_t events);
/* Its time has come. */
void conn_woken(struct conn *conn);
/* Goes on as far as it can. */
void conn_run(struct conn *conn);
/* An idle one says something that nobody has asked for: "answer", "408" or "end". May free it
 * later, not now. */
void conn_unasked(struct conn *conn, const char *what);

#endif
