/* What an origin says back of what it was asked. The secret of a credential was in the request, and
 * some origins repeat their request's URL or headers in their answer: in Content-Location, say.
 * Where an answer's fields go from here (into an error and so into the log, into the store, to a
 * parser) the secret must not. */
#ifndef PENSTOCK_ATTEMPT_ECHO_H
#define PENSTOCK_ATTEMPT_ECHO_H

#include "fetch/request.h"
#include "terms/credential.h"

/* The fields of the response, with asterisks for the credential's secrets: one newly allocated
 * block, NULL without memory. What is read as a date, a range or a digest, and shown nowhere, stays
 * as it is. */
struct transfer_header *echo_redact(const struct credential *c,
                                    const struct transfer_response *response);

#endif
