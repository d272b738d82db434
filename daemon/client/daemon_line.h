/* What the daemon says on one line. */
#ifndef PENSTOCK_CLIENT_DAEMON_LINE_H
#define PENSTOCK_CLIENT_DAEMON_LINE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* One line, read as an answer. */
struct answer {
    json_t *root;                /* owned */
    uint64_t id;                 /* of the request; 0: none */
    json_t *result;              /* borrowed; NULL with an error */
    int code;                    /* of the error; 0: none */
    const char *message, *field; /* borrowed; field may be NULL */
    const char *text;            /* the raw line, borrowed */
    size_t len;
};
/* 0; 1: it is a notification; -EBADMSG: it is neither. */
int answer_read(const char *line, size_t len, struct answer *ret_answer);
void answer_deinit(struct answer *answer);

#endif
