/* The cookies of one chain of requests: what a redirect sets, the next requests of the chain say
 * back, to whom RFC 6265 and the list of public suffixes allow. In memory, and gone with the chain.
 *
 * libcurl's own engine, in a share that is lent to one easy handle after the other. They may be of
 * several fetch loops, so nothing is locked: the requests of a chain follow one another, and what
 * hands the chain on from thread to thread (a mail) orders what they do. The list of public
 * suffixes is a file that libcurl reads once in three days. */
#ifndef PENSTOCK_FETCH_COOKIES_H
#define PENSTOCK_FETCH_COOKIES_H

#include "fetch/transfer.h"

#include <curl/curl.h>
#include <stddef.h>

#define COOKIES_MAX (256 * 1024) /* bytes of all Set-Cookie fields of a chain */

struct cookies;

struct cookies *cookies_new(void);          /* NULL: out of memory */
void cookies_free(struct cookies *cookies); /* lent to nobody; takes NULL */

/* Before a request, and after it. 0 or -ENOMEM. */
int cookies_lend(struct cookies *cookies, CURL *easy);
void cookies_take_back(CURL *easy); /* of one that has none, too */

/* What a response sets is counted. 0, or -E2BIG: the chain has more than COOKIES_MAX. */
int cookies_count(struct cookies *cookies, const struct transfer_header *headers, size_t count);

#endif
