#include "store/postgresql/pg_queue.h"

#include "store/postgresql/pg_fleet.h"

void queue_call(struct pg *pg, struct store_call *call, enum op op)
{
    call->op = (int)op;
    call->epoch = pg->fleet ? pg->fleet->loop_epoch : 0;
    pthread_mutex_lock(&pg->lock);
    bool first = list_empty(&pg->queue);
    list_add_tail(&pg->queue, &call->link);
    pthread_mutex_unlock(&pg->lock);
    if (first)
        wake_by(pg->wake_fd);
}
