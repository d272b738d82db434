/* What the loop does for its transfers (transfer.c). Its thread only. */
#ifndef PENSTOCK_FETCH_TRANSFER_LOOP_H
#define PENSTOCK_FETCH_TRANSFER_LOOP_H

#include "base/list.h"

#include <curl/curl.h>

struct fetch_loop;
struct multi;

/* curl has completed a handle; for the multi. */
void transfer_done(struct multi *multi, CURL *easy, CURLcode code);
/* curl waits for none of its sockets now; for the multi, from within curl. */
void transfer_unwatched(CURL *easy);
/* A throttled transfer (its rate_link) may read again; for the rates. */
void transfer_go_on(struct list *waiting);
/* So many more are running (or fewer), and may have their connections besides the idle ones. */
void transfer_count(struct fetch_loop *loop, int change);
/* Frees the handles kept for reuse; the loop ends. */
void transfer_free_spares(struct fetch_loop *loop);

#endif
