/* The CA bundle of a fetch loop, and that it may change on disk while the daemon runs: a CA that
 * was added is trusted from the next connection on, and one that was withdrawn is not, by
 * connections that wait idle and by TLS sessions either.
 *
 * libcurl reads a bundle once and keeps what it made of it (reading takes some 30 ms of CPU), and
 * it knows bundles by their paths, to the letter: one that it has, connections, sessions. So the
 * file gets another spelling with each change, /etc/./ssl/…, and all that was of the old one finds
 * no use any more. (From 8.12 on libcurl takes sessions of two spellings for the same one: then
 * there are none after a change, see trust_sessions.)
 *
 * The loop's thread only, but for trust_init. */
#ifndef PENSTOCK_FETCH_TRUST_H
#define PENSTOCK_FETCH_TRUST_H

#include <stdbool.h>
#include <uv.h>

struct trust {
    char *file; /* NULL: none is known */
    char *path; /* its present spelling */
    unsigned changes;
    uv_timer_t timer; /* once a second … */
    uv_fs_t look;     /* … a thread of libuv's pool looks at the file */
    bool looking;
    int known; /* what the last look gave: 1, it is there; a negative errno; 0: there was none */
    uv_stat_t last;
};

/* Copies `file`. Before the loop runs. 0 or -ENOMEM. */
int trust_init(struct trust *trust, uv_loop_t *loop, const char *file);
void trust_close(struct trust *trust);  /* its handle; the loop must run on to be rid of it */
void trust_deinit(struct trust *trust); /* after that */

/* The file may be another now. */
void trust_renew(struct trust *trust);

/* A bundle could not be read: was there just no memory for it, or no descriptor? Else it is
 * missing, or holds no certificate. */
bool trust_lacks_resources(const char *path);

/* May TLS sessions be kept, and used again? */
bool trust_sessions(const struct trust *trust);

#endif
