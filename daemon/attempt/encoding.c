#include "attempt/encoding.h"

#include "base/buf.h"
#include "flow/decode_plan.h"
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

/* The field's values, those of several lines joined (RFC 9110, 5.3), "identity" and nothing being
 * the same. 0 and a newly allocated string or NULL; or -ENOMEM. */
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
    *ret_text = b.len > 0 ? buf_steal(&b) : NULL;
    buf_deinit(&b);
    return failed ? -ENOMEM : 0;
}

int encoding_plan(struct encoding *e, const struct spec *spec, uint64_t max_ratio,
                  uint64_t max_window, const struct transfer_response *response, struct error *err)
{
    const struct job_params *p = &spec->effective;
    e->plan = (struct decode_plan){.file = (enum decode_file)p->decode,
                                   .max_decoded = p->max_decoded,
                                   .max_ratio = max_ratio,
                                   .max_window = max_window};
    e->wanted = (struct charset_plan){.replace = p->charset_errors == CHARSET_ERRORS_REPLACE};
    if (p->charset)
        snprintf(e->wanted.option, sizeof e->wanted.option, "%s", p->charset);
    if (joined(response, &e->text) < 0)
        return -ENOMEM;
    /* As it came: the origin may have called encoded what is not. But what we have asked for was
     * not published. */
    if (p->decode == DECODE_FILE_NONE && !(p->as_published && p->compress))
        return 0;
    return e->text ? decode_plan_add(&e->plan, e->text, err) : 0;
}

void encoding_note(struct encoding *e, const char *data, size_t len)
{
    size_t room = sizeof e->head - e->head_len, n = len < room ? len : room;
    memcpy(e->head + e->head_len, data, n);
    e->head_len += n;
}

bool encoding_noted(const struct encoding *e)
{
    return e->head_len == sizeof e->head;
}

/* Programs get a file as it is unless its format was named: they may well begin with zcat. */
static bool leaves_files(const struct spec *spec)
{
    const struct process_def *process = spec->parser->process;
    return spec->run || (process && process->stage_count > 0);
}

bool encoding_may_vouch(const struct encoding *e, const struct spec *spec)
{
    const struct decode_plan *plan = &e->plan;
    if (plan->coding_count > 0)
        return true;
    if (plan->file == DECODE_FILE_AUTO && leaves_files(spec))
        return false;
    if (plan->file == DECODE_FILE_AUTO)
        return decode_sniff(e->head, e->head_len) >= 0;
    return plan->file != DECODE_FILE_NONE;
}

const char *encoding_remedy(const struct encoding *e, const struct spec *spec)
{
    static const char *const remedies[DECODE_CODINGS_] = {
        [DECODE_GZIP] = ", and so would `decode = gzip`",
        [DECODE_BZIP2] = ", and so would `decode = bzip2`",
        [DECODE_XZ] = ", and so would `decode = xz`",
        [DECODE_ZSTD] = ", and so would `decode = zstd`",
    };
    int coding = decode_sniff(e->head, e->head_len);
    return coding >= 0 && leaves_files(spec) ? remedies[coding] : "";
}
