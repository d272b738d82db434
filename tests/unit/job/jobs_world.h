/* The jobs of a daemon in one process, without its sockets: a control loop that the test turns, an
 * origin, real fetch loops and workers, a sink that writes to a file, and a store in memory whose
 * calls the test may refuse or hold back. Included once by each test program. */
#ifndef PENSTOCK_TESTS_JOBS_WORLD_H
#define PENSTOCK_TESTS_JOBS_WORLD_H

#include "base/clock.h"
#include "base/config.h"
#include "base/config_ini.h"
#include "base/config_tree.h"
#include "fetch/fetch.h"
#include "fetch/policy.h"
#include "job/claim.h"
#include "job/drain.h"
#include "job/host.h"
#include "job/intake.h"
#include "job/job.h"
#include "job/recover.h"
#include "job/submission.h"
#include "parse/pool.h"
#include "parse/registry.h"
#include "record/queue.h"
#include "record/sink.h"
#include "store/memory.h"
#include "support/origin.h"
#include "support/testlib.h"
#include "terms/settings_load.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a store that does as the test says ------------------------------------------------------- */

enum gate_call {
    GATE_SUBMIT,
    GATE_CLAIM,
    GATE_FINISH,
    GATE_POSTPONE,
    GATE_GET,
    GATE_LIST,
    GATE_WINDOW,
    GATE_HOSTS,
    GATE_SCHEDULES,
    GATE_SCHEDULE_GET,
    GATE_SCHEDULE_PASS,
    GATE_SCHEDULE_PUT,
    GATE_COUNT
};

struct gate {
    struct store store;
    struct store_engine engine;
    struct store *inner;
    unsigned made[GATE_COUNT]; /* calls of each kind */
    int refuse[GATE_COUNT];    /* a negative errno: what such calls come to */
    bool hold[GATE_COUNT];     /* such calls wait for gate_release */
    struct {
        enum gate_call kind;
        void *call;
    } held[1024];
    size_t held_count;
    bool failing;
    void *fleet; /* fleet_world.h's */
};

static inline struct gate *gate_of(struct store *s)
{
    return container_of(s, struct gate, store);
}

static inline bool gate_stops(struct gate *g, enum gate_call kind, struct store_call *call,
                              void *whole)
{
    g->made[kind]++;
    if (g->hold[kind] && g->held_count < sizeof g->held / sizeof g->held[0]) {
        g->held[g->held_count].kind = kind;
        g->held[g->held_count++].call = whole;
        return true;
    }
    if (!g->refuse[kind])
        return false;
    call->result = error_set(&call->error, g->refuse[kind], "refused by the test");
    mailbox_post(g->store.mailbox, &call->mail);
    return true;
}

#define GATE_FUNCTION(name, type, kind)                         \
    static void gate_##name(struct store *s, struct type *call) \
    {                                                           \
        struct gate *g = gate_of(s);                            \
        if (!gate_stops(g, GATE_##kind, &call->call, call))     \
            g->inner->engine->name(g->inner, call);             \
    }
GATE_FUNCTION(submit, store_submit, SUBMIT)
GATE_FUNCTION(claim, store_claim, CLAIM)
GATE_FUNCTION(finish, store_finish, FINISH)
GATE_FUNCTION(postpone, store_postpone, POSTPONE)
GATE_FUNCTION(get, store_get, GET)
GATE_FUNCTION(list, store_list, LIST)
GATE_FUNCTION(window, store_window, WINDOW)
GATE_FUNCTION(hosts, store_hosts, HOSTS)
GATE_FUNCTION(schedules, store_schedules, SCHEDULES)
GATE_FUNCTION(schedule_get, store_schedule_get, SCHEDULE_GET)
GATE_FUNCTION(schedule_pass, store_schedule_pass, SCHEDULE_PASS)
GATE_FUNCTION(schedule_put, store_schedule_put, SCHEDULE_PUT)

static void gate_counts(struct store *s, struct store_counts *ret)
{
    gate_of(s)->inner->engine->counts(gate_of(s)->inner, ret);
}

static bool gate_failing(struct store *s)
{
    return gate_of(s)->failing;
}

/* What was held back goes on, in the order in which it came; what comes now does as well. */
static inline void gate_release(struct gate *g)
{
    size_t count = g->held_count;
    memset(g->hold, 0, sizeof g->hold);
    g->held_count = 0;
    for (size_t i = 0; i < count; i++) {
        void *call = g->held[i].call;
        switch (g->held[i].kind) {
        case GATE_SUBMIT:
            gate_submit(&g->store, call);
            break;
        case GATE_CLAIM:
            gate_claim(&g->store, call);
            break;
        case GATE_FINISH:
            gate_finish(&g->store, call);
            break;
        case GATE_POSTPONE:
            gate_postpone(&g->store, call);
            break;
        case GATE_GET:
            gate_get(&g->store, call);
            break;
        case GATE_LIST:
            gate_list(&g->store, call);
            break;
        case GATE_WINDOW:
            gate_window(&g->store, call);
            break;
        case GATE_HOSTS:
            gate_hosts(&g->store, call);
            break;
        case GATE_SCHEDULES:
            gate_schedules(&g->store, call);
            break;
        case GATE_SCHEDULE_GET:
            gate_schedule_get(&g->store, call);
            break;
        case GATE_SCHEDULE_PASS:
            gate_schedule_pass(&g->store, call);
            break;
        case GATE_SCHEDULE_PUT:
            gate_schedule_put(&g->store, call);
            break;
        case GATE_COUNT:
            break;
        }
    }
}

/* --- the world -------------------------------------------------------------------------------- */

struct world_end {
    uint64_t job;
    enum job_state state;
    enum error_kind error;
};

struct world {
    uv_loop_t loop;
    struct mailbox mailbox;
    struct settings *settings;
    struct registry *registry;
    struct policy *policy;
    struct gate gate;
    struct pool *pool;
    struct fetch *fetch;
    struct sink *sink;
    const char *log; /* the path of the sink's file */
    struct jobs *jobs;
    struct origin *origin;
    struct job_watch watch;
    struct world_end ends[2048]; /* as they were told */
    size_t end_count;
    void (*on_chunk)(void *arg, struct sink_chunk *chunk); /* lines for followers; or NULL */
    void *on_chunk_arg;
    bool drained, closed;
};

/* Turns the loop until the condition holds; the test fails if that takes too long. Once it has held
 * it is not looked at again: it may take something away. */
#define WORLD_WAIT(w, condition)                                            \
    do {                                                                    \
        uint64_t world_deadline_ = test_now_ms() + 60000 * test_patience(); \
        for (bool turned_ = false; !(condition); turned_ = !turned_) {      \
            if (turned_)                                                    \
                test_nap_(world_deadline_, #condition, __FILE__, __LINE__); \
            else                                                            \
                uv_run(&(w)->loop, UV_RUN_NOWAIT);                          \
        }                                                                   \
    } while (0)

static inline void world_on_ended(struct job_watch *watch, const struct job *job)
{
    struct world *w = container_of(watch, struct world, watch);
    assert_true(w->end_count < sizeof w->ends / sizeof w->ends[0]);
    w->ends[w->end_count++] =
        (struct world_end){.job = job->id, .state = job->final, .error = job->error};
}

static inline struct settings *world_settings(const char *text)
{
    struct settings *settings = NULL;
    struct config config = {0};
    struct error err = {""};
    char whole[4096];
    snprintf(whole, sizeof whole, "[policy]\nallow = 127.0.0.0/8 ::1\n[store]\nengine = memory\n%s",
             text);
    int r = config_parse(&config, whole, strlen(whole), "test.conf", &err);
    if (r == 0)
        r = settings_load(&config, &settings, &err);
    config_deinit(&config);
    if (r < 0)
        fail_msg("%s", err.text);
    return settings;
}

static inline void world_on_chunk(void *arg, struct sink_chunk *chunk)
{
    struct world *w = arg;
    if (w->on_chunk)
        w->on_chunk(w->on_chunk_arg, chunk);
    else
        sink_chunk_free(chunk);
}

/* `keeps`: the jobs take the store for one that outlives the daemon. `shared`: what it has as well
 * if several daemons share it, and of what it does so; or NULL. */
static inline struct world *world_new_shared(const char *settings, bool keeps,
                                             const struct store_shared *shared, void *fleet)
{
    static unsigned number;
    struct world *w = calloc(1, sizeof *w);
    struct error err = {""};
    assert_non_null(w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(mailbox_init(&w->mailbox, &w->loop), 0);
    w->settings = world_settings(settings);
    w->registry = registry_new();
    assert_non_null(w->registry);
    assert_int_equal(policy_new((const char *const *)w->settings->allow.items,
                                w->settings->allow.count, NULL, 0, &w->policy, &err),
                     0);
    struct store_config store = {.max_jobs = 100000};
    assert_int_equal(store_memory_new(&store, &w->mailbox, &w->gate.inner, &err), 0);
    w->gate.engine = (struct store_engine){.name = "test",
                                           .keeps = keeps,
                                           .shared = shared,
                                           .submit = gate_submit,
                                           .claim = gate_claim,
                                           .finish = gate_finish,
                                           .postpone = gate_postpone,
                                           .get = gate_get,
                                           .list = gate_list,
                                           .window = gate_window,
                                           .hosts = gate_hosts,
                                           .schedules = gate_schedules,
                                           .schedule_get = gate_schedule_get,
                                           .schedule_pass = gate_schedule_pass,
                                           .schedule_put = gate_schedule_put,
                                           .counts = gate_counts,
                                           .failing = gate_failing};
    w->gate.fleet = fleet;
    w->gate.store = (struct store){.engine = &w->gate.engine, .mailbox = &w->mailbox};
    assert_int_equal(pool_new((unsigned)w->settings->workers, 8, &w->pool), 0);
    struct fetch_config fetch = {.threads = 1, .splice_min = w->settings->splice_min};
    assert_int_equal(fetch_new(&fetch, &w->fetch, &err), 0);
    w->log = test_path("log%u", ++number);
    struct sink_target target = {.name = "file",
                                 .type = SINK_FILE,
                                 .path = w->log,
                                 .fd = -1,
                                 .events = EVENT_ALL | EVENT_AUDIT};
    struct sink_config sink = {
        .targets = &target, .target_count = 1, .tap = world_on_chunk, .arg = w};
    assert_int_equal(sink_new(&sink, &w->sink, &err), 0);
    w->origin = origin_new(&(struct origin_config){0});
    assert_non_null(w->origin);
    struct jobs_config config = {.loop = &w->loop,
                                 .mailbox = &w->mailbox,
                                 .settings = w->settings,
                                 .fetch = w->fetch,
                                 .pool = w->pool,
                                 .store = &w->gate.store,
                                 .sink = w->sink,
                                 .registry = w->registry,
                                 .policy = w->policy};
    assert_int_equal(jobs_new(&config, &w->jobs, &err), 0);
    w->watch = (struct job_watch){.ended = world_on_ended};
    job_watch_add(w->jobs, &w->watch);
    WORLD_WAIT(w, !recover_busy(w->jobs));
    return w;
}

static inline struct world *world_new(const char *settings, bool keeps)
{
    return world_new_shared(settings, keeps, NULL, NULL);
}

static inline void world_on_drained(void *arg)
{
    struct world *w = arg;
    w->drained = true;
}

static inline void world_on_closed(void *arg)
{
    struct world *w = arg;
    w->closed = true;
}

/* Everything but the jobs, which are closed. */
static inline void world_deinit(struct world *w)
{
    w->gate.inner->engine->free(w->gate.inner);
    fetch_free(w->fetch);
    assert_int_equal(pool_free(w->pool), 0);
    assert_int_equal(sink_free(w->sink, 30 * NS_PER_SEC), 0);
    mailbox_close(&w->mailbox, NULL, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    origin_free(w->origin);
    registry_unref(w->registry);
    policy_unref(w->policy);
    settings_free(w->settings);
    free(w);
}

/* Ends as a daemon does that is told twice to stop. */
static inline void world_free(struct world *w)
{
    gate_release(&w->gate);
    memset(w->gate.refuse, 0, sizeof w->gate.refuse);
    if (!w->drained) {
        drain_begin(w->jobs, world_on_drained, w);
        drain_stop(w->jobs);
    }
    WORLD_WAIT(w, w->drained);
    job_watch_remove(&w->watch);
    jobs_close(w->jobs, world_on_closed, w);
    WORLD_WAIT(w, w->closed);
    world_deinit(w);
}

/* --- jobs ------------------------------------------------------------------------------------- */

struct world_submit {
    struct store_submit call;
    struct store_submit_item item;
    struct world *world;
    struct spec *spec;
    bool stored;
};

static inline void world_on_submitted(struct mail *mail)
{
    struct world_submit *s = container_of(mail, struct world_submit, call.call.mail);
    s->stored = true;
    assert_int_equal(s->call.call.result, 0);
    if (s->item.claim)
        claim_unfold(s->world->jobs, s->item.job);
    intake_row(s->world->jobs, s->item.job, s->spec);
}

/* A job of that user by the text of its JSON: {"url":…}. Its id. */
static inline uint64_t world_submit_as(struct world *w, uint32_t uid, const char *text)
{
    struct world_submit s = {.world = w};
    struct error err = {""};
    const char *field = NULL;
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    struct submission submission = {.json = json, .peer = {.uid = uid, .gid = uid}};
    if (submission_row(w->jobs, &submission, &s.item.job, &s.spec, &err, &field) < 0)
        fail_msg("%s: %s", text, err.text);
    json_decref(json);
    s.item.claim = claim_fold(w->jobs, s.item.job);
    s.call = (struct store_submit){.items = &s.item, .count = 1};
    mail_init(&s.call.call.mail, world_on_submitted);
    w->gate.engine.submit(&w->gate.store, &s.call);
    uint64_t id = s.item.job->id; /* the store in memory gives it at once */
    WORLD_WAIT(w, s.stored);
    return id;
}

static inline uint64_t world_submit_json(struct world *w, const char *text)
{
    return world_submit_as(w, 0, text);
}

/* A job for this path of the origin, asked for by this name of the host. */
static inline uint64_t world_submit(struct world *w, const char *host, const char *path)
{
    char text[1024];
    snprintf(text, sizeof text,
             "{\"url\":\"http://%s:%u%s\",\"parser\":\"count\",\"max_attempts\":1}", host,
             (unsigned)origin_port(w->origin), path);
    return world_submit_json(w, text);
}

static inline struct job *world_job(struct world *w, uint64_t id)
{
    struct job *job = job_find(w->jobs, id);
    assert_non_null(job);
    return job;
}

static inline bool world_is_at(struct world *w, uint64_t id, enum job_place place)
{
    const struct job *job = job_find(w->jobs, id);
    return job && job->place == place;
}

/* It runs, and its origin has been asked. */
static inline void world_wait_running(struct world *w, uint64_t id)
{
    WORLD_WAIT(w, world_is_at(w, id, PLACE_RUNNING));
}

/* NULL: its end was not told. */
static inline const struct world_end *world_end_of(const struct world *w, uint64_t id)
{
    for (size_t i = 0; i < w->end_count; i++)
        if (w->ends[i].job == id)
            return &w->ends[i];
    return NULL;
}

static inline void world_wait_end(struct world *w, uint64_t id, enum job_state state)
{
    WORLD_WAIT(w, world_end_of(w, id));
    assert_int_equal(world_end_of(w, id)->state, state);
}

/* How often this stands in the log. */
static inline unsigned world_logged(const struct world *w, const char *text)
{
    struct buf log = BUF_INIT;
    unsigned count = 0;
    if (!test_read_file(w->log, &log))
        return 0;
    buf_putc(&log, '\0');
    for (const char *at = log.data; (at = strstr(at, text)); at++)
        count++;
    buf_deinit(&log);
    return count;
}

#endif
