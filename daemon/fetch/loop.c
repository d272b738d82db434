#include "fetch/loop.h"

#include "fetch/loop_impl.h"

static _Thread_local const struct fetch_loop *current;

uv_loop_t *fetch_loop_uv(struct fetch_loop *loop)
{
    return &loop->uv;
}

bool fetch_loop_post(struct fetch_loop *loop, struct mail *mail)
{
    return mailbox_post(&loop->mailbox, mail);
}

bool fetch_loop_is_current(const struct fetch_loop *loop)
{
    return current == loop;
}

void fetch_loop_adopt(const struct fetch_loop *loop)
{
    current = loop;
}
