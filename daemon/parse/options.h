/* The values of built-in parsers' options: read once by `check`, when a job is submitted, and again
 * by `parse`. Any thread. */
#ifndef PENSTOCK_PARSE_OPTIONS_H
#define PENSTOCK_PARSE_OPTIONS_H

#include "penstock/parser.h"

#include <stdbool.h>
#include <stddef.h>

/* Where values come from: the arguments of penstock_parser.check, or a run. A fault that is found
 * is one sentence in `message`; only the first is kept. */
struct options {
    const char *(*get)(void *arg, const char *name);
    void *arg;
    char *message;
    size_t size;
    bool wrong;
};

/* Reads all options of a parser into its settings. */
typedef void options_reader(struct options *o, void *ret_settings);

/* All that penstock_parser.check has to do: reads into `scratch`, which has room for the settings.
 * Nonzero, with a message, if a value is wrong. */
int options_check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                  size_t size, options_reader *read, void *scratch);
/* For penstock_parser.parse: the values have been checked before. True if one is wrong all the
 * same, as after a failed allocation. */
bool options_of_run(struct penstock_run *run, options_reader *read, void *ret_settings);

/* Each returns the value, or something harmless after a fault. */
size_t option_bytes(struct options *o, const char *name, size_t min, size_t max);
bool option_yes(struct options *o, const char *name);
/* The index of the value in a NULL-terminated list. */
int option_choice(struct options *o, const char *name, const char *const *choices);

void option_fault(struct options *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
