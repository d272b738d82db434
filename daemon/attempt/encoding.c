#include "attempt/encoding.h"

#include "attempt/attempt.h"
#include "parse/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void encoding_deinit(struct encoding *e)
{
    free(e->text);
    e->text = NULL;
}

/* The field's values, those of several lines joined (RFC 9110, 5.3), "identity" and nothing being the same.
 * 0 and a newly allocated string or NULL; or -ENOMEM. */
static int joined(const struct transfer_response *response, char **ret_text)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < response->header_count; i++) {
        const struct transfer_header *h = &response->headers[i];
        if (strcasecmp(h->name, "Content-Encoding") != 0 || !h->value[0] ||
            strcasecmp(h->value, "identity") == 0)
            continue;
        if (b.len > 0)
            buf_puts(&b, ", ");
        buf_puts(&b, h->value);
    }
    bool failed = b.failed;
    *ret_text = buf_steal(&b);
    buf_deinit(&b);
    return failed ? -ENOMEM : 0;
}

int encoding_accept(struct attempt *a, const struct transfer_response *response)
{
    const struct job_params *p = &a->spec->effective;
    struct error err;
    a->task.decode = (struct decode_plan){.file = (enum decode_file)p->decode,
                                          .max_decoded = p->max_decoded,
                                          .max_ratio = a->env->decode_ratio,
                                          .max_window = a->env->decode_window};
    a->task.text = (struct charset_plan){.replace = p->charset_errors == CHARSET_ERRORS_REPLACE};
    if (p->charset)
        snprintf(a->task.text.option, sizeof a->task.text.option, "%s", p->charset);
    if (joined(response, &a->encoding.text) < 0) {
        attempt_fail(a, KIND_RESOURCES, "no memory for the response's head");
        return -ENOMEM;
    }
    /* As it came: the origin may have called encoded what is not. But what we have asked for was not published. */
    if (p->decode == DECODE_FILE_NONE && !(p->as_published && p->compress))
        return 0;
    if (a->encoding.text && decode_plan_add(&a->task.decode, a->encoding.text, &err) < 0) {
        attempt_fail(a, KIND_DECODE_ERROR, "%s", err.text);
        return -EINVAL;
    }
    return 0;
}

void encoding_note(struct attempt *a, const char *data, size_t len)
{
    struct encoding *e = &a->encoding;
    size_t room = sizeof e->head - e->head_len, n = len < room ? len : room;
    memcpy(e->head + e->head_len, data, n);
    e->head_len += n;
}

bool encoding_noted(const struct attempt *a)
{
    return a->encoding.head_len == sizeof a->encoding.head;
}

/* Programs get a file as it is unless its format was named: they may well begin with zcat. */
static bool leaves_files(const struct attempt *a)
{
    const struct process_def *process = a->spec->parser->process;
    return a->spec->run || (process && process->stage_count > 0);
}

bool encoding_may_vouch(const struct attempt *a)
{
    const struct decode_plan *plan = &a->task.decode;
    if (plan->coding_count > 0)
        return true;
    if (plan->file == DECODE_FILE_AUTO && leaves_files(a))
        return false;
    if (plan->file == DECODE_FILE_AUTO)
        return decode_sniff(a->encoding.head, a->encoding.head_len) >= 0;
    return plan->file != DECODE_FILE_NONE;
}

const char *encoding_remedy(const struct attempt *a)
{
    static const char *const remedies[DECODE_CODINGS_] = {
        [DECODE_GZIP] = ", and so would `decode = gzip`",
        [DECODE_BZIP2] = ", and so would `decode = bzip2`",
        [DECODE_XZ] = ", and so would `decode = xz`",
        [DECODE_ZSTD] = ", and so would `decode = zstd`",
    };
    int coding = decode_sniff(a->encoding.head, a->encoding.head_len);
    return coding >= 0 && leaves_files(a) ? remedies[coding] : "";
}
