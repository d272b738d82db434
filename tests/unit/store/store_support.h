/* A store under test with a loop and a mailbox of its own; its calls made and waited for. An engine
 * may answer from another thread; one that delivers a mail within the call is caught. */
#ifndef TESTS_UNIT_STORE_STORE_SUPPORT_H
#define TESTS_UNIT_STORE_STORE_SUPPORT_H

#include "base/clock.h"
#include "store/schedule_row.h"
#include "store/store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* How the engine under test is opened; config->path names a file in an empty directory. */
typedef int store_opener(const struct store_config *config, struct mailbox *mailbox,
                         struct store **ret_store, struct error *err);

struct fixture {
    store_opener *open;
    uv_loop_t loop;
    struct mailbox mailbox;
    struct store *store;
    char dir[64], path[80];
};

/* What has been delivered, in order. */
static struct mail *delivered[4096];
static size_t delivered_count;

static inline void on_delivered(struct mail *mail)
{
    if (delivered_count < sizeof delivered / sizeof delivered[0])
        delivered[delivered_count] = mail;
    delivered_count++;
}

/* All but the store. */
static inline void fixture_prepare(struct fixture *f)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%s/store-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/db", f->dir);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(mailbox_init(&f->mailbox, &f->loop), 0);
    delivered_count = 0;
}

static inline void fixture_open(struct fixture *f, const struct store_config *config)
{
    struct store_config with_path = *config;
    struct error err = {{0}};
    fixture_prepare(f);
    with_path.path = f->path;
    if (f->open(&with_path, &f->mailbox, &f->store, &err) < 0)
        fail_msg("the store cannot be opened: %s", err.text);
}

static inline void fixture_close(struct fixture *f)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    if (!f->store)
        return;
    f->store->engine->free(f->store);
    f->store = NULL;
    mailbox_close(&f->mailbox, NULL, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s%s", f->path, suffixes[i]);
        remove(path);
    }
    assert_int_equal(remove(f->dir), 0);
}

/* Prepares a call's mail; made calls are waited for by wait_calls, which counts from here. */
static inline void expect_call(struct store_call *call)
{
    mail_init(&call->mail, on_delivered);
    call->result = 12345;
    call->error.text[0] = '\0';
}

static inline void wait_calls(struct fixture *f, size_t count)
{
    assert_int_equal(delivered_count, 0); /* not from within the call */
    while (delivered_count < count)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(delivered_count, count);
    delivered_count = 0;
}

/* A refusal says why. */
static inline int result_of(const struct store_call *call)
{
    assert_int_not_equal(call->result, 12345);
    if (call->result < 0)
        assert_true(call->error.text[0] != '\0');
    return call->result;
}

/* Makes one call of the engine and waits for it; the value is its result. */
#define CALL(f, method, c)                                                                     \
    (expect_call(&(c)->call), (f)->store->engine->method((f)->store, (c)), wait_calls((f), 1), \
     result_of(&(c)->call))

/* --- jobs ------------------------------------------------------------------------------------- */

/* A job to submit; its strings are literals, so it is never given to store_job_free. */
static inline struct store_job job_for(const char *host)
{
    return (struct store_job){.uid = 1000,
                              .gid = 100,
                              .created = INT64_C(1700000000000000),
                              .host = (char *)(uintptr_t)host,
                              .parser = (char *)(uintptr_t) "count",
                              .spec = (char *)(uintptr_t) "{\"url\":\"http://x/\"}",
                              .labels = (char *)(uintptr_t) "{\"team\":\"a\",\"n\":\"1\"}"};
}

static inline struct store_submit_item submit_job(struct fixture *f, struct store_job *job)
{
    struct store_submit_item item = {.job = job, .result = 777};
    struct store_submit call = {.items = &item, .count = 1};
    assert_int_equal(CALL(f, submit, &call), 0);
    return item;
}

static inline uint64_t submit_to(struct fixture *f, const char *host)
{
    struct store_job job = job_for(host);
    assert_int_equal(submit_job(f, &job).result, 0);
    return job.id;
}

static inline uint64_t submit_keyed(struct fixture *f, uint32_t uid, const char *key,
                                    const char *spec, struct store_submit_item *ret_item)
{
    struct store_job job = job_for("h");
    job.uid = uid;
    job.key = (char *)(uintptr_t)key;
    job.spec = (char *)(uintptr_t)spec;
    *ret_item = submit_job(f, &job);
    return job.id;
}

static inline int finish_at(struct fixture *f, uint64_t id, uint32_t attempt, enum job_state state,
                            int64_t finished)
{
    struct store_finish call = {.id = id,
                                .attempt = attempt,
                                .running = attempt > 0,
                                .state = state,
                                .error = state == JOB_FAILED ? KIND_TRUNCATED : KIND_NONE,
                                .verdict = "{\"event\":\"verdict\"}",
                                .finished = finished};
    return CALL(f, finish, &call);
}

static inline int finish(struct fixture *f, uint64_t id, uint32_t attempt, enum job_state state)
{
    return finish_at(f, id, attempt, state, clock_real_us());
}

/* Ends a job that has run and waits for another attempt. */
static inline int finish_waiting(struct fixture *f, uint64_t id, uint32_t attempt)
{
    struct store_finish call = {.id = id,
                                .attempt = attempt,
                                .state = JOB_CANCELLED,
                                .verdict = "{}",
                                .finished = clock_real_us()};
    return CALL(f, finish, &call);
}

static inline int postpone(struct fixture *f, uint64_t id, uint32_t attempt, int64_t due)
{
    struct store_postpone call = {.id = id, .attempt = attempt, .due = due};
    return CALL(f, postpone, &call);
}

/* A copy to be freed, or NULL if there is no such job. */
static inline struct store_job *get(struct fixture *f, uint64_t id)
{
    struct store_get call = {.id = id};
    int r = CALL(f, get, &call);
    assert_true(r == 0 || r == -ENOENT);
    assert_int_equal(r == 0, call.job != NULL);
    return call.job;
}

/* As it stands; the attempt that begins. */
static inline uint32_t claim(struct fixture *f, uint64_t id)
{
    struct store_job *row = get(f, id);
    assert_non_null(row);
    struct store_claim call = {.id = id, .attempt = row->attempt};
    store_job_free(row);
    assert_int_equal(CALL(f, claim, &call), 0);
    store_schedule_free(call.definition);
    return call.attempt + 1;
}

static inline enum job_state state_of(struct fixture *f, uint64_t id)
{
    struct store_job *job = get(f, id);
    assert_non_null(job);
    enum job_state state = job->state;
    store_job_free(job);
    return state;
}

/* "3 1 2": the ids of a result, which is freed. */
static inline const char *ids_of(struct store_job **jobs, size_t count)
{
    static char text[256];
    int len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%llu", i ? " " : "",
                        (unsigned long long)jobs[i]->id);
    store_jobs_free(jobs, count);
    return text;
}

/* The same of ids that are known: engines may leave some out, as one does that sets them aside
 * beforehand. */
static inline const char *id_text(size_t count, const uint64_t *ids)
{
    static char text[256];
    int len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%llu", i ? " " : "",
                        (unsigned long long)ids[i]);
    return text;
}

/* Rows of a host from any rank on. */
static inline struct store_window_host rows_of(const char *host, size_t limit)
{
    return (struct store_window_host){.host = host, .from_rank = INT64_MIN, .limit = limit};
}

static inline const char *window_ids(struct fixture *f, struct store_window_host *host, int64_t now)
{
    struct store_window call = {.now = now, .hosts = host, .count = 1};
    assert_int_equal(CALL(f, window, &call), 0);
    return ids_of(host->jobs, host->count);
}

static inline const char *list_ids(struct fixture *f, struct store_list *call)
{
    assert_int_equal(CALL(f, list, call), 0);
    return ids_of(call->jobs, call->count);
}

static const struct store_select any = {.state = -1, .error = -1};

#endif
