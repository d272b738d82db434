/* The command line, read: which command, its operands, its options. */
#ifndef PENSTOCK_CTL_ARGS_H
#define PENSTOCK_CTL_ARGS_H

#include "base/error.h"
#include "ctl/option_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctl;

struct command {
    const char *name;
    const char *synopsis;        /* what follows the name */
    const char *summary;         /* one line */
    const char *more;            /* for its own help; NULL */
    unsigned groups;             /* of the options that it takes, besides GROUP_GLOBAL */
    size_t min, max;             /* operands */
    bool hidden;                 /* not in the list: for daemons newer than this client */
    int (*run)(struct ctl *ctl); /* an exit status; NULL: it is `help` (penstockctl.c) */
};

struct given {
    enum opt opt;
    const char *value; /* NULL for a flag */
};

struct args {
    const struct command *command; /* NULL: none was named */
    const char **operands;         /* these borrow from argv */
    size_t operand_count;
    size_t rest;         /* the first operand behind `--`; SIZE_MAX: there was none */
    struct given *given; /* in order */
    size_t given_count;
};

/* Reads argv[1…] by the commands, which end with a NULL name. Options stand anywhere; `--` ends
 * them. 0, -ENOMEM, or -EINVAL with a message in *err. Whatever it returns, args_deinit. */
int args_parse(struct args *args, const struct command *commands, int argc, char **argv,
               struct error *err);
void args_deinit(struct args *args);

/* The command of this name. NULL: there is none, with a message in *err. */
const struct command *args_command(const struct command *commands, const char *name,
                                   struct error *err);

bool args_has(const struct args *args, enum opt opt);

/* The last value of an option; NULL if it was not given. */
const char *args_value(const struct args *args, enum opt opt);

/* Is an option of one of these groups among them? */
bool args_has_group(const struct args *args, unsigned groups);

/* The last value of an option as a number from 1; without it *ret stays as it is. 0, or -EINVAL
 * with a message in *err. */
int args_number(const struct args *args, enum opt opt, uint64_t *ret, struct error *err);

/* Operand i as a job's id. 0, or -EINVAL with a message in *err. */
int args_id(const struct args *args, size_t i, uint64_t *ret_id, struct error *err);

#endif
