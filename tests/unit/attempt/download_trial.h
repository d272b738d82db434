/* For tests of what a download judges: one that no loop runs, as a response finds it. (A thread
 * that runs no fetch loop is the current one of none.) */
#ifndef PENSTOCK_TEST_DOWNLOAD_TRIAL_H
#define PENSTOCK_TEST_DOWNLOAD_TRIAL_H

#include "unit/attempt/request_spec.h"

#include "attempt/answer.h"
#include "attempt/download.h"
#include "base/list.h"

#include <stdio.h>

struct trial {
    struct progress progress; /* first: it wants its alignment */
    struct attempt_env env;
    struct first_cause cause;
    struct hop hop;
    struct spec *spec;
    struct download download;
    unsigned heads; /* that a consumer was told of */
    int head_result;
};

static struct trial *trial;
static struct download *d; /* the trial's */

static int on_trial_head(struct download *download, const struct transfer_response *response)
{
    struct trial *t = container_of(download, struct trial, download);
    (void)response;
    t->heads++;
    return t->head_result;
}

static const struct download_ops trial_ops = {.head = on_trial_head};

static void trial_end(void)
{
    if (!trial)
        return;
    download_deinit(d);
    hop_deinit(&trial->hop);
    spec_free(trial->spec);
    free(trial);
    trial = NULL;
}

/* A job of this JSON, in its first hop; `credential` is taken, and may be NULL. In place of the
 * trial before it. */
static void trial_begin(const char *job, struct credential *credential)
{
    const struct hop_traits traits = {.redact = &settings->redact};
    size_t size = (sizeof *trial + PROGRESS_LINE - 1) / PROGRESS_LINE * PROGRESS_LINE;
    trial_end();
    trial = aligned_alloc(PROGRESS_LINE, size);
    assert_non_null(trial);
    memset(trial, 0, size);
    trial->spec = request_spec(job);
    trial->env = (struct attempt_env){.decode_ratio = 1000, .decode_window = 8 << 20};
    assert_int_equal(hop_init(&trial->hop, trial->spec, credential), 0);
    assert_int_equal(
        hop_next(&trial->hop, trial->spec, NULL, trial->spec->url, trial->spec->host, &traits, 0),
        0);
    d = &trial->download;
    *d = (struct download){.env = &trial->env,
                           .ops = &trial_ops,
                           .spec = trial->spec,
                           .hop = &trial->hop,
                           .cause = &trial->cause,
                           .progress = &trial->progress};
    assert_int_equal(download_init(d), 0);
    d->end.port = 80;
}

static int trial_free(void **state)
{
    (void)state;
    trial_end();
    return 0;
}

static struct transfer_header headers[8];
static char lines[1024];

/* Its fields: a line each. */
static inline struct transfer_response response(int status, int64_t length, const char *fields)
{
    struct transfer_response r = {.status = status, .content_length = length, .headers = headers};
    char *save = NULL;
    snprintf(lines, sizeof lines, "%s", fields);
    for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *colon = strchr(line, ':');
        *colon = '\0';
        headers[r.header_count++] = (struct transfer_header){line, colon + 2};
    }
    return r;
}

static inline int answered(int status, int64_t length, const char *fields)
{
    struct transfer_response r = response(status, length, fields);
    return answer_take(d, &r);
}

/* What is set as the cause is this, with these words in its message. */
static inline void failed(enum error_kind kind, const char *words)
{
    const struct cause *cause = cause_of(&trial->cause);
    assert_non_null(cause);
    assert_int_equal(cause->kind, kind);
    if (!strstr(cause->message, words))
        fail_msg("\"%s\" is not in \"%s\"", words, cause->message);
}

static inline void not_failed(void)
{
    const struct cause *cause = cause_of(&trial->cause);
    if (cause)
        fail_msg("%s: %s", kind_name(cause->kind), cause->message);
}

#endif
