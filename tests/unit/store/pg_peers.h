/* Several stores of one schema in one process, each as of a daemon of its own, with what each has
 * been told. */
#ifndef TESTS_UNIT_STORE_PG_PEERS_H
#define TESTS_UNIT_STORE_PG_PEERS_H

#include "pg_gate.h"
#include "store/shared.h"

#define PEERS      3
#define EVENTS_MAX 512
#define LEASE_NS   (60 * NS_PER_SEC) /* unless the test says otherwise: that no test outlasts */

struct peer {
    struct fixture *f;
    struct store *store;
    struct gate gate;
    char name[8], path[96];
    bool keeps; /* does not release what it shall give up */
    struct store_shards mine;
    struct store_event *events[EVENTS_MAX];
    size_t at[EVENTS_MAX]; /* how many of all peers' events came before it */
    size_t count, read;
};

struct peers {
    struct fixture f; /* its store is that of the peer who is asked */
    struct peer peer[PEERS];
    size_t told; /* events of all of them */
};

static struct peers *all_peers;

#define SHARED(p) ((p)->store->engine->shared)

static inline unsigned shards_count(const struct store_shards *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        n += store_shards_has(s, i);
    return n;
}

/* The control loop of each. */
static inline void on_event(struct mail *mail)
{
    struct store_event *event = container_of(mail, struct store_event, mail);
    struct peer *p = event->arg;
    assert_ptr_equal(event->store, p->store);
    for (size_t i = 0; i < STORE_SHARDS / 64; i++) {
        if (event->kind == EVENT_GAINED)
            p->mine.bits[i] |= event->shards.bits[i];
        else if (event->kind == EVENT_LOST)
            p->mine.bits[i] &= ~event->shards.bits[i];
        else if (event->kind == EVENT_FENCED)
            p->mine.bits[i] = 0;
    }
    if (event->kind == EVENT_LOST && !p->keeps)
        SHARED(p)->release(p->store, &event->shards);
    assert_true(p->count < EVENTS_MAX);
    p->at[p->count] = all_peers->told++;
    p->events[p->count++] = event;
}

static inline int peer_try(struct peer *p, const struct store_config *more, struct error *err)
{
    struct store_config config = *more;
    config.path = p->path;
    config.dsn = p->gate.dsn;
    config.schema = schema;
    config.name = config.name ? config.name : p->name;
    config.retry_ns = 20 * NS_PER_MS;
    config.lease_ns = config.lease_ns ? config.lease_ns : LEASE_NS;
    config.workers = config.workers ? config.workers : 8;
    config.on_event = on_event;
    config.arg = p;
    return module->open(&config, &p->f->mailbox, &p->store, err);
}

static inline void peer_open(struct peer *p, const struct store_config *config)
{
    struct error err = {""};
    if (peer_try(p, config, &err) < 0)
        fail_msg("%s cannot be opened: %s", p->name, err.text);
}

static inline void peer_forget_events(struct peer *p)
{
    for (size_t i = 0; i < p->count; i++)
        store_event_free(p->events[i]);
    p->count = p->read = 0;
    p->mine = (struct store_shards){.bits = {0}};
}

static inline void peer_close(struct peer *p)
{
    gate_set(&p->gate, false);
    if (p->store)
        p->store->engine->free(p->store);
    p->store = NULL;
    peer_forget_events(p);
}

static inline int peers_setup(void **state)
{
    struct peers *all = calloc(1, sizeof *all);
    struct store_config with = {.dsn = dsn, .schema = schema};
    struct error err = {""};
    static unsigned number;
    snprintf(schema, sizeof schema, "fleet%u", ++number);
    if (module->migrate(&with, &err) < 0)
        fail_msg("%s", err.text);
    fixture_prepare(&all->f);
    for (int i = 0; i < PEERS; i++) {
        struct peer *p = &all->peer[i];
        p->f = &all->f;
        snprintf(p->name, sizeof p->name, "%c", 'a' + i);
        snprintf(p->path, sizeof p->path, "%s/%s", all->f.dir, p->name);
        gate_open(&p->gate);
    }
    *state = all_peers = all;
    return 0;
}

static inline int peers_teardown(void **state)
{
    struct peers *all = *state;
    for (int i = 0; i < PEERS; i++) {
        struct peer *p = &all->peer[i];
        peer_close(p);
        gate_close(&p->gate);
        remove(p->path);
    }
    mailbox_close(&all->f.mailbox, NULL, NULL);
    uv_run(&all->f.loop, UV_RUN_DEFAULT);
    for (int i = 0; i < PEERS; i++)
        peer_forget_events(&all->peer[i]);
    assert_int_equal(uv_loop_close(&all->f.loop), 0);
    assert_int_equal(remove(all->f.dir), 0);
    free(all);
    return 0;
}

#define FLEET_TEST(name) cmocka_unit_test_setup_teardown(name, peers_setup, peers_teardown)

/* --- waiting ---------------------------------------------------------------------------------- */

/* Something will be told. */
#define WAIT_UNTIL(condition) \
    while (!(condition))      \
    uv_run(&all_peers->f.loop, UV_RUN_ONCE)

/* The first event of the kind among those that were not asked for yet. NULL: there is none. */
static inline struct store_event *peer_find(struct peer *p, enum store_event_kind kind)
{
    for (; p->read < p->count; p->read++)
        if (p->events[p->read]->kind == kind)
            return p->events[p->read++];
    return NULL;
}

/* Waits for it, too. What came before it is passed over. */
static inline struct store_event *peer_wait(struct peer *p, enum store_event_kind kind)
{
    struct store_event *event;
    WAIT_UNTIL((event = peer_find(p, kind)));
    return event;
}

/* What has come is passed over. */
static inline void peer_skip(struct peer *p)
{
    p->read = p->count;
}

/* How many of the kind there were, ever. */
static inline unsigned peer_told(const struct peer *p, enum store_event_kind kind)
{
    unsigned n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->events[i]->kind == kind;
    return n;
}

/* Waits until each of these has some shards, and all have all. */
static inline void peers_settle(struct peers *all, int count)
{
    for (;;) {
        unsigned sum = 0, with = 0;
        for (int i = 0; i < count; i++) {
            unsigned n = shards_count(&all->peer[i].mine);
            sum += n;
            with += n > 0;
        }
        assert_true(sum <= STORE_SHARDS);
        if (sum == STORE_SHARDS && (int)with == count)
            return;
        uv_run(&all->f.loop, UV_RUN_ONCE);
    }
}

static inline void open_two(struct peers *all)
{
    for (int i = 0; i < 2; i++)
        peer_open(&all->peer[i], &(struct store_config){.workers = 8});
    peers_settle(all, 2);
}

/* --- asking ----------------------------------------------------------------------------------- */

/* Calls go to this one from now on. */
static inline struct fixture *as(struct peer *p)
{
    p->f->store = p->store;
    return p->f;
}

#define SHARED_CALL(p, method, c)                                                        \
    (expect_call(&(c)->call), SHARED(p)->method((p)->store, (c)), wait_calls((p)->f, 1), \
     result_of(&(c)->call))

/* Gives the peer's threads a moment, for what they show without a word. */
static inline void peer_poll(struct peer *p)
{
    usleep(1000);
    uv_run(&p->f->loop, UV_RUN_NOWAIT);
}

/* A host of this peer's, by its number. */
static inline const char *host_of(const struct peer *p, unsigned number)
{
    static char hosts[8][32];
    static unsigned at;
    char *host = hosts[at++ % 8];
    for (unsigned i = 0;; i++) {
        snprintf(host, 32, "h%u.test", i);
        if (store_shards_has(&p->mine, store_shard(host)) && number-- == 0)
            return host;
    }
}

/* --- at the server ---------------------------------------------------------------------------- */

/* Two daemons; a job of one of b's hosts runs at b. */
static inline uint64_t run_at_b(struct peers *all, uint64_t lease_ns)
{
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(a, &(struct store_config){.lease_ns = lease_ns});
    peer_open(b, &(struct store_config){.lease_ns = lease_ns});
    peers_settle(all, 2);
    uint64_t id = submit_to(as(b), host_of(b, 0));
    claim(as(b), id);
    return id;
}

/* A transaction of somebody's, for which others wait at the server. */
static inline PGconn *hold(const char *format)
{
    PGconn *conn = PQconnectdb(dsn);
    char sql[160];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(sql, sizeof sql, format, schema, schema);
#pragma GCC diagnostic pop
    PGresult *result = PQexec(conn, sql);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    PQclear(result);
    return conn;
}

static inline void let_go(PGconn *conn)
{
    PQclear(PQexec(conn, "COMMIT"));
    PQfinish(conn);
}

static inline void wait_for(const char *sql, const char *value)
{
    while (strcmp(ask(sql), value) != 0)
        usleep(1000);
}

#define WAITING "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type='Lock'"

/* It need not at once. */
static inline void expect_it_works(struct peer *p)
{
    struct store_job job = job_for("h");
    struct store_submit_item item = {.job = &job};
    struct store_submit call = {.items = &item, .count = 1};
    uint64_t deadline = clock_now() + 60 * NS_PER_SEC;
    while (CALL(as(p), submit, &call) < 0)
        if (clock_now() > deadline)
            fail_msg("the store fails for good: %s", call.call.error.text);
}

#endif
