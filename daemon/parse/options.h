/* The values of built-in parsers' options: read once by `check`, when a job is submitted, and again by
 * `parse`. Any thread. */
#ifndef PENSTOCK_PARSE_OPTIONS_H
#define PENSTOCK_PARSE_OPTIONS_H

#include "penstock/parser.h"

#include <stdbool.h>
#include <stddef.h>

/* Where values come from: the arguments of penstock_parser.check, or a run. A fault that is found is one
 * sentence in `message`; only the first is kept. */
struct options {
    const char *(*get)(void *arg, const char *name);
    void *arg;
    char *message;
    size_t size;
    bool wrong;
};

void options_init(struct options *o, const char *(*get)(void *arg, const char *name), void *arg,
                  char *message, size_t size);
/* For parse: the values have been checked. */
void options_of_run(struct options *o, struct penstock_run *run);

/* Each returns the value, or something harmless after a fault. */
size_t option_bytes(struct options *o, const char *name, size_t min, size_t max);
bool option_yes(struct options *o, const char *name);
/* The index of the value in a NULL-terminated list. */
int option_choice(struct options *o, const char *name, const char *const *choices);

void option_fault(struct options *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
