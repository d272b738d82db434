/* What a parser may ask about its run. */
#ifndef PENSTOCK_ATTEMPT_FACTS_H
#define PENSTOCK_ATTEMPT_FACTS_H

#include "fetch/request.h"
#include "parse/task.h"
#include "terms/spec.h"

/* Copies it into one block, newly allocated, that *ret_facts points into: an abandoned worker keeps
 * it when the job and the response are long gone. `shown_url`: NULL for the spec's own. 0 or
 * -ENOMEM. */
int facts_keep(const struct spec *spec, const char *shown_url,
               const struct transfer_response *response, struct parse_facts *ret_facts,
               void **ret_block);

#endif
