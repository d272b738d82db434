/* Conditional requests (RFC 9110, 13): "send it unless it is what I had". Part of an attempt; for
 * jobs of schedules. The validators of the last body that was taken whole go out with the request;
 * 304 means that there is nothing to do, and so does a 200 with the same strong entity tag. They
 * are only good for the URL that gave them, so a hop to another one goes without; it is known by a
 * digest, as a URL may hold what no database should.
 *
 * What was modified within a second of the response can change again within that second: its date
 * stays the same then, and so does a tag that is made of time and size, as those of five of the
 * common servers are. Neither is kept: the next request is not conditional, and the one after it is
 * again. */
#ifndef PENSTOCK_ATTEMPT_CONDITION_H
#define PENSTOCK_ATTEMPT_CONDITION_H

#include "fetch/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define CONDITION_HEADERS 2

struct validators {
    char *etag, *modified; /* as the origin wrote them, or NULL */
    char *page;            /* a digest of the URL that gave them */
};

struct condition {
    struct validators known; /* set before the first hop */
    bool noting;             /* those of the response are wanted; the same */
    /* The fetch loop's while a transfer is under way. */
    char *headers[CONDITION_HEADERS];
    bool asked; /* the request under way is conditional */
    bool unchanged;
    bool renewed; /* unchanged, and `seen` takes the place of `known` */
    struct validators seen;
};

/* Copies all: 0 or -ENOMEM. */
int condition_init(struct condition *c, const char *etag, const char *modified, const char *page);
void condition_deinit(struct condition *c); /* takes a zeroed one */

/* Before a request to `url`: appends what makes it conditional, CONDITION_HEADERS at most, and
 * returns how many. The strings stay the condition's. */
size_t condition_ask(struct condition *c, const char *url, const char **headers);

/* Is this the answer that there is nothing new? What it says of its validators is noted. `now`:
 * seconds since 1970, for a response that does not say when it was made. */
bool condition_holds(struct condition *c, const struct transfer_response *response, time_t now);

/* Keeps the validators of a response, of this URL, whose body goes to the parser. Without memory
 * there are none. */
void condition_note(struct condition *c, const struct transfer_response *response, const char *url,
                    time_t now);

#endif
