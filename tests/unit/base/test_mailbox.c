#include "base/mailbox.h"

#include "base/list.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct fixture {
    uv_loop_t loop;
    struct mailbox box;
    int closed;
};

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    return uv_loop_init(&f->loop) || mailbox_init(&f->box, &f->loop);
}

static void on_closed(void *arg)
{
    ((struct fixture *)arg)->closed++;
}

static void close_box(struct fixture *f)
{
    mailbox_close(&f->box, on_closed, f);
    assert_int_equal(f->closed, 0); /* its memory is ours only from the callback on */
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->closed, 1);
}

static int end(void **state)
{
    struct fixture *f = *state;
    int busy =
        uv_loop_close(&f->loop); /* a test of a loop ends by asserting that it closes clean */
    free(f);
    return busy;
}

struct note {
    struct mail mail;
    int number;
    int runs;
    int order;             /* when it ran last */
    struct fixture *again; /* post the mail again in its handler, `number` times */
};

static int order;

static void on_note(struct mail *mail)
{
    struct note *note = container_of(mail, struct note, mail);
    note->runs++;
    note->order = ++order;
    if (note->again && note->runs < note->number)
        assert_true(mailbox_post(&note->again->box, mail));
}

static void test_in_order_and_once(void **state)
{
    struct fixture *f = *state;
    struct note notes[5];
    memset(notes, 0, sizeof notes);
    order = 0;
    for (int i = 0; i < 5; i++) {
        mail_init(&notes[i].mail, on_note);
        assert_true(mailbox_post(&f->box, &notes[i].mail));
        assert_false(mailbox_post(&f->box, &notes[i].mail)); /* queued at most once */
    }
    uv_run(&f->loop, UV_RUN_NOWAIT);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(notes[i].runs, 1);
        assert_int_equal(notes[i].order, i + 1);
    }
    assert_true(mailbox_post(&f->box, &notes[2].mail)); /* delivered: may be queued again */
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(notes[2].runs, 2);
    close_box(f);
}

static void test_posting_itself_starves_nobody(void **state)
{
    struct fixture *f = *state;
    struct note note = {.number = 3, .again = f};
    mail_init(&note.mail, on_note);
    mailbox_post(&f->box, &note.mail);
    mailbox_deliver(&f->box);
    assert_int_equal(note.runs, 1); /* what a handler posts waits for the next turn */
    while (note.runs < 3)
        uv_run(&f->loop, UV_RUN_ONCE);
    close_box(f);
}

static void on_free(struct mail *mail)
{
    order++;
    free(container_of(mail, struct note, mail));
}

static void test_handler_may_free(void **state)
{
    struct fixture *f = *state;
    order = 0;
    for (int i = 0; i < 3; i++) {
        struct note *note = calloc(1, sizeof *note);
        mail_init(&note->mail, on_free);
        mailbox_post(&f->box, &note->mail);
    }
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(order, 3);
    close_box(f);
}

static void test_close_delivers_what_is_queued(void **state)
{
    struct fixture *f = *state;
    struct note note = {.number = 2, .again = f};
    mail_init(&note.mail, on_note);
    mailbox_post(&f->box, &note.mail);
    mailbox_close(&f->box, NULL, NULL);
    assert_int_equal(note.runs, 2); /* and what that posted */
    uv_run(&f->loop, UV_RUN_DEFAULT);
}

#define THREADS  4
#define MESSAGES 20000

/* A poster raises its plain counter and posts; the handler must see what was written before the
 * post. */
struct poster {
    struct fixture *fixture;
    pthread_t thread;
    sem_t seen; /* the handler has run once more: the loop's answer to a post that queued */
    struct mail mail;
    uint64_t written; /* handed over by the post, back by `seen` */
    uint64_t read;
    struct mail shared; /* posted without waiting for the handler */
    _Atomic uint64_t posted;
    uint64_t shared_seen;
};

static void on_handover(struct mail *mail)
{
    struct poster *p = container_of(mail, struct poster, mail);
    p->read = p->written;
    sem_post(&p->seen);
}

static void on_shared(struct mail *mail)
{
    struct poster *p = container_of(mail, struct poster, shared);
    p->shared_seen = atomic_load_explicit(&p->posted, memory_order_relaxed);
}

static void *post_many(void *arg)
{
    struct poster *p = arg;
    for (uint64_t i = 1; i <= MESSAGES; i++) {
        p->written = i;
        mailbox_post(&p->fixture->box, &p->mail);
        sem_wait(&p->seen);
        atomic_store_explicit(&p->posted, i, memory_order_relaxed);
        mailbox_post(&p->fixture->box, &p->shared);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    static struct poster posters[THREADS];
    for (int i = 0; i < THREADS; i++) {
        posters[i].fixture = f;
        sem_init(&posters[i].seen, 0, 0);
        mail_init(&posters[i].mail, on_handover);
        mail_init(&posters[i].shared, on_shared);
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    /* Each poster's last `shared` wakes the loop, so UV_RUN_ONCE does not wait for good. */
    for (bool all = false; !all;) {
        all = true;
        for (int i = 0; i < THREADS; i++)
            all = all && posters[i].shared_seen == MESSAGES;
        if (!all)
            uv_run(&f->loop, UV_RUN_ONCE);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(posters[i].thread, NULL);
        assert_int_equal(posters[i].read, MESSAGES);
        sem_destroy(&posters[i].seen);
    }
    close_box(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_order_and_once, begin, end),
        cmocka_unit_test_setup_teardown(test_posting_itself_starves_nobody, begin, end),
        cmocka_unit_test_setup_teardown(test_handler_may_free, begin, end),
        cmocka_unit_test_setup_teardown(test_close_delivers_what_is_queued, begin, end),
        cmocka_unit_test_setup_teardown(test_threads, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
