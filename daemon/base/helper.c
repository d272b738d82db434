#include "base/helper.h"

#include <signal.h>

static struct helper_task *next_task(struct helper *helper)
{
    pthread_mutex_lock(&helper->lock);
    while (list_empty(&helper->tasks) && !helper->stopping)
        pthread_cond_wait(&helper->wake, &helper->lock);
    struct list *e = list_pop(&helper->tasks);
    pthread_mutex_unlock(&helper->lock);
    return e ? container_of(e, struct helper_task, link) : NULL;
}

static void *run(void *arg)
{
    struct helper *helper = arg;
    struct helper_task *task;
    while ((task = next_task(helper))) {
        task->work(task);
        mailbox_post(helper->mailbox, &task->mail);
    }
    return NULL;
}

int helper_init(struct helper *helper, struct mailbox *mailbox)
{
    sigset_t all, before;
    helper->mailbox = mailbox;
    helper->stopping = false;
    list_init(&helper->tasks);
    pthread_mutex_init(&helper->lock, NULL);
    pthread_cond_init(&helper->wake, NULL);
    sigfillset(&all); /* the process's signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = -pthread_create(&helper->thread, NULL, run, helper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r < 0) {
        pthread_cond_destroy(&helper->wake);
        pthread_mutex_destroy(&helper->lock);
    }
    return r;
}

void helper_add(struct helper *helper, struct helper_task *task)
{
    pthread_mutex_lock(&helper->lock);
    list_add_tail(&helper->tasks, &task->link);
    pthread_cond_signal(&helper->wake);
    pthread_mutex_unlock(&helper->lock);
}

void helper_deinit(struct helper *helper)
{
    pthread_mutex_lock(&helper->lock);
    helper->stopping = true;
    pthread_cond_signal(&helper->wake);
    pthread_mutex_unlock(&helper->lock);
    pthread_join(helper->thread, NULL);
    pthread_cond_destroy(&helper->wake);
    pthread_mutex_destroy(&helper->lock);
}
