/* Runs a parser over bytes, through a body's pipe, and keeps what it emitted. The pipe is in packet
 * mode (O_DIRECT): one write is one read, so a test decides how its input is cut. */
#ifndef TESTS_UNIT_PARSE_HARNESS_H
#define TESTS_UNIT_PARSE_HARNESS_H

#include "base/buf.h"
#include "base/fd.h"
#include "base/list.h"
#include "parse/registry.h"
#include "parse/task.h"
#include "support/testlib.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_OPTIONS 8

struct harness {
    struct parse_task task;
    struct parse_pair options[MAX_OPTIONS];
    char option_text[256];
    struct buf records; /* each with a newline */
    int emit_result;    /* what the sink says … */
    uint64_t emit_from; /* … from this record on */
    int done;
    /* the writer */
    const char *data;
    size_t len, chunk;
    size_t first; /* bytes of the first piece; 0: as of the others */
    int write_fd;
    enum body_state ending; /* BODY_OPEN: closed without a word */
};

static inline int harness_emit(struct parse_task *task, const char *json, size_t len)
{
    struct harness *h = container_of(task, struct harness, task);
    if (h->emit_result && task->source.seq >= h->emit_from)
        return h->emit_result;
    assert_null(memchr(json, '\n', len));
    buf_put(&h->records, json, len);
    buf_putc(&h->records, '\n');
    task->source.seq++;
    return 0;
}

static inline void harness_done(struct parse_task *task)
{
    struct harness *h = container_of(task, struct harness, task);
    h->done++;
}

static inline void *harness_feed(void *arg)
{
    struct harness *h = arg;
    for (size_t at = 0, n; at < h->len; at += n) {
        n = at == 0 && h->first > 0 ? h->first : h->chunk;
        n = h->len - at < n ? h->len - at : n;
        if (fd_write_all(h->write_fd, h->data + at, n) < 0)
            break; /* the parser wants no more */
    }
    if (h->ending != BODY_OPEN)
        body_settle(h->task.body, h->ending);
    fd_close(&h->write_fd);
    return NULL;
}

/* The job's own `charset` and `charset_errors`. */
static inline bool harness_text(struct harness *h, const char *name, const char *value)
{
    if (strcmp(name, "charset") == 0)
        snprintf(h->task.text.option, sizeof h->task.text.option, "%s", value);
    else if (strcmp(name, "charset_errors") == 0)
        h->task.text.replace = strcmp(value, "replace") == 0;
    else
        return false;
    return true;
}

/* `options`: "name=value\nname=value", or NULL. */
static inline void harness_init(struct harness *h, const struct penstock_parser *parser,
                                const char *options)
{
    *h = (struct harness){.ending = BODY_COMPLETE, .chunk = 4096};
    h->task.parser = parser;
    h->task.emit = harness_emit;
    h->task.done = harness_done;
    h->task.facts.url = "http://example.org/";
    h->task.facts.options = h->options;
    h->task.source.extra = "";
    h->task.body = body_new();
    assert_non_null(h->task.body);
    if (!options)
        return;
    assert_true(strlen(options) < sizeof h->option_text);
    strcpy(h->option_text, options);
    char *rest = h->option_text, *word;
    while ((word = strsep(&rest, "\n"))) {
        char *value = strchr(word, '=');
        assert_non_null(value);
        *value++ = '\0';
        if (harness_text(h, word, value))
            continue;
        assert_true(h->task.facts.option_count < MAX_OPTIONS);
        h->options[h->task.facts.option_count++] = (struct parse_pair){word, value};
    }
}

static inline void harness_run(struct harness *h, const void *data, size_t len)
{
    int ends[2];
    pthread_t thread;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_DIRECT), 0);
    h->data = data;
    h->len = len;
    h->write_fd = ends[1];
    h->task.read_fd = ends[0];
    assert_int_equal(pthread_create(&thread, NULL, harness_feed, h), 0);
    parse_task_run(&h->task);
    pthread_join(thread, NULL);
    assert_int_equal(h->done, 1);
    assert_int_equal(atomic_load(&h->task.body->refs), 1);
    if (!h->records.data)
        buf_puts(&h->records, "");
}

static inline void harness_deinit(struct harness *h)
{
    body_unref(h->task.body);
    buf_deinit(&h->records);
}

#endif
