/* What every command of the client works with, and the commands. Each returns an exit status
 * (out.h) and has then said on standard error what there is to say. */
#ifndef PENSTOCK_CTL_CTL_H
#define PENSTOCK_CTL_CTL_H

#include "ctl/args.h"
#include "ctl/conn.h"

#include <stdbool.h>

struct ctl {
    struct args args;
    struct conn conn; /* opened by ctl_connect */
    bool json;
};

/* 0, or an exit status after a message. */
int ctl_connect(struct ctl *ctl);

/* Connects if that has not been done, sends one request (takes ownership of params) and waits for
 * the answer. 0: there is a result; else an exit status after a message, and nothing to deinit. */
int ctl_ask(struct ctl *ctl, const char *method, json_t *params, struct answer *ret_answer);

/* Prints why the daemon refused a request. EXIT_USAGE if what was typed is wrong, else
 * EXIT_REFUSED. */
int ctl_refused(struct ctl *ctl, int code, const char *field, const char *message);

/* Prints the sentence; returns EXIT_USAGE for -EINVAL, else EXIT_REFUSED. */
int ctl_fail(int code, const struct error *err);

/* The raw text of an answer's result as a line (--json). */
void ctl_put_raw(const struct answer *answer);

/* The worse of two exit statuses: interrupted, refused, usage, failed, well. */
int ctl_worse(int a, int b);

#endif
