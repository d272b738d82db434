/* What the tests of the sink share: a scratch directory, a sink with its callbacks counted, workers
 * that emit, and a judge who reads log files back: whole lines, each record once, in order. */
#ifndef TESTS_UNIT_RECORD_SINK_SUPPORT_H
#define TESTS_UNIT_RECORD_SINK_SUPPORT_H

#include "base/clock.h"
#include "record/line.h"
#include "record/queue.h"
#include "record/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_JOBS 64

/* --- waiting for a state, with a deadline ---------------------------------------------------- */

static inline void pause_a_moment(void)
{
    const struct timespec ms = {.tv_nsec = 1000000};
    nanosleep(&ms, NULL);
}

#define WAIT_UNTIL(condition)                              \
    do {                                                   \
        uint64_t give_up_ = clock_now() + 30 * NS_PER_SEC; \
        while (!(condition) && clock_now() < give_up_)     \
            pause_a_moment();                              \
        assert_true(condition);                            \
    } while (0)

/* --- a scratch directory --------------------------------------------------------------------- */

struct scratch {
    char dir[64];
    char *path[8];
    int paths;
};

static inline void scratch_make(struct scratch *s)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(s->dir, sizeof s->dir, "%s/sink-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    assert_non_null(mkdtemp(s->dir));
    s->paths = 0;
}

static inline const char *scratch_path(struct scratch *s, const char *name)
{
    assert_true(s->paths < 8);
    assert_true(asprintf(&s->path[s->paths], "%s/%s", s->dir, name) > 0);
    return s->path[s->paths++];
}

static inline void scratch_remove(struct scratch *s)
{
    for (int i = s->paths; i-- > 0;) {
        if (unlink(s->path[i]) < 0 && (errno == EISDIR || errno == EPERM))
            rmdir(s->path[i]);
        free(s->path[i]);
    }
    assert_int_equal(rmdir(s->dir), 0);
}

static inline void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline char *get_file(const char *path, size_t *ret_len)
{
    struct buf b = BUF_INIT;
    char block[65536];
    size_t n;
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        buf_put(&b, block, n);
    fclose(f);
    if (ret_len)
        *ret_len = b.len;
    return buf_steal(&b);
}

/* --- the sink and what it tells -------------------------------------------------------------- */

struct told {
    atomic_int gone, failed, works, taken;
    atomic_int last_error;
    pthread_mutex_t lock; /* of tapped */
    struct buf tapped;
    size_t tapped_marks;
};

static inline void told_gone(void *arg)
{
    struct told *told = arg;
    atomic_fetch_add(&told->gone, 1);
}

static inline void told_trouble(void *arg, const char *target, int error)
{
    struct told *told = arg;
    if (error)
        atomic_store(&told->last_error, error);
    atomic_fetch_add(error ? &told->failed : &told->works, 1);
}

static inline void told_tap(void *arg, struct sink_chunk *chunk)
{
    struct told *told = arg;
    size_t at = 0;
    for (size_t i = 0; i < chunk->mark_count; i++) {
        const struct sink_mark *m = &chunk->marks[i];
        assert_int_equal(m->start, at);
        assert_int_equal(chunk->data[m->start + m->len - 1], '\n');
        at += m->len;
    }
    assert_int_equal(at, chunk->len);
    pthread_mutex_lock(&told->lock);
    buf_put(&told->tapped, chunk->data, chunk->len);
    told->tapped_marks += chunk->mark_count;
    pthread_mutex_unlock(&told->lock);
    sink_chunk_free(chunk);
}

static inline void told_init(struct told *told)
{
    memset(told, 0, sizeof *told);
    pthread_mutex_init(&told->lock, NULL);
}

static inline void told_deinit(struct told *told)
{
    buf_deinit(&told->tapped);
    pthread_mutex_destroy(&told->lock);
}

/* Retries every millisecond, so that a test of a failure takes no second. */
static inline struct sink_config sink_config_for(struct told *told,
                                                 const struct sink_target *targets, size_t count)
{
    return (struct sink_config){.targets = targets,
                                .target_count = count,
                                .retry_ns = NS_PER_MS,
                                .stdout_gone = told_gone,
                                .trouble = told_trouble,
                                .tap = told_tap,
                                .arg = told};
}

static inline struct sink *sink_start(const struct sink_config *config)
{
    struct sink *sink = NULL;
    struct error err = {{0}};
    int r = sink_new(config, &sink, &err);
    if (r < 0)
        fail_msg("sink_new: %s", err.text);
    return sink;
}

/* As sink_free, for a sink that is not stuck: its thread may only not have run for long. */
static inline size_t sink_end(struct sink *sink, uint64_t patience_ns)
{
    size_t lost;
    do
        lost = sink_free(sink, patience_ns);
    while (lost == SINK_STUCK);
    return lost;
}

static inline struct sink *sink_for_file(struct told *told, const char *path)
{
    const struct sink_target target = {
        .name = "file", .type = SINK_FILE, .path = path, .fd = -1, .events = EVENT_ALL};
    const struct sink_config config = sink_config_for(told, &target, 1);
    return sink_start(&config);
}

static inline void source_init(struct sink_source *source, uint64_t job)
{
    memset(source, 0, sizeof *source);
    source->job = job;
    source->attempt = 1;
    source->extra = "";
}

static inline void emit_some(struct sink *sink, struct sink_source *source, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(sink_emit(sink, source, "{\"n\":1}", 7), 0);
}

/* A posted line that counts when it is given back. */
struct post {
    struct sink_line line;
    struct told *told;
    atomic_bool taken;
};

static inline void post_taken(struct sink_line *line)
{
    struct post *post = container_of(line, struct post, line);
    atomic_fetch_add(&post->told->taken, 1);
    atomic_store(&post->taken, true);
}

static inline void post_init(struct post *post, struct told *told, enum event event, uint64_t job)
{
    memset(post, 0, sizeof *post);
    post->told = told;
    post->line.event = event;
    post->line.job = job;
    post->line.taken = post_taken;
    line_begin(&post->line.text, clock_real_us(), event);
    line_u64(&post->line.text, "job", job);
    line_end(&post->line.text);
}

/* --- the judge ------------------------------------------------------------------------------- */

struct judge {
    uint64_t seq[MAX_JOBS]; /* of the last record of each job */
    unsigned verdicts[MAX_JOBS];
    size_t lines, records;
};

static inline uint64_t number_after(const char *line, const char *name)
{
    const char *p = strstr(line, name);
    return p ? strtoull(p + strlen(name), NULL, 10) : 0;
}

static inline void judge_line(struct judge *j, const char *line, size_t len)
{
    static const char head[] = "{\"ts\":\"";
    if (strncmp(line, head, sizeof head - 1) != 0 || line[len - 1] != '}' || strstr(line + 1, head))
        fail_msg("no whole line: %s", line);
    uint64_t job = number_after(line, "\"job\":");
    assert_true(job < MAX_JOBS);
    j->lines++;
    if (strstr(line, "\"event\":\"record\"")) {
        j->records++;
        assert_int_equal(number_after(line, "\"seq\":"), ++j->seq[job]);
        assert_int_equal(j->verdicts[job], 0);
    } else if (strstr(line, "\"event\":\"verdict\"")) {
        j->verdicts[job]++;
    }
}

/* Every line is whole; each job's seq goes 1, 2, 3 …; its verdict comes once, and last. */
static inline void judge_text(struct judge *j, char *text, size_t len)
{
    assert_true(len == 0 || text[len - 1] == '\n');
    for (char *p = text, *end; p < text + len; p = end + 1) {
        end = strchr(p, '\n');
        assert_non_null(end);
        *end = '\0';
        judge_line(j, p, (size_t)(end - p));
    }
}

static inline void judge_file(struct judge *j, const char *path)
{
    size_t len;
    char *text = get_file(path, &len);
    assert_non_null(text);
    judge_text(j, text, len);
    free(text);
}

#endif
