/* A response in the making: what origin_plan.c decides and origin_head.c writes down. */
#ifndef TESTS_SUPPORT_ORIGIN_PLAN_H
#define TESTS_SUPPORT_ORIGIN_PLAN_H

#include "support/origin_response.h"

struct plan {
    struct response *response;
    const struct request *request;
    uint64_t seq;
    int status;
    bool ranged;
    uint64_t range_start, range_end, range_total; /* as Content-Range will say; end is inclusive */
    const char *location;
    char *location_owned;
    char etag[96], modified[40], date[40]; /* "": the field is not sent */
    char digest[64];                       /* base64 of the SHA-256; "" for none */
};

/* Does a response with this status have a body (RFC 9110, 6.4.1)? */
bool plan_has_body(int status);
const char *plan_reason(int status);
/* Writes the head, 1xx heads included. 0 or -ENOMEM. */
int plan_head(struct plan *plan);

#endif
