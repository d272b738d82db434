/* A host as a data structure: window, slots, pace, and when it may be forgotten. And the one setter
 * of a job's place. */
#include "job/admission.h"
#include "job/host.h"

#include "jobs_world.h"

#include <signal.h>
#include <sys/wait.h>

#define HOST "127.0.0.1"

/* A job in memory that nobody starts: it is in no queue. */
static struct job *idle_job(struct world *w, uint64_t id, int64_t rank)
{
    struct error err = {""};
    char text[128];
    struct store_job *row = calloc(1, sizeof *row);
    snprintf(text, sizeof text, "{\"url\":\"http://" HOST "/%llu\",\"parser\":\"count\"}",
             (unsigned long long)id);
    row->id = id;
    row->rank = rank;
    row->host = strdup(HOST);
    row->parser = strdup("count");
    row->spec = strdup(text);
    struct job *job = job_new(w->jobs, row, NULL, &err);
    assert_non_null(job);
    assert_non_null(job->spec);
    return job;
}

static uint64_t id_at(const struct host *host, size_t index)
{
    list_for_each(e, &host->window)
    {
        if (index-- == 0)
            return container_of(e, struct job, link)->id;
    }
    return 0;
}

static void test_one_of_each_name(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    assert_null(host_find(w->jobs, HOST));
    struct host *host = host_get(w->jobs, HOST);
    assert_ptr_equal(host_get(w->jobs, HOST), host);
    assert_ptr_equal(host_find(w->jobs, HOST), host);
    assert_ptr_not_equal(host_get(w->jobs, "other"), host);
    assert_int_equal(w->jobs->host_count, 2);
    host_put_if_idle(host);
    assert_null(host_find(w->jobs, HOST));
    host_put_if_idle(host_find(w->jobs, "other"));
    assert_int_equal(w->jobs->host_count, 0);
    world_free(w);
}

/* Whatever is to be remembered of a host keeps it. */
static void test_what_keeps_a_host(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    struct host *host = host_get(w->jobs, HOST);
#define KEEPS(member, value)                              \
    do {                                                  \
        host->member = value;                             \
        host_put_if_idle(host);                           \
        assert_ptr_equal(host_find(w->jobs, HOST), host); \
        host->member = 0;                                 \
    } while (0)
    KEEPS(running, 1);
    KEEPS(more, true);
    KEEPS(loading, true);
    KEEPS(held, true);
    KEEPS(due.at, 1);
    KEEPS(folding, 1);
    KEEPS(wake_at, 1);
    host->pace.used_at = clock_now();
    KEEPS(pace.failed, 1);
    KEEPS(limits.rate, 1.0);
    wake_stop(&w->jobs->wake, &host->clock);
#undef KEEPS
    struct job *job = idle_job(w, 1, 0);
    host_window_add(host, job);
    host_put_if_idle(host);
    assert_ptr_equal(host_find(w->jobs, HOST), host);
    host_window_remove(job);
    job_free(job);
    host_put_if_idle(host);
    assert_null(host_find(w->jobs, HOST));
    world_free(w);
}

/* A host that has nothing but jobs in the store rests, and comes back as it was. */
static void test_rest(void **state)
{
    (void)state;
    struct world *w = world_new("[host \"" HOST "\"]\nconnections = 3\n", false);
    struct host *host = host_get(w->jobs, HOST);
    host_rest(host, false); /* the store has nothing */
    assert_ptr_equal(host_find(w->jobs, HOST), host);
    host_has_more(host);
#define STAYS(member, value)                              \
    do {                                                  \
        host->member = value;                             \
        host_rest(host, false);                           \
        assert_ptr_equal(host_find(w->jobs, HOST), host); \
        host->member = 0;                                 \
    } while (0)
    STAYS(running, 1);
    STAYS(loading, true);
    STAYS(held, true);
    STAYS(due.at, 1);
    STAYS(folding, 1);
    STAYS(wake_at, 1);
    host->pace.used_at = clock_now();
    STAYS(pace.failed, 1);
#undef STAYS
    host_rest(host, false);
    assert_null(host_find(w->jobs, HOST));
    assert_true(host_rests(w->jobs, HOST));
    assert_int_equal(w->jobs->host_count, 0);
    assert_true(list_empty(&w->jobs->ready));
    assert_int_equal(w->jobs->host_sums[0].hosts, 1);   /* it is known on */
    host_due(w->jobs, HOST, clock_real_us() + 1000000); /* its turn comes anyway */
    assert_true(host_rests(w->jobs, HOST));
    host = host_get(w->jobs, HOST);
    assert_false(host_rests(w->jobs, HOST));
    assert_true(host->more && host->ready);
    assert_int_equal(host->limit, 3);
    assert_int_equal(w->jobs->host_sums[0].hosts, 1);
    world_free(w);
}

/* The turn is in the order in which they went to rest; one that is blocked has none, until it is
 * woken or something is queued there. */
static void test_turn_of_those_that_rest(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    struct jobs *jobs = w->jobs;
    static const char *const names[] = {"c", "a", "b"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(host_queued(jobs, names[i]), 0);
    assert_int_equal(host_queued(jobs, "c"), 0); /* which keeps its turn */
    struct host *blocked = host_get(jobs, "d");
    host_has_more(blocked);
    host_rest(blocked, true);
    assert_string_equal(host_next_resting(jobs)->name, "c");
    assert_string_equal(host_next_resting(jobs)->name, "a");
    assert_int_equal(host_queued(jobs, "d"), 0);
    assert_string_equal(host_next_resting(jobs)->name, "b");
    blocked = host_next_resting(jobs);
    assert_string_equal(blocked->name, "d");
    host_rest(blocked, true);
    assert_null(host_next_resting(jobs));
    blocked = host_get(jobs, "d"); /* somebody wants to know something of it */
    assert_false(blocked->ready);
    assert_ptr_equal(jobs->parked.next, &blocked->ready_link);
    host_rest(blocked, true);
    hosts_wake(jobs);
    assert_string_equal(host_next_resting(jobs)->name, "d");
    world_free(w);
}

/* By rank, and by id where ranks are the same. */
static void test_order_of_the_window(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    struct host *host = host_get(w->jobs, HOST);
    host->held = true; /* so that nothing starts */
    struct job *jobs[] = {idle_job(w, 5, 10), idle_job(w, 2, 20), idle_job(w, 9, 5),
                          idle_job(w, 3, 10)};
    for (size_t i = 0; i < 4; i++)
        host_window_add(host, jobs[i]);
    assert_int_equal(host->window_len, 4);
    assert_int_equal(id_at(host, 0), 9);
    assert_int_equal(id_at(host, 1), 3);
    assert_int_equal(id_at(host, 2), 5);
    assert_int_equal(id_at(host, 3), 2);
    assert_true(host->ready);
    host_window_remove(jobs[2]);
    assert_int_equal(host->window_len, 3);
    assert_int_equal(id_at(host, 0), 3);
    assert_true(list_empty(&jobs[2]->link));
    job_free(jobs[2]);
    world_free(w);
}

static void test_slots(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 2\n", false);
    struct host *host = host_get(w->jobs, HOST);
    struct job *job = idle_job(w, 1, 0);
    assert_int_equal(host->limit, 2);
    host_slot_take(host, job);
    assert_int_equal(host->running, 1);
    assert_true(job->has_slot);
    assert_ptr_equal(job->host, host);
    job->has_slot = false;
    job->host = NULL;
    job_free(job);
    host_slot_free(host);
    assert_null(host_find(w->jobs, HOST));
    world_free(w);
}

/* The most specific section that gives a limit is the one that counts, for each limit by itself. */
static void test_limits(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 9\n"
                                "[host \"*.example\"]\nconnections = 3\nrequests_per_second = 7\n"
                                "[host \"a.example\"]\nrequests_per_second = 4\n",
                                false);
    struct host *a = host_get(w->jobs, "a.example"), *b = host_get(w->jobs, "b.example"),
                *c = host_get(w->jobs, "c.test");
    assert_int_equal(a->limit, 3);
    assert_true(a->limits.rate == 4);
    assert_int_equal(b->limit, 3);
    assert_true(b->limits.rate == 7);
    assert_int_equal(c->limit, 9);
    assert_true(c->limits.rate <= 0);
    assert_int_equal(c->section, w->settings->host_count);
    assert_int_not_equal(a->section, b->section);
    world_free(w);
}

static void test_pace(void **state)
{
    (void)state;
    struct world *w = world_new("[host \"" HOST "\"]\nrequests_per_second = 0.001\n", false);
    struct host *host = host_get(w->jobs, HOST);
    assert_true(host_in_pace(host));
    struct job *job = idle_job(w, 1, 0);
    host_slot_take(host, job);
    job->has_slot = false;
    assert_false(host_in_pace(host));
    assert_true(host->wake_at > clock_now());
    assert_int_equal(host->clock.at, host->wake_at);
    assert_true(w->jobs->wake.at > 0 && w->jobs->wake.at <= host->wake_at);
    host->running = 0;
    job->host = NULL;
    job_free(job);
    world_free(w);
}

/* What a host owes its rate or has failed goes a minute after its last request, or after an open
 * breaker would have let a job through. */
static void test_what_is_forgotten(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    struct host *host = host_get(w->jobs, HOST);
    uint64_t now = clock_now();
    uint64_t long_ago = now - 61 * NS_PER_SEC;
    host->pace.failed = 3;
    host->pace.used_at = now - 30 * NS_PER_SEC;
    host_put_if_idle(host);
    assert_ptr_equal(host_find(w->jobs, HOST), host);
    assert_true((uint64_t)host->clock.at <= now + 30 * NS_PER_SEC);
    host->pace.used_at = long_ago;
    host->pace.breaker = BREAKER_OPEN;
    host->pace.retry_at = now + 5 * NS_PER_SEC;
    admission_host_clock(host);
    assert_ptr_equal(host_find(w->jobs, HOST), host);
    assert_int_equal(host->clock.at, now + 65 * NS_PER_SEC);
    host->pace.retry_at = long_ago;
    admission_host_clock(host);
    assert_null(host_find(w->jobs, HOST));
    world_free(w);
}

/* The earliest time counts. */
static void test_due(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    int64_t now = clock_real_us();
    host_due(w->jobs, HOST, now + 60000000);
    host_due(w->jobs, HOST, now + 90000000);
    assert_int_equal(host_find(w->jobs, HOST)->due.at, now + 60000000);
    host_due(w->jobs, HOST, now + 30000000);
    assert_int_equal(host_find(w->jobs, HOST)->due.at, now + 30000000);
    assert_true(w->jobs->wake.at <= clock_now() + 31 * NS_PER_SEC);
    world_free(w);
}

/* Failures in a row open the breaker; what says nothing about the host does not count. */
static void test_reports(void **state)
{
    (void)state;
    struct world *w = world_new("[host \"" HOST "\"]\nbreaker_failures = 2\n", false);
    char text[256];
    snprintf(text, sizeof text,
             "{\"url\":\"http://" HOST
             ":%u/bytes?n=1&status=500\",\"parser\":\"count\",\"max_attempts\":1}",
             (unsigned)origin_port(w->origin));
    world_wait_end(w, world_submit_json(w, text), JOB_FAILED);
    struct host *host = host_find(w->jobs, HOST);
    assert_int_equal(host->pace.failed, 1);
    struct job *job = idle_job(w, 1000, 0);
    host_slot_take(host, job); /* a job that had no attempt */
    host_report(job, NULL);
    assert_int_equal(host->pace.failed, 1);
    job->has_slot = false;
    job->host = NULL;
    job_free(job);
    host_slot_free(host);
    world_wait_end(w, world_submit_json(w, text), JOB_FAILED);
    assert_int_equal(host->pace.breaker, BREAKER_OPEN);
    world_free(w);
}

/* --- places ----------------------------------------------------------------------------------- */

static struct job *job_at(struct world *w, uint64_t id, enum job_place place)
{
    static const enum job_place ways[][4] = {
        [PLACE_ASIDE] = {PLACE_ASIDE},
        [PLACE_WINDOW] = {PLACE_WINDOW, PLACE_ASIDE},
        [PLACE_CLAIMING] = {PLACE_WINDOW, PLACE_CLAIMING, PLACE_ASIDE},
        [PLACE_RUNNING] = {PLACE_WINDOW, PLACE_CLAIMING, PLACE_RUNNING, PLACE_ASIDE},
        [PLACE_HOPPING] = {PLACE_WINDOW, PLACE_CLAIMING, PLACE_RUNNING, PLACE_HOPPING},
        [PLACE_ENDING] = {PLACE_ENDING, PLACE_ASIDE},
    };
    struct job *job = idle_job(w, id, 0);
    for (size_t i = 0; i < 4 && ways[place][i] != PLACE_ASIDE; i++)
        job_set_place(job, ways[place][i]);
    assert_int_equal(job->place, place);
    return job;
}

static bool is_refused(struct world *w, enum job_place from, enum job_place to)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        close(2);
        job_set_place(job_at(w, 77, from), to);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_moves(void **state)
{
    static const bool allowed[6][6] = {
        [PLACE_ASIDE] = {[PLACE_WINDOW] = true, [PLACE_ENDING] = true},
        [PLACE_WINDOW] = {[PLACE_CLAIMING] = true, [PLACE_ENDING] = true},
        [PLACE_CLAIMING] = {[PLACE_RUNNING] = true, [PLACE_ENDING] = true},
        [PLACE_RUNNING] = {[PLACE_HOPPING] = true, [PLACE_ENDING] = true},
        [PLACE_HOPPING] = {[PLACE_RUNNING] = true, [PLACE_ENDING] = true},
        [PLACE_ENDING] = {[PLACE_ASIDE] = true},
    };
    (void)state;
    struct world *w = world_new("", false);
    for (int from = PLACE_ASIDE; from <= PLACE_ENDING; from++)
        for (int to = PLACE_ASIDE; to <= PLACE_ENDING; to++)
            if (is_refused(w, (enum job_place)from, (enum job_place)to) == allowed[from][to])
                fail_msg("from %d to %d", from, to);
    world_free(w);
}

/* The lists and the count of those that are ending follow the place. */
static void test_lists_follow_the_place(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    struct job *job = job_at(w, 1, PLACE_HOPPING);
    assert_ptr_equal(w->jobs->running.next, &job->link);
    job_set_place(job, PLACE_ENDING);
    assert_true(list_empty(&w->jobs->running));
    assert_ptr_equal(w->jobs->ending.next, &job->link);
    assert_int_equal(w->jobs->ending_count, 1);
    job_set_place(job, PLACE_ASIDE);
    assert_true(list_empty(&w->jobs->ending));
    assert_int_equal(w->jobs->ending_count, 0);
    job_set_place(job, PLACE_ENDING);
    job_free(job);
    assert_int_equal(w->jobs->ending_count, 0);
    assert_true(list_empty(&w->jobs->ending));
    assert_null(job_find(w->jobs, 1));
    world_free(w);
}

/* A slot that is free for a moment is for those that wait, and not for whoever comes just now. */
static void test_who_waits_comes_first(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    struct host *host = host_get(w->jobs, HOST), *old = host_get(w->jobs, "old");
    struct job *waits = job_at(w, 1, PLACE_HOPPING), *comes = job_at(w, 2, PLACE_RUNNING);
    list_add_tail(&host->hops, &waits->hop_link);
    host_slot_take(old, comes);
    assert_int_equal(host_hop(comes, HOST), 0);
    assert_int_equal(comes->place, PLACE_HOPPING);
    assert_false(comes->has_slot);
    assert_null(host_find(w->jobs, "old"));
    assert_ptr_equal(host->hops.prev, &comes->hop_link);
    list_del(&comes->hop_link);
    list_del(&waits->hop_link);
    comes->host = NULL;
    job_set_place(comes, PLACE_ENDING);
    job_set_place(waits, PLACE_ENDING);
    job_free(comes);
    job_free(waits);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_of_each_name),
        cmocka_unit_test(test_what_keeps_a_host),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_turn_of_those_that_rest),
        cmocka_unit_test(test_order_of_the_window),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_what_is_forgotten),
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_who_waits_comes_first),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_lists_follow_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
