/* curl's multi interface on a uv loop, and nothing else: sockets, timer, completions. One thread.
 *
 * curl speaks only of sockets that it holds; what it does not tell:
 *   - 7.88 closes a socket that never connected before it says CURL_POLL_REMOVE, or without saying
 * it, and the next socket gets the same number. So whoever opens a socket for curl says so
 * (multi_socket_opened), and a watcher left from before is started anew. A watcher stays with its
 * number for good.
 *   - a failing socket callback kills the whole multi: ours never fails. A watcher that cannot be
 * had fails the opening of its socket, which is one transfer's matter. */
#ifndef PENSTOCK_FETCH_MULTI_H
#define PENSTOCK_FETCH_MULTI_H

#include "base/list.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* A completion that curl reports by a return code only (curl_easy_pause), told later like the
 * others. */
struct multi_report {
    struct list link;
    CURL *easy;
    CURLcode code;
};

struct multi {
    CURLM *handle;
    uv_loop_t *loop;
    uv_timer_t timer;
    /* While curl wants to be called at once: the idle handle keeps the poll from blocking, the
     * check handle calls. A 0 ms timer instead, armed again from its own callback, starves
     * libuv 1.44's I/O. */
    uv_idle_t idle;
    uv_check_t check;
    struct multi_watcher **watchers; /* by descriptor */
    size_t watcher_room;
    struct list reports;
    /* Set after multi_init, before the loop runs. `done`: a handle has ended; never from within
     * curl; it removes the handle. `unwatched`: a handle waits for no socket any more; from within
     * curl. `turned`: curl has done what it could, and what ended is told next. */
    void (*done)(struct multi *multi, CURL *easy, CURLcode code);
    void (*unwatched)(CURL *easy);
    void (*turned)(struct multi *multi);
    void (*closed)(struct multi *multi);
    size_t closing; /* handles on their way */
};

/* 0 or a negative errno, and then nothing is left but handles that the loop has yet to close. */
int multi_init(struct multi *multi, uv_loop_t *loop);

/* All handles are removed. The memory is free to use again from `closed` on. */
void multi_close(struct multi *multi, void (*closed)(struct multi *multi));

/* A new socket is about to be given to curl. 0 or -ENOMEM. May be called from within curl. */
int multi_socket_opened(struct multi *multi, curl_socket_t fd);

/* The socket is about to leave curl for good, but a duplicate of it stays: watches it no more. From
 * within curl. */
void multi_socket_left(struct multi *multi, curl_socket_t fd);

/* While a socket is masked it is not watched, whatever curl wants of it: 8.5 wants to read while it
 * is paused, and then does. From within curl or without. */
void multi_socket_mask(struct multi *multi, curl_socket_t fd, bool masked);

/* Has curl look at this connecting handle soon. 7.88 gives up an address that does not answer only
 * when it is called, and goes on to the next one only when it is called again, without a socket or
 * a timer to cause either. */
void multi_kick(CURL *easy);

/* `done` with this handle and code from the next turn on, unless list_del(&report->link) comes
 * first. */
void multi_report(struct multi *multi, struct multi_report *report, CURL *easy, CURLcode code);

#endif
