/* Calls that wait in a list of the engine's, and those that were given back. */
#ifndef TESTS_UNIT_STORE_PG_BACK_H
#define TESTS_UNIT_STORE_PG_BACK_H

#include "pg_inside.h"

static struct store_call *back[16]; /* given back, in order */
static size_t back_count;

static inline void on_back(struct mail *mail)
{
    assert_true(back_count < 16);
    back[back_count++] = container_of(mail, struct store_call, mail);
}

static inline size_t given_back(struct inside *in)
{
    back_count = 0;
    inside_deliver(in);
    return back_count;
}

static inline void wait_in(struct list *list, struct store_call *call, enum op op, int result)
{
    call->op = (int)op;
    call->result = result;
    mail_init(&call->mail, on_back);
    list_add_tail(list, &call->link);
}

#endif
