/* Part of the conformance suite: submitting, and the way of a job. */
#ifndef TESTS_UNIT_STORE_CONFORMANCE_JOBS_H
#define TESTS_UNIT_STORE_CONFORMANCE_JOBS_H

#include "store_support.h"

/* --- submitting ------------------------------------------------------------------------------ */

static void a_job_comes_back_as_it_was_given(void **state)
{
    struct fixture *f = *state;
    struct store_job job = job_for("example.org");
    job.priority = -3;
    job.due = 5;
    job.retry_of = 17;
    job.attempt = 9; /* these are the store's to say */
    job.state = JOB_DONE;
    job.finish_seq = 4;
    job.key = (char *)(uintptr_t) "k\xc3\xa9y";
    job.schedule = (char *)(uintptr_t) "s";
    submit_job(f, &job);
    assert_int_equal(job.id, 1);
    struct store_job *row = get(f, job.id);
    assert_non_null(row);
    assert_int_equal(row->id, job.id);
    assert_int_equal(row->attempt, 0);
    assert_int_equal(row->state, JOB_QUEUED);
    assert_int_equal(row->priority, -3);
    assert_int_equal(row->uid, 1000);
    assert_int_equal(row->gid, 100);
    assert_int_equal(row->created, job.created);
    assert_int_equal(row->due, 5);
    assert_int_equal(row->finished, 0);
    assert_int_equal(row->finish_seq, 0);
    assert_int_equal(row->retry_of, 17);
    assert_int_equal(row->error, KIND_NONE);
    assert_string_equal(row->host, "example.org");
    assert_string_equal(row->parser, job.parser);
    assert_string_equal(row->spec, job.spec);
    assert_string_equal(row->labels, job.labels);
    assert_string_equal(row->key, job.key);
    assert_string_equal(row->schedule, job.schedule);
    assert_null(row->verdict);
    store_job_free(row);
    assert_null(get(f, 2));
    assert_null(get(f, 0));
    assert_null(get(f, UINT64_C(1) << 62));
}

static void a_key_is_one_job_for_its_uid(void **state)
{
    struct fixture *f = *state;
    struct store_submit_item item;
    uint64_t first = submit_keyed(f, 1, "k", "{\"a\":1}", &item);
    assert_int_equal(item.result, 0);
    assert_false(item.existing);

    assert_int_equal(submit_keyed(f, 1, "k", "{\"a\":1}", &item), first);
    assert_int_equal(item.result, 0);
    assert_true(item.existing);

    submit_keyed(f, 1, "k", "{\"a\":2}", &item);
    assert_int_equal(item.result, -EEXIST);
    assert_false(item.existing);

    assert_true(submit_keyed(f, 2, "k", "{\"a\":2}", &item) > first);
    assert_int_equal(item.result, 0);
    assert_false(item.existing);

    /* A key outlives its job's end. */
    assert_int_equal(finish(f, first, 0, JOB_CANCELLED), 0);
    assert_int_equal(submit_keyed(f, 1, "k", "{\"a\":1}", &item), first);
    assert_true(item.existing);

    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.by_state[JOB_QUEUED], 1);
}

static void a_batch_may_repeat_and_contradict_itself(void **state)
{
    struct fixture *f = *state;
    struct store_job jobs[5];
    struct store_submit_item items[5];
    for (int i = 0; i < 5; i++) {
        jobs[i] = job_for("h");
        items[i] = (struct store_submit_item){.job = &jobs[i]};
    }
    jobs[1].key = jobs[2].key = jobs[3].key = (char *)(uintptr_t) "same";
    jobs[3].spec = (char *)(uintptr_t) "{}";
    struct store_submit call = {.items = items, .count = 5};
    assert_int_equal(CALL(f, submit, &call), 0);
    static const int results[5] = {0, 0, 0, -EEXIST, 0};
    static const bool existing[5] = {false, false, true, false, false};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(items[i].result, results[i]);
        assert_int_equal(items[i].existing, existing[i]);
    }
    assert_int_equal(jobs[2].id, jobs[1].id);
    assert_true(jobs[0].id < jobs[1].id && jobs[1].id < jobs[4].id);
    struct store_list list = {.select = any, .limit = 10};
    assert_string_equal(list_ids(f, &list),
                        id_text(3, (uint64_t[]){jobs[4].id, jobs[1].id, jobs[0].id}));
}

static void a_thousand_at_once(void **state)
{
    struct fixture *f = *state;
    enum { N = 1000 };
    static struct store_job jobs[N];
    static struct store_submit_item items[N];
    static char hosts[N][16];
    for (int i = 0; i < N; i++) {
        snprintf(hosts[i], sizeof hosts[i], "h%d", i % 10);
        jobs[i] = job_for(hosts[i]);
        items[i] = (struct store_submit_item){.job = &jobs[i]};
    }
    struct store_submit call = {.items = items, .count = N};
    assert_int_equal(CALL(f, submit, &call), 0);
    for (int i = 1; i < N; i++)
        assert_true(jobs[i].id > jobs[i - 1].id);
    struct store_hosts page = {.limit = 100};
    assert_int_equal(CALL(f, hosts, &page), 0);
    assert_int_equal(page.count, 10);
    store_hosts_free(&page);
    struct store_window_host window = rows_of("h3", 3);
    assert_string_equal(window_ids(f, &window, 1),
                        id_text(3, (uint64_t[]){jobs[3].id, jobs[13].id, jobs[23].id}));
}

static uint64_t pending_bytes(struct fixture *f)
{
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    return counts.pending_bytes;
}

static void a_queue_can_be_full_of_bytes(void **state)
{
    struct fixture *f = *state;
    struct store_submit_item item;
    fixture_close(f);
    fixture_open(f, &(struct store_config){.max_bytes = 40});
    uint64_t a = submit_keyed(f, 1, "a", "{\"n\":10}", &item);   /* 8 bytes */
    uint64_t b = submit_keyed(f, 1, "b", "{\"n\":1234}", &item); /* 10 */
    submit_keyed(f, 1, "c", "{\"n\":1234567890123}", &item);     /* 19 */
    assert_int_equal(pending_bytes(f), 37);

    struct store_job job = job_for("h");
    job.spec = (char *)(uintptr_t) "{\"n\":10}";
    item = (struct store_submit_item){.job = &job};
    struct store_submit call = {.items = &item, .count = 1};
    assert_int_equal(CALL(f, submit, &call), -EDQUOT);
    assert_non_null(strstr(call.call.error.text, "queue.max_bytes is 40"));
    assert_non_null(strstr(call.call.error.text, "this one has 8"));
    assert_int_equal(pending_bytes(f), 37);
    submit_keyed(f, 1, "a", "{\"n\":10}", &item); /* is there already */
    assert_true(item.existing);

    /* Only an end gives room, and just as much as there was taken. */
    claim(f, a);
    assert_int_equal(postpone(f, a, 1, 5000), 0);
    claim(f, a);
    item = (struct store_submit_item){.job = &job};
    assert_int_equal(CALL(f, submit, &call), -EDQUOT);
    assert_int_equal(finish(f, a, 2, JOB_FAILED), 0);
    assert_int_equal(pending_bytes(f), 29);
    assert_int_equal(finish(f, b, 0, JOB_CANCELLED), 0);
    assert_int_equal(pending_bytes(f), 19);
    assert_int_equal(CALL(f, submit, &call), 0);
    assert_int_equal(pending_bytes(f), 27);
}

static void a_full_queue_takes_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_submit_item item;
    struct store_counts before, after;
    fixture_close(f);
    fixture_open(f, &(struct store_config){.max_jobs = 3});
    uint64_t keyed = submit_keyed(f, 1, "k", "{}", &item);
    uint64_t ran = submit_to(f, "h");
    claim(f, ran); /* running counts, too */

    struct store_job jobs[3] = {job_for("new"), job_for("h"), job_for("h")};
    jobs[0].key = (char *)(uintptr_t) "fresh";
    struct store_submit_item items[3] = {{.job = &jobs[0]}, {.job = &jobs[1]}, {.job = &jobs[2]}};
    struct store_submit call = {.items = items, .count = 2};
    f->store->engine->counts(f->store, &before);
    assert_int_equal(CALL(f, submit, &call), -EDQUOT);
    f->store->engine->counts(f->store, &after);
    assert_memory_equal(before.by_state, after.by_state, sizeof before.by_state);
    struct store_window_host window = rows_of("new", 3);
    assert_string_equal(window_ids(f, &window, 1), "");

    /* A known key takes no room; a refused one has left nothing behind. */
    assert_int_equal(submit_keyed(f, 1, "k", "{}", &item), keyed);
    assert_true(item.existing);
    submit_keyed(f, 1000, "fresh", "{\"other\":1}", &item);
    assert_int_equal(item.result, 0);
    assert_false(item.existing);
    call.count = 1;
    assert_int_equal(CALL(f, submit, &call), 0);
    assert_int_equal(items[0].result, -EEXIST);
    items[0].job = &jobs[1];
    assert_int_equal(CALL(f, submit, &call), -EDQUOT);

    /* What has ended gives its room back. */
    assert_int_equal(finish(f, ran, 1, JOB_DONE), 0);
    assert_int_equal(CALL(f, submit, &call), 0);
    assert_true(jobs[1].id > ran + 1);
}

/* A server's store is shared, and counts no users. */
static bool counts_users(const struct fixture *f)
{
    return strcmp(f->store->engine->name, "postgresql") != 0;
}

static void a_user_has_so_many_jobs(void **state)
{
    struct fixture *f = *state;
    struct store_job jobs[3] = {job_for("h"), job_for("h"), job_for("h")};
    struct store_submit_item items[3] = {{.job = &jobs[0]}, {.job = &jobs[1]}, {.job = &jobs[2]}};
    struct store_submit call = {
        .items = items, .count = 3, .user_max = 2, .user_section = "[user \"x\"]"};
    if (!counts_users(f))
        return;
    submit_keyed(f, 7, "k", "{}", &items[0]); /* another's */
    items[0] = (struct store_submit_item){.job = &jobs[0]};
    assert_int_equal(CALL(f, submit, &call), -EUSERS);
    assert_non_null(strstr(call.call.error.text, "max_jobs of [user \"x\"] is 2"));
    call.count = 2;
    items[1].claim = true;
    assert_int_equal(CALL(f, submit, &call), 0);
    call.count = 1;
    items[0] = (struct store_submit_item){.job = &jobs[2]};
    assert_int_equal(CALL(f, submit, &call), -EUSERS);
    assert_int_equal(postpone(f, jobs[1].id, 1, 5000), 0); /* it has not ended */
    assert_int_equal(CALL(f, submit, &call), -EUSERS);
    assert_int_equal(finish(f, jobs[1].id, 1, JOB_DONE), -ESTALE);
    assert_int_equal(CALL(f, submit, &call), -EUSERS);
    assert_int_equal(finish(f, jobs[0].id, 0, JOB_CANCELLED), 0);
    assert_int_equal(CALL(f, submit, &call), 0);
    items[0].job = &jobs[0];
    assert_int_equal(CALL(f, submit, &call), -EUSERS);
    call.user_max = 0;
    assert_int_equal(CALL(f, submit, &call), 0);
}

/* What was not added for its key's sake is not taken off his number either. */
static void a_refusal_leaves_a_users_number(void **state)
{
    struct fixture *f = *state;
    struct store_job jobs[6];
    struct store_submit_item items[6];
    struct store_submit call = {
        .items = items, .count = 6, .user_max = 4, .user_section = "[user \"x\"]"};
    if (!counts_users(f))
        return;
    submit_to(f, "h");
    submit_to(f, "h");
    for (int i = 0; i < 6; i++) {
        jobs[i] = job_for("h");
        items[i] = (struct store_submit_item){.job = &jobs[i]};
        if (i < 4)
            jobs[i].key = (char *)(uintptr_t) "k";
        if (i > 0)
            jobs[i].spec = (char *)(uintptr_t) "{\"other\":1}";
    }
    assert_int_equal(CALL(f, submit, &call), -EUSERS); /* the last one is his fifth */
    assert_non_null(strstr(call.call.error.text, "has 4 jobs"));
    for (int i = 0; i < 6; i++)
        assert_int_equal(jobs[i].id, 0);
    items[0].job = &jobs[4];
    call.count = 1;
    assert_int_equal(CALL(f, submit, &call), 0);
    assert_int_equal(CALL(f, submit, &call), 0);
    assert_int_equal(CALL(f, submit, &call), -EUSERS);
}

/* --- a job's way ----------------------------------------------------------------------------- */

static void claims_are_epochs(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    struct store_claim again = {.id = id}, unknown = {.id = 99};
    assert_int_equal(claim(f, id), 1);
    assert_int_equal(state_of(f, id), JOB_RUNNING);
    assert_int_equal(CALL(f, claim, &again), -ESTALE);
    assert_int_equal(CALL(f, claim, &unknown), -ENOENT);

    assert_int_equal(postpone(f, id, 1, 1000), 0);
    assert_int_equal(state_of(f, id), JOB_WAITING);
    assert_int_equal(postpone(f, id, 1, 2000), -ESTALE); /* it does not run */
    assert_int_equal(claim(f, id), 2);
    assert_int_equal(postpone(f, id, 1, 1000), -ESTALE);
    assert_int_equal(postpone(f, id, 2, 0), 0);
    assert_int_equal(state_of(f, id), JOB_QUEUED);
    assert_int_equal(claim(f, id), 3);
    struct store_job *row = get(f, id);
    assert_int_equal(row->attempt, 3);
    assert_int_equal(row->due, 0);
    store_job_free(row);
    assert_int_equal(postpone(f, 99, 1, 0), -ENOENT);
}

/* Who has read a row before somebody else ran it knows neither when it is due nor how it went. */
static void a_claim_by_an_old_row_is_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    struct store_claim early = {.id = id, .attempt = 1}, old = {.id = id}, late = {.id = id};
    assert_int_equal(CALL(f, claim, &early), -ESTALE);
    assert_int_equal(claim(f, id), 1);
    assert_int_equal(postpone(f, id, 1, clock_real_us() + INT64_C(3600) * 1000000), 0);
    assert_int_equal(CALL(f, claim, &old), -ESTALE);
    assert_int_equal(state_of(f, id), JOB_WAITING);
    assert_int_equal(claim(f, id), 2);
    assert_int_equal(postpone(f, id, 2, 0), 0);
    assert_int_equal(CALL(f, claim, &late), -ESTALE);
    assert_int_equal(state_of(f, id), JOB_QUEUED);
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.by_state[JOB_QUEUED], 1);
    assert_int_equal(counts.by_state[JOB_RUNNING], 0);
}

static void interruptions_are_counted(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    static const struct store_postpone calls[] = {
        {.due = 1, .ran = 3, .line = "{\"a\":1}"},
        {.interrupted = true},
        {.interrupted = true, .torn = true, .due = 1, .ran = INT64_C(5000000000)},
        {.interrupted = true, .ran = INT64_C(5000000001), .line = "{\"b\":\"\\n\"}"}};
    static const char history[] = "{\"a\":1},{\"b\":\"\\n\"}";
    for (uint32_t i = 0; i < 4; i++) {
        struct store_postpone call = calls[i];
        call.id = id;
        call.attempt = i + 1;
        assert_int_equal(claim(f, id), i + 1);
        assert_int_equal(CALL(f, postpone, &call), 0);
        assert_int_equal(state_of(f, id), call.due ? JOB_WAITING : JOB_QUEUED);
    }
    struct store_job *row = get(f, id);
    assert_int_equal(row->attempt, 4);
    assert_int_equal(row->interrupted, 3);
    assert_int_equal(row->torn, 1);
    assert_int_equal(row->ran, INT64_C(5000000001));
    assert_string_equal(row->history, history);
    store_job_free(row);
    assert_int_equal(finish_waiting(f, id, 4), 0);
    row = get(f, id);
    assert_int_equal(row->interrupted, 3);
    assert_int_equal(row->ran, INT64_C(5000000001));
    assert_string_equal(row->history, history);
    store_job_free(row);
}

static void a_job_may_be_claimed_with_its_submission(void **state)
{
    struct fixture *f = *state;
    struct store_job jobs[3] = {job_for("h"), job_for("h"), job_for("h")};
    struct store_submit_item items[3] = {
        {.job = &jobs[0], .claim = true}, {.job = &jobs[1]}, {.job = &jobs[2], .claim = true}};
    jobs[0].key = jobs[2].key = (char *)(uintptr_t) "k";
    struct store_submit call = {.items = items, .count = 3};
    assert_int_equal(CALL(f, submit, &call), 0);
    assert_int_equal(jobs[0].state, JOB_RUNNING);
    assert_int_equal(jobs[0].attempt, 1);
    assert_int_equal(jobs[1].state, JOB_QUEUED);
    assert_int_equal(jobs[1].attempt, 0);
    assert_true(items[2].existing); /* it is claimed already, and not by this one */
    assert_int_equal(jobs[2].state, JOB_QUEUED);
    assert_int_equal(jobs[2].attempt, 0);
    struct store_window_host window = rows_of("h", 5);
    assert_string_equal(window_ids(f, &window, 1), "2");
    struct store_claim late = {.id = 1};
    assert_int_equal(CALL(f, claim, &late), -ESTALE);
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.by_state[JOB_RUNNING], 1);
    assert_int_equal(postpone(f, 1, 1, 0), 0);
    assert_string_equal(window_ids(f, &window, 1), "1 2");
    assert_int_equal(claim(f, 1), 2);
    assert_int_equal(finish(f, 1, 2, JOB_DONE), 0);
}

static void a_verdict_is_stored_once_and_never_by_a_ghost(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    claim(f, id);
    assert_int_equal(postpone(f, id, 1, 1), 0);
    claim(f, id);
    assert_int_equal(finish(f, id, 1, JOB_DONE), -ESTALE);
    assert_int_equal(finish(f, id, 3, JOB_DONE), -ESTALE);
    assert_int_equal(finish(f, id, 2, JOB_RUNNING), -EINVAL);
    assert_int_equal(state_of(f, id), JOB_RUNNING);
    assert_int_equal(finish_at(f, id, 2, JOB_FAILED, 123456789012345678), 0);
    assert_int_equal(finish(f, id, 2, JOB_DONE), -ESTALE);
    assert_int_equal(postpone(f, id, 2, 5), -ESTALE);
    assert_int_equal(finish(f, 99, 0, JOB_DONE), -ENOENT);
    struct store_claim late = {.id = id};
    assert_int_equal(CALL(f, claim, &late), -ESTALE);

    struct store_job *row = get(f, id);
    assert_int_equal(row->state, JOB_FAILED);
    assert_int_equal(row->error, KIND_TRUNCATED);
    assert_int_equal(row->finished, 123456789012345678);
    assert_int_equal(row->finish_seq, 1);
    assert_int_equal(row->attempt, 2);
    assert_string_equal(row->verdict, "{\"event\":\"verdict\"}");
    store_job_free(row);
}

/* Whoever ran it has lost it: another has closed its attempt, and nobody has claimed it since. */
static void a_ghost_between_requeue_and_claim_is_refused(void **state)
{
    struct fixture *f = *state;
    static const int64_t dues[] = {0, 5000};
    for (size_t i = 0; i < 2; i++) {
        uint64_t id = submit_to(f, "h");
        claim(f, id);
        struct store_postpone torn = {
            .id = id, .attempt = 1, .interrupted = true, .torn = true, .due = dues[i]};
        assert_int_equal(CALL(f, postpone, &torn), 0);
        assert_int_equal(finish(f, id, 1, JOB_DONE), -ESTALE);
        assert_int_equal(postpone(f, id, 1, 0), -ESTALE);
        assert_int_equal(state_of(f, id), dues[i] ? JOB_WAITING : JOB_QUEUED);

        /* Nor is a running one taken from its runner by who thinks that it waits. */
        assert_int_equal(claim(f, id), 2);
        assert_int_equal(finish_waiting(f, id, 2), -ESTALE);
        assert_int_equal(finish(f, id, 2, JOB_DONE), 0);
    }
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.by_state[JOB_DONE], 2);
    assert_int_equal(counts.by_state[JOB_CANCELLED], 0);
}

static void a_job_that_does_not_run_can_end(void **state)
{
    struct fixture *f = *state;
    uint64_t queued = submit_to(f, "h"), waiting = submit_to(f, "h");
    claim(f, waiting);
    assert_int_equal(postpone(f, waiting, 1, 1000), 0);
    assert_int_equal(finish(f, queued, 0, JOB_CANCELLED), 0);
    assert_int_equal(finish_waiting(f, waiting, 1), 0);
    struct store_window_host window = rows_of("h", 5);
    assert_string_equal(window_ids(f, &window, INT64_MAX), "");
    assert_int_equal(window.next_due, 0);
}

#endif
