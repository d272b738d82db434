#include "attempt/verify.h"

#include "attempt/answer.h"

#include <assert.h>
#include <errno.h>

/* 0, or -EINVAL with the cause set. May raise `verified`. */
static int check_digest(struct download *d)
{
    bool checked = false;
    struct error err;
    int r = checksum_final(&d->checksum, &checked, &err);
    if (r < 0) {
        cause_fail(d->cause, r == -EBADMSG ? KIND_DIGEST_MISMATCH : KIND_INTERNAL, "%s", err.text);
        return -EINVAL;
    }
    if (checked && d->verified == VERIFIED_NONE)
        d->verified = VERIFIED_DIGEST;
    return 0;
}

bool verify_open_end(const struct download *d)
{
    return d->verified == VERIFIED_NONE && d->spec->effective.unverified == UNVERIFIED_FAIL;
}

static int check_rest(struct download *d)
{
    struct error why;
    int r = resume_whole(&d->resume, progress_bytes(d->progress), &why);
    if (r < 0)
        answer_fail_rest(d, &why);
    else if (d->resume.count > 0 && d->resume.total >= 0 && d->verified == VERIFIED_NONE)
        d->verified = VERIFIED_LENGTH; /* of Content-Range: it need not have been told before */
    return r;
}

int verify_whole(struct download *d)
{
    const struct job_params *p = &d->spec->effective;
    uint64_t bytes = progress_bytes(d->progress);
    assert(fetch_loop_is_current(d->loop));
    d->verified = d->end.verified;
    if (check_rest(d) < 0)
        return -EINVAL;
    if (check_digest(d) < 0)
        return -EINVAL;
    if (verify_open_end(d) && !encoding_may_vouch(&d->encoding, d->spec)) {
        cause_fail(
            d->cause, KIND_UNVERIFIED_END,
            "the connection's close ended the body (%llu bytes), and nobody can tell whether it is "
            "whole; `unverified = accept` takes it as it is, `digest` would check it%s",
            (unsigned long long)bytes, encoding_remedy(&d->encoding, d->spec));
        return -EINVAL;
    }
    if (bytes < p->min_bytes) {
        cause_fail(d->cause, KIND_UNEXPECTED,
                   "min_bytes: the body has %llu bytes, at least %llu were expected",
                   (unsigned long long)bytes, (unsigned long long)p->min_bytes);
        return -EINVAL;
    }
    return 0;
}
