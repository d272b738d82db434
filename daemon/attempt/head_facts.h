/* What the head of an answer says, for who asked for nothing else (the method `head`). A fetch
 * loop's while the download runs, the control loop's after it. */
#ifndef PENSTOCK_ATTEMPT_HEAD_FACTS_H
#define PENSTOCK_ATTEMPT_HEAD_FACTS_H

#include "base/buf.h"
#include "fetch/request.h"

#include <stdbool.h>
#include <stdint.h>

struct resume;

struct head_facts {
    int version;    /* of HTTP: 10, 11, 20, 30; 0: there was no answer, and no more is known */
    int64_t length; /* -1: not told */
    /* Fields as they came, cut if they are longer; "": not there. */
    char type[128], encoding[64], etag[256], modified[64], ranges[64], retry_after[64];
    bool proxied; /* the last request went to a proxy: download_start sets it */
};

/* The answer that no redirect leads away from. */
void head_facts_note(struct head_facts *facts, const struct transfer_response *response);

/* The verdict's member `head`. `resume`: what resume_note made of the answer. */
void head_facts_put(struct buf *line, const struct head_facts *facts,
                    const struct transfer_result *end, const struct resume *resume);
#define HEAD_FACTS_ROOM 8192 /* bytes of it at most */

#endif
