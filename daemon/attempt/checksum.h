/* The digests of a body as it arrives: the one that the job asks for or demands, and those that the
 * response itself names. Part of an attempt; its fetch loop's while a transfer is under way.
 *
 * Read are Repr-Digest and Content-Digest (RFC 9530) and the older Digest (RFC 3230), of the
 * algorithms sha-256 and sha-512; others, and what is malformed, are passed over as those RFCs want
 * it. Content-Digest is of the content as it was sent; the other two of the selected
 * representation, which is the same thing in a 200 or 203. */
#ifndef PENSTOCK_ATTEMPT_CHECKSUM_H
#define PENSTOCK_ATTEMPT_CHECKSUM_H

#include "base/error.h"
#include "fetch/request.h"
#include "flow/message_digest.h"

#include <stdbool.h>
#include <stddef.h>

#define CHECKSUM_ALGORITHMS 3
#define CHECKSUM_WANTED     7 /* the job's, and three headers with two algorithms each */

struct checksum {
    struct {
        struct digest *digest; /* NULL: this algorithm is not needed */
        char hex[DIGEST_HEX_SIZE];
    } running[CHECKSUM_ALGORITHMS];
    struct {
        const char *source; /* the header's name, or "digest" */
        int algorithm;
        char hex[DIGEST_HEX_SIZE];
    } wanted[CHECKSUM_WANTED];
    size_t wanted_count;
    int asked;     /* the job's algorithm; -1: none */
    bool demanded; /* by the job */
};

/* `asked`: NULL, "sha256" or "sha256:HEX". 0 or -ENOMEM. */
int checksum_init(struct checksum *c, const char *asked);
void checksum_deinit(struct checksum *c);

/* The response whose body begins. 0 or -ENOMEM. */
int checksum_headers(struct checksum *c, const struct transfer_response *response);

/* Has checksum_update anything to do? */
bool checksum_runs(const struct checksum *c);

/* 0 or -EIO (libcrypto failed). */
int checksum_update(struct checksum *c, const void *data, size_t len);

/* All of it was there. 0, and *ret_checked says whether there was anything to compare it with;
 * -EBADMSG with a message in *err: it is another body; -EIO. Once. */
int checksum_final(struct checksum *c, bool *ret_checked, struct error *err);

/* The job's algorithm and its hexadecimal value, once final; or NULL. */
const char *checksum_asked(const struct checksum *c, const char **ret_hex);

#endif
