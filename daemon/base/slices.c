#include "base/slices.h"

#include "base/clock.h"

static void on_turn(struct mail *mail)
{
    struct slices *slices = container_of(mail, struct slices, mail);
    uint64_t end = clock_now() + SLICES_NS;
    struct list *e;
    while ((e = list_pop(&slices->due))) { /* none: what was added last time was done last time */
        struct slice *slice = container_of(e, struct slice, link);
        slice->step(slice);
        if (clock_now() >= end)
            break;
    }
    if (!list_empty(&slices->due)) /* what is posted from here waits for the loop's next turn */
        mailbox_post(slices->mailbox, &slices->mail);
}

void slices_init(struct slices *slices, struct mailbox *mailbox)
{
    slices->mailbox = mailbox;
    mail_init(&slices->mail, on_turn);
    list_init(&slices->due);
}

void slices_add(struct slices *slices, struct slice *slice)
{
    list_add_tail(&slices->due, &slice->link);
    mailbox_post(slices->mailbox, &slices->mail);
}
