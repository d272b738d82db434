/* A fetch loop, as those see it who put handles of their own beside its transfers. */
#ifndef PENSTOCK_FETCH_LOOP_H
#define PENSTOCK_FETCH_LOOP_H

#include "base/mailbox.h"

#include <stdbool.h>
#include <uv.h>

struct fetch_loop;

/* Its uv loop, for handles that live beside a transfer (body pipes). The loop's thread. */
uv_loop_t *fetch_loop_uv(struct fetch_loop *loop);

/* Posts a mail to the loop's thread; as mailbox_post. Any thread. */
bool fetch_loop_post(struct fetch_loop *loop, struct mail *mail);

/* Is this the loop's own thread? For assertions. */
bool fetch_loop_is_current(const struct fetch_loop *loop);

/* The calling thread is the loop's from now on. Once, before anything runs on it. */
void fetch_loop_adopt(const struct fetch_loop *loop);

#endif
