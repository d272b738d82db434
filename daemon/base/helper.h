/* A thread beside a loop, for work that takes long and needs nothing of the loop: one task after
 * the other, in the order in which they came. */
#ifndef PENSTOCK_BASE_HELPER_H
#define PENSTOCK_BASE_HELPER_H

#include "base/list.h"
#include "base/mailbox.h"

#include <pthread.h>
#include <stdbool.h>

struct helper {
    struct mailbox *mailbox;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    struct list tasks;
    bool stopping;
};

struct helper_task {
    struct list link;
    void (*work)(struct helper_task *task); /* on the helper's thread */
    struct mail mail;                       /* then this comes, on the loop's */
};

/* Starts the thread. 0 or a negative errno. */
int helper_init(struct helper *helper, struct mailbox *mailbox);

/* Takes a task: its memory must stay until its mail has come. The loop's thread. */
void helper_add(struct helper *helper, struct helper_task *task);

/* Does what has been added to the end, and ends the thread. Waits for that. */
void helper_deinit(struct helper *helper);

#endif
