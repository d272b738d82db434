/* A member of a fleet that downloads nothing: it drives the store's module as a daemon would, and
 * says how fast. tests/bench/case_queue.py gives it a schema.
 *
 *     bench-queue DSN PATH NAME submit COUNT HOSTS   stores so many jobs, 1,000 by a call
 *     bench-queue DSN PATH NAME run BATCH HOSTS      says `ready N` (shards) as that changes; at a
 *                                                    line on stdin claims and ends all jobs of its
 *                                                    hosts, and prints `JOBS SECONDS`
 *
 * A lane takes host after host: reads BATCH rows, claims them by as many calls, ends them by as
 * many. Calls of lanes that come together are one transaction, as those of jobs are. */
#include "base/clock.h"
#include "store/module.h"
#include "store/shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOSTS_MAX 100000
#define BATCH_MAX 512
#define LANES     3
#define CHUNK     1000
#define IN_FLIGHT 4 /* calls of submit */

struct lane {
    struct store_window window;
    struct store_window_host host;
    struct store_claim claims[BATCH_MAX];
    struct store_finish ends[BATCH_MAX];
    size_t at, under_way;
    bool ends_next;
    int64_t from_rank;
};

static struct store *store;
static struct store_shards mine;
static char (*names)[16];
static size_t host_count, next_host, batch, done;
static unsigned idle;
static struct lane lanes[LANES];
static uint64_t began;

static void fail(const char *what, const struct store_call *call)
{
    fprintf(stderr, "bench-queue: %s: %s\n", what, call ? call->error.text : "");
    _exit(1);
}

static unsigned shards_count(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        n += store_shards_has(&mine, i);
    return n;
}

static void on_event(struct mail *mail)
{
    struct store_event *event = container_of(mail, struct store_event, mail);
    for (size_t i = 0; i < STORE_SHARDS / 64; i++) {
        if (event->kind == EVENT_GAINED)
            mine.bits[i] |= event->shards.bits[i];
        else if (event->kind == EVENT_LOST)
            mine.bits[i] &= ~event->shards.bits[i];
    }
    if (event->kind == EVENT_LOST)
        store->engine->shared->release(store, &event->shards);
    if (event->kind == EVENT_FENCED)
        fail("fenced", NULL);
    if (event->kind == EVENT_GAINED || event->kind == EVENT_LOST)
        printf("ready %u\n", shards_count());
    fflush(stdout);
    store_event_free(event);
}

/* --- running ---------------------------------------------------------------------------------- */

static void lane_read(struct lane *lane);

static void lane_next_host(struct lane *lane)
{
    while (next_host < host_count && !store_shards_has(&mine, store_shard(names[next_host])))
        next_host++;
    lane->at = next_host++;
    lane->from_rank = INT64_MIN;
    if (lane->at < host_count) {
        lane_read(lane);
        return;
    }
    if (++idle < LANES)
        return;
    printf("%zu %.3f\n", done, (double)(clock_now() - began) / 1e9);
    fflush(stdout);
}

static void lane_ended(struct lane *lane)
{
    store_jobs_free(lane->host.jobs, lane->host.count);
    lane_read(lane);
}

static void on_end(struct mail *mail)
{
    struct store_call *call = container_of(mail, struct store_call, mail);
    struct lane *lane = NULL;
    for (unsigned i = 0; i < LANES; i++)
        if ((char *)call >= (char *)lanes[i].ends &&
            (char *)call < (char *)(lanes[i].ends + BATCH_MAX))
            lane = &lanes[i];
    if (call->result < 0)
        fail("finish", call);
    done++;
    if (--lane->under_way == 0)
        lane_ended(lane);
}

static void lane_end(struct lane *lane)
{
    static const char verdict[] =
        "{\"ts\":\"2026-11-21T22:30:00.123456Z\",\"event\":\"verdict\",\"job\":1,\"attempt\":1,"
        "\"state\":\"done\",\"url\":\"http://example.org/some/path\",\"parser\":\"lines\","
        "\"status\":200,\"bytes\":1048576,\"records\":9000,\"verified_by\":\"length\","
        "\"seconds\":{\"total\":0.734,\"queued\":0.002,\"connect\":0.01,\"first_byte\":0.03}}";
    lane->under_way = lane->host.count;
    for (size_t i = 0; i < lane->host.count; i++) {
        lane->ends[i] = (struct store_finish){.id = lane->claims[i].id,
                                              .attempt = lane->claims[i].attempt + 1,
                                              .running = true,
                                              .state = JOB_DONE,
                                              .verdict = verdict,
                                              .finished = store_now(store)};
        mail_init(&lane->ends[i].call.mail, on_end);
        store->engine->finish(store, &lane->ends[i]);
    }
}

static void on_claim(struct mail *mail)
{
    struct store_call *call = container_of(mail, struct store_call, mail);
    struct lane *lane = NULL;
    for (unsigned i = 0; i < LANES; i++)
        if ((char *)call >= (char *)lanes[i].claims &&
            (char *)call < (char *)(lanes[i].claims + BATCH_MAX))
            lane = &lanes[i];
    if (call->result < 0)
        fail("claim", call);
    if (--lane->under_way == 0)
        lane_end(lane);
}

static void on_window(struct mail *mail)
{
    struct store_call *call = container_of(mail, struct store_call, mail);
    struct lane *lane = container_of(call, struct lane, window.call);
    if (call->result < 0)
        fail("window", call);
    if (lane->host.count == 0) {
        store_window_reset(&lane->window);
        lane_next_host(lane);
        return;
    }
    lane->from_rank = lane->host.jobs[lane->host.count - 1]->rank;
    lane->under_way = lane->host.count;
    for (size_t i = 0; i < lane->host.count; i++) {
        lane->claims[i] = (struct store_claim){.id = lane->host.jobs[i]->id,
                                               .attempt = lane->host.jobs[i]->attempt};
        mail_init(&lane->claims[i].call.mail, on_claim);
        store->engine->claim(store, &lane->claims[i]);
    }
}

static void lane_read(struct lane *lane)
{
    lane->host = (struct store_window_host){
        .host = names[lane->at], .from_rank = lane->from_rank, .limit = batch};
    lane->window = (struct store_window){.now = store_now(store), .hosts = &lane->host, .count = 1};
    mail_init(&lane->window.call.mail, on_window);
    store->engine->window(store, &lane->window);
}

static void on_stdin(uv_poll_t *poll, int status, int events)
{
    char text[16];
    (void)status;
    (void)events;
    if (read(0, text, sizeof text) <= 0) {
        uv_stop(poll->loop);
        return;
    }
    began = clock_now();
    done = next_host = idle = 0;
    for (unsigned i = 0; i < LANES; i++)
        lane_next_host(&lanes[i]);
}

static void run(uv_loop_t *loop)
{
    uv_poll_t poll;
    uv_poll_init(loop, &poll, 0);
    uv_poll_start(&poll, UV_READABLE, on_stdin);
    uv_run(loop, UV_RUN_DEFAULT);
}

/* --- submitting ------------------------------------------------------------------------------- */

struct chunk {
    struct store_submit call;
    struct store_submit_item items[CHUNK];
    struct store_job jobs[CHUNK];
};

static size_t submitted, answered, wanted;

static void chunk_send(struct chunk *chunk);

static void on_submitted(struct mail *mail)
{
    struct store_call *call = container_of(mail, struct store_call, mail);
    struct chunk *chunk = container_of(call, struct chunk, call.call);
    if (call->result < 0)
        fail("submit", call);
    answered += chunk->call.count;
    if (submitted < wanted)
        chunk_send(chunk);
}

static void chunk_send(struct chunk *chunk)
{
    size_t count = wanted - submitted < CHUNK ? wanted - submitted : CHUNK;
    for (size_t i = 0; i < count; i++) {
        chunk->jobs[i] = (struct store_job){
            .uid = 1000,
            .gid = 100,
            .created = store_now(store),
            .host = names[(submitted + i) % host_count],
            .parser = (char *)(uintptr_t) "lines",
            .spec = (char *)(uintptr_t) "{\"url\":\"http://example.org/some/path/of/a/file.csv\","
                                        "\"parser\":\"lines\",\"max_attempts\":3}",
            .labels = (char *)(uintptr_t) "{}"};
        chunk->items[i] = (struct store_submit_item){.job = &chunk->jobs[i]};
    }
    submitted += count;
    chunk->call = (struct store_submit){.items = chunk->items, .count = count};
    mail_init(&chunk->call.call.mail, on_submitted);
    store->engine->submit(store, &chunk->call);
}

static void submit(uv_loop_t *loop)
{
    struct chunk *chunks = calloc(IN_FLIGHT, sizeof *chunks);
    began = clock_now();
    for (int i = 0; i < IN_FLIGHT && submitted < wanted; i++)
        chunk_send(&chunks[i]);
    while (answered < wanted)
        uv_run(loop, UV_RUN_ONCE);
    printf("%zu %.3f\n", answered, (double)(clock_now() - began) / 1e9);
    free(chunks);
}

int main(int argc, char **argv)
{
    const struct store_module *module;
    struct mailbox mailbox;
    struct error err = {""};
    uv_loop_t loop;
    if (argc != 7)
        return 2;
    bool submits = strcmp(argv[4], "submit") == 0;
    wanted = strtoul(argv[5], NULL, 10);
    host_count = strtoul(argv[6], NULL, 10);
    host_count = host_count < HOSTS_MAX ? host_count : HOSTS_MAX;
    batch = wanted < BATCH_MAX ? wanted : BATCH_MAX;
    names = calloc(HOSTS_MAX, sizeof *names);
    for (size_t i = 0; i < HOSTS_MAX; i++)
        snprintf(names[i], sizeof names[i], "h%zu.bench", i);
    uv_loop_init(&loop);
    mailbox_init(&mailbox, &loop);
    struct store_config config = {.path = argv[2],
                                  .dsn = argv[1],
                                  .name = argv[3],
                                  .keep_finished_count = 100000000,
                                  .workers = submits ? 1 : 64,
                                  .on_event = on_event};
    if (store_module_load("postgresql", &module, &err) < 0 || module->migrate(&config, &err) < 0 ||
        module->open(&config, &mailbox, &store, &err) < 0) {
        fprintf(stderr, "bench-queue: %s\n", err.text);
        return 1;
    }
    if (submits)
        submit(&loop);
    else
        run(&loop);
    store->engine->free(store);
    return 0;
}
