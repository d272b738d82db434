/* A daemon's jobs on a store that others share, as jobs_world.h has them: what the others do is
 * what the test says. Included once by each test program. */
#ifndef PENSTOCK_TESTS_FLEET_WORLD_H
#define PENSTOCK_TESTS_FLEET_WORLD_H

#include "job/fleet.h"
#include "job/membership.h"

#include "jobs_world.h"

struct fleet_world {
    struct world *w;
    int64_t ahead; /* µs: of the server's clock to ours */
    int64_t lease; /* what lease_left says */
    struct store_health health;
    struct store_shards mine, released;
    unsigned releases, drains, ticks;
    int awaits[64]; /* by id: how many wait */
    /* What `torn` and `voided` find, and what they were told. */
    uint64_t torn[4];
    size_t torn_count;
    struct store_void_attempt voided[4];
    size_t void_count, told_count;
    struct {
        uint64_t id;
        uint32_t attempt;
        char line[2048];
    } closed[4];
    size_t closed_count;
    int close_result;
    uint64_t cancelled[8]; /* by `cancel` */
    size_t cancel_count;
    int cancel_result;
    /* What was parked (by `park`): it is in no window any more. And what this member can run. */
    struct {
        uint64_t id;
        uint32_t attempt;
        char needs[128];
    } parked[8];
    size_t park_count;
    int park_result;
    char able[4][128];
    size_t able_count;
    unsigned ables;
    /* What is stored of pauses, and what becomes of who asks, or adds to it. */
    struct store_pauses pauses;
    int pauses_result, pause_result;
    unsigned pauses_asked;
};

static inline struct fleet_world *fleet_world_of(struct store *s)
{
    return gate_of(s)->fleet;
}

static inline void fleet_reply(struct store *s, struct store_call *call, int result)
{
    call->result = result < 0 ? error_set(&call->error, result, "refused by the test") : 0;
    mailbox_post(s->mailbox, &call->mail);
}

static inline void fleet_ignore(struct mail *mail)
{
    free(container_of(mail, struct store_claim, call.mail));
}

/* The row is in no window any more. */
static inline void fleet_take_away(struct fleet_world *f, uint64_t id)
{
    struct store *inner = f->w->gate.inner;
    struct store_claim *claim = calloc(1, sizeof *claim);
    assert_non_null(claim);
    claim->id = id;
    mail_init(&claim->call.mail, fleet_ignore);
    inner->engine->claim(inner, claim);
}

static int64_t fake_now(struct store *s)
{
    return clock_real_us() + fleet_world_of(s)->ahead;
}

static enum store_owner fake_owner(struct store *s, const char *host, const char **ret_name)
{
    if (store_shards_has(&fleet_world_of(s)->mine, store_shard(host)))
        return OWNER_MINE;
    if (ret_name)
        *ret_name = "other";
    return OWNER_ANOTHER;
}

static int64_t fake_lease_left(struct store *s)
{
    return fleet_world_of(s)->lease;
}

static void fake_release(struct store *s, const struct store_shards *shards)
{
    struct fleet_world *f = fleet_world_of(s);
    for (size_t i = 0; i < STORE_SHARDS / 64; i++) {
        assert_int_equal(f->mine.bits[i] & shards->bits[i], 0);
        f->released.bits[i] |= shards->bits[i];
    }
    f->releases++;
}

static void fake_drain(struct store *s)
{
    fleet_world_of(s)->drains++;
}

static void fake_await(struct store *s, uint64_t id, bool waits)
{
    fleet_world_of(s)->awaits[id] += waits ? 1 : -1;
}

static void fake_progress(struct store *s, unsigned running, unsigned workers)
{
    (void)running;
    (void)workers;
    fleet_world_of(s)->ticks++;
}

static void fake_torn(struct store *s, struct store_torn *call)
{
    struct fleet_world *f = fleet_world_of(s);
    call->jobs = NULL;
    call->members = calloc(f->torn_count + 1, sizeof *call->members);
    call->count = 0;
    assert_non_null(call->members);
    for (size_t i = 0; i < f->torn_count && call->count < call->limit; i++) {
        struct store_job row = {.id = f->torn[i],
                                .attempt = 1,
                                .state = JOB_RUNNING,
                                .created = fake_now(s),
                                .host = (char *)"127.0.0.1",
                                .parser = (char *)"count",
                                .spec = (char *)"{\"url\":\"http://127.0.0.1/\"}",
                                .labels = (char *)"{}"};
        call->members[call->count] = strdup("dead");
        assert_int_equal(store_jobs_add(&call->jobs, &call->count, &row), 0);
    }
    fleet_reply(s, &call->call, 0);
}

static void fake_close_torn(struct store *s, struct store_close_torn *call)
{
    struct fleet_world *f = fleet_world_of(s);
    size_t i = f->closed_count++;
    f->closed[i].id = call->id;
    f->closed[i].attempt = call->attempt;
    snprintf(f->closed[i].line, sizeof f->closed[i].line, "%s", call->line);
    f->torn_count = 0;
    fleet_reply(s, &call->call, f->close_result);
}

static void fake_cancel(struct store *s, struct store_cancel *call)
{
    struct fleet_world *f = fleet_world_of(s);
    f->cancelled[f->cancel_count++] = call->id;
    fleet_reply(s, &call->call, f->cancel_result);
}

static void fake_park(struct store *s, struct store_park *call)
{
    struct fleet_world *f = fleet_world_of(s);
    size_t i = f->park_count++ % (sizeof f->parked / sizeof f->parked[0]);
    snprintf(f->parked[i].needs, sizeof f->parked[0].needs, "%s", call->needs);
    f->parked[i].attempt = call->attempt;
    f->parked[i].id = call->id;
    if (f->park_result == 0)
        fleet_take_away(f, call->id);
    fleet_reply(s, &call->call, f->park_result);
}

static void fake_able(struct store *s, const char *const *needs, size_t count)
{
    struct fleet_world *f = fleet_world_of(s);
    for (size_t i = 0; i < count; i++)
        snprintf(f->able[i], sizeof f->able[i], "%s", needs[i]);
    f->able_count = count;
    f->ables++;
}

static void fake_voided(struct store *s, struct store_void *call)
{
    struct fleet_world *f = fleet_world_of(s);
    if (call->told_count > 0)
        f->void_count = 0;
    f->told_count += call->told_count;
    call->count = f->void_count;
    call->attempts = calloc(f->void_count + 1, sizeof *call->attempts);
    assert_non_null(call->attempts);
    memcpy(call->attempts, f->voided, f->void_count * sizeof f->voided[0]);
    fleet_reply(s, &call->call, 0);
}

static void fake_pause(struct store *s, struct store_pause *call)
{
    struct fleet_world *f = fleet_world_of(s);
    const struct store_pause_row row = {.host = (char *)(uintptr_t)call->host,
                                        .parser = (char *)(uintptr_t)call->parser,
                                        .held = call->held,
                                        .uid = call->uid,
                                        .at = fake_now(s),
                                        .member = (char *)"me",
                                        .version = f->pauses.count + 1};
    if (f->pause_result == 0)
        assert_int_equal(store_pauses_add(&f->pauses, &row), 0);
    fleet_reply(s, &call->call, f->pause_result);
}

static void fake_pauses(struct store *s, struct store_pauses *call)
{
    struct fleet_world *f = fleet_world_of(s);
    f->pauses_asked++;
    call->rows = NULL;
    call->count = 0;
    for (size_t i = 0; f->pauses_result == 0 && i < f->pauses.count; i++)
        if (f->pauses.rows[i].version > call->after && call->count < call->limit)
            assert_int_equal(store_pauses_add(call, &f->pauses.rows[i]), 0);
    fleet_reply(s, &call->call, f->pauses_result);
}

static int fake_members(struct store *s, struct store_members *ret_members)
{
    (void)s;
    struct store_members list;
    list.count = 2;
    list.members = calloc(2, sizeof *list.members);
    assert_non_null(list.members);
    list.members[0] = (struct store_member){.id = 1,
                                            .name = strdup("me"),
                                            .machine = strdup("here"),
                                            .version = strdup("1"),
                                            .config = strdup("a"),
                                            .shards = 200,
                                            .self = true};
    list.members[1] = (struct store_member){.id = 2,
                                            .name = strdup("other"),
                                            .machine = strdup("there"),
                                            .version = strdup("1"),
                                            .config = strdup("b"),
                                            .beat_age_ns = 1500 * NS_PER_MS,
                                            .shards = 50};
    *ret_members = list;
    return 0;
}

static void fake_health(struct store *s, struct store_health *ret_health)
{
    *ret_health = fleet_world_of(s)->health;
}

static void fake_evict(struct store *s, struct store_evict *call)
{
    fleet_reply(s, &call->call,
                strcmp(call->name, "other") == 0 ? 0
                : strcmp(call->name, "me") == 0  ? -EINVAL
                                                 : -ENOENT);
}

static const struct store_shared fake_shared = {.now = fake_now,
                                                .owner = fake_owner,
                                                .lease_left = fake_lease_left,
                                                .release = fake_release,
                                                .drain = fake_drain,
                                                .await = fake_await,
                                                .progress = fake_progress,
                                                .torn = fake_torn,
                                                .close_torn = fake_close_torn,
                                                .cancel = fake_cancel,
                                                .park = fake_park,
                                                .able = fake_able,
                                                .pause = fake_pause,
                                                .pauses = fake_pauses,
                                                .members = fake_members,
                                                .health = fake_health,
                                                .evict = fake_evict,
                                                .voided = fake_voided};

/* --- what the test says ----------------------------------------------------------------------- */

static inline struct store_event *fleet_event(enum store_event_kind kind)
{
    struct store_event *event = calloc(1, sizeof *event);
    assert_non_null(event);
    event->kind = kind;
    return event;
}

static inline void fleet_tell(struct fleet_world *f, struct store_event *event)
{
    for (size_t i = 0; i < STORE_SHARDS / 64; i++) {
        if (event->kind == EVENT_GAINED)
            f->mine.bits[i] |= event->shards.bits[i];
        if (event->kind == EVENT_LOST)
            f->mine.bits[i] &= ~event->shards.bits[i];
        if (event->kind == EVENT_FENCED)
            f->mine.bits[i] = 0;
    }
    membership_take(f->w->jobs, event);
}

static inline struct store_shards fleet_shard_of(const char *host)
{
    struct store_shards shards = {{0}};
    unsigned shard = store_shard(host);
    shards.bits[shard / 64] |= UINT64_C(1) << shard % 64;
    return shards;
}

static inline void fleet_gain(struct fleet_world *f, const char *host)
{
    struct store_event *event = fleet_event(EVENT_GAINED);
    event->shards = fleet_shard_of(host);
    fleet_tell(f, event);
}

static inline void fleet_lose(struct fleet_world *f, const char *host)
{
    struct store_event *event = fleet_event(EVENT_LOST);
    event->shards = fleet_shard_of(host);
    fleet_tell(f, event);
}

static inline void fleet_elsewhere(struct fleet_world *f, const char *host, unsigned running)
{
    struct store_event *event = fleet_event(EVENT_ELSEWHERE);
    event->elsewhere = calloc(1, sizeof *event->elsewhere);
    assert_non_null(event->elsewhere);
    event->elsewhere[0].host = strdup(host);
    event->elsewhere[0].running = running;
    event->elsewhere_count = 1;
    fleet_tell(f, event);
}

static inline void fleet_hint(struct fleet_world *f, const char *host)
{
    struct store_event *event = fleet_event(EVENT_HOST);
    event->host = host ? strdup(host) : NULL;
    fleet_tell(f, event);
}

/* Another member has held something, or let it go. */
static inline void fleet_pause(struct fleet_world *f, const char *host, const char *parser,
                               bool held)
{
    const struct store_pause_row row = {.host = (char *)(uintptr_t)host,
                                        .parser = (char *)(uintptr_t)parser,
                                        .held = held,
                                        .uid = 1000,
                                        .at = 1700000000000000,
                                        .member = (char *)"other",
                                        .version = f->pauses.count + 1};
    assert_int_equal(store_pauses_add(&f->pauses, &row), 0);
}

/* Jobs of other hosts are parked, that need this. */
static inline void fleet_tell_parked(struct fleet_world *f, const char *const *needs, size_t count)
{
    struct store_event *event = fleet_event(EVENT_PARKED);
    event->parked = calloc(count + 1, sizeof *event->parked);
    assert_non_null(event->parked);
    event->parked_count = count;
    for (size_t i = 0; i < count; i++)
        event->parked[i] =
            (struct store_parked){.needs = strdup(needs[i]), .jobs = 3, .ours = i + 1};
    fleet_tell(f, event);
}

static inline void fleet_invite(struct fleet_world *f, const char *host, bool owner_waits,
                                bool others_run)
{
    struct store_event *event = fleet_event(EVENT_GUEST);
    event->host = strdup(host);
    event->owner_waits = owner_waits;
    event->others_run = others_run;
    fleet_tell(f, event);
}

static inline void fleet_nothing(struct mail *mail)
{
    *(bool *)container_of(mail, struct store_call, mail)->error.text = true;
}

static inline void fleet_on_row(struct mail *mail)
{
    *(bool *)container_of(mail, struct store_call, mail)->error.text = true;
}

/* A row that another member has stored. */
static inline uint64_t fleet_row(struct world *w, const char *host, const char *parser,
                                 const char *spec)
{
    struct store_job row = {.created = clock_real_us(),
                            .host = (char *)(uintptr_t)host,
                            .parser = (char *)(uintptr_t)parser,
                            .spec = (char *)(uintptr_t)spec,
                            .labels = (char *)"{}"};
    struct store_submit_item item = {.job = &row};
    struct store_submit call = {.items = &item, .count = 1};
    mail_init(&call.call.mail, fleet_on_row);
    w->gate.inner->engine->submit(w->gate.inner, &call);
    WORLD_WAIT(w, call.call.error.text[0]);
    assert_int_equal(call.call.result, 0);
    return row.id;
}

/* Another member claims this row. */
static inline void fleet_claim_elsewhere(struct fleet_world *f, uint64_t id)
{
    struct store *inner = f->w->gate.inner;
    struct store_claim claim = {.id = id};
    mail_init(&claim.call.mail, fleet_nothing);
    inner->engine->claim(inner, &claim);
    WORLD_WAIT(f->w, claim.call.error.text[0]);
    assert_int_equal(claim.call.result, 0);
}

/* … and puts it back into the queue. */
static inline void fleet_give_back_elsewhere(struct fleet_world *f, uint64_t id)
{
    struct store *inner = f->w->gate.inner;
    struct store_postpone back = {.id = id, .attempt = 1};
    mail_init(&back.call.mail, fleet_nothing);
    inner->engine->postpone(inner, &back);
    WORLD_WAIT(f->w, back.call.error.text[0]);
    assert_int_equal(back.call.result, 0);
}

/* … or gives its verdict, which is told here if somebody waits for it. */
static inline void fleet_end_elsewhere(struct fleet_world *f, uint64_t id)
{
    struct store *inner = f->w->gate.inner;
    struct store_finish finish = {.id = id,
                                  .attempt = 1,
                                  .running = true,
                                  .state = JOB_DONE,
                                  .verdict =
                                      "{\"event\":\"verdict\",\"state\":\"done\",\"by\":\"other\"}",
                                  .finished = fake_now(&f->w->gate.store)};
    mail_init(&finish.call.mail, fleet_nothing);
    inner->engine->finish(inner, &finish);
    WORLD_WAIT(f->w, finish.call.error.text[0]);
    assert_int_equal(finish.call.result, 0);
    if (f->awaits[id] == 0)
        return;
    f->awaits[id] = 0;
    struct store_event *event = fleet_event(EVENT_ENDED);
    event->id = id;
    fleet_tell(f, event);
}

static inline bool fleet_released(const struct fleet_world *f, const char *host)
{
    return store_shards_has(&f->released, store_shard(host));
}

static inline struct fleet_world *fleet_world_new(const char *settings)
{
    struct fleet_world *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->lease = 1000000;
    f->cancel_result = f->close_result = 0;
    f->park_result = -EIO;
    char text[2048];
    snprintf(text, sizeof text, "%s\n[fleet]\nname = me\n", settings);
    f->w = world_new_shared(text, true, &fake_shared, f);
    return f;
}

static inline void fleet_world_free(struct fleet_world *f)
{
    f->lease = 1000000;
    world_free(f->w);
    assert_int_equal(f->drains, 1);
    store_pauses_free(&f->pauses);
    free(f);
}

#endif
