/* One member of an archive, or one record of a WARC, as a body of its own: a parser reads it
 * through a FILE *, within the run of the parser that reads the archive, and on the same thread. */
#ifndef PENSTOCK_PARSE_MEMBER_H
#define PENSTOCK_PARSE_MEMBER_H

#include "flow/decode.h"
#include "parse/inner.h"
#include "parse/task.h"

/* A member's bytes: up to `size`; 0 at its end; -1 if they cannot be had, which the source then has
 * said to the outer run. */
typedef ssize_t (*member_source)(void *arg, char *data, size_t size);

struct member {
    struct parse_task *outer;
    const char *name; /* for messages: member "a.csv" */
    const char *head; /* what each record begins with: {"member":"a.csv" */
    const struct inner *inner;
    /* What the inner parser may ask about where its body comes from. */
    const char *url;
    int status;
    const struct parse_pair *headers;
    size_t header_count;
    struct decode_plan decode;
    const char *content_type; /* or NULL; for the charset of an inner parser that reads text */
    member_source source;
    void *arg;
};

/* Runs the parser over the member, to the member's end, and emits its records as
 * HEAD,"data":RECORD}. 0; or negative: the outer run has failed, and knows why. */
int member_run(const struct member *member);

#endif
