/* The service manager's watchdog, fed on behalf of all threads that must never block: the control
 * loop asks each fetch loop and the store's thread for a sign of life, by the mailboxes and the
 * queue that their work comes by, and only when all have answered the manager hears of it. Who does
 * not answer is named in time. The control loop. */
#ifndef PENSTOCK_WATCHDOG_H
#define PENSTOCK_WATCHDOG_H

#include "base/error.h"
#include "base/mailbox.h"
#include "fetch/fetch.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watchdog_ping;

struct watchdog {
    uint64_t span; /* ns after which the manager kills; 0: it does not watch */
    struct mailbox *home;
    struct store *store;
    struct watchdog_ping *pings; /* one a fetch loop */
    size_t count;
    struct store_get get; /* of job 0: an answer, whatever it is */
    bool store_asked;
    size_t missing;    /* answers of the round under way */
    uint64_t asked_at; /* clock_now */
    bool told;         /* who is late in this round */
};

/* What the manager asks for by WATCHDOG_USEC. 0, or -ENOMEM. `home` is the control loop's
 * mailbox. */
int watchdog_init(struct watchdog *w, struct mailbox *home, struct fetch *fetch,
                  struct store *store);
/* Once the mailbox has been closed. Takes a zeroed one. */
void watchdog_deinit(struct watchdog *w);

/* Begins a round if none is under way; otherwise looks whether somebody is late. To be called
 * several times in a span, as long as fetch loops and store live. */
void watchdog_turn(struct watchdog *w);

#endif
