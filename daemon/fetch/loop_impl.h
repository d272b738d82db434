/* What a fetch loop is made of, for the files of this layer. */
#ifndef PENSTOCK_FETCH_LOOP_IMPL_H
#define PENSTOCK_FETCH_LOOP_IMPL_H

#include "base/list.h"
#include "base/mailbox.h"
#include "fetch/connection.h"
#include "fetch/lookup.h"
#include "fetch/loop.h"
#include "fetch/multi.h"
#include "fetch/rate.h"
#include "fetch/trust.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct fetch_loop {
    unsigned index;
    uv_loop_t uv;
    struct mailbox mailbox;
    struct multi multi;
    uv_timer_t tick;
    pthread_t thread;
    struct mail stop_mail;
    struct list spares; /* struct transfer_impl without a transfer */
    size_t spare_count;
    struct list turns; /* struct transfer_impl that got data in curl's turn */
    struct connections sockets;
    struct lookups lookups;
    int dead; /* a socket without a connection: splice.c gives it to curl for a living one */
    struct rates rates;
    size_t receive_buffer;
    unsigned idle_connects; /* kept at most */
    uint64_t splice_min;    /* 0: never */
    struct trust trust;
    struct mail trust_mail; /* the bundle may have changed */
    /* Written by the loop's thread, read by any. */
    _Atomic uint64_t transfers, connections, bytes, spliced, ticks_ns;
    atomic_uint running;
};

#endif
