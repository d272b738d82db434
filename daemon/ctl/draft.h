/* A file that is written beside the one whose place it takes, so that whoever reads that one sees
 * what was there before, or all that is new. */
#ifndef PENSTOCK_CTL_DRAFT_H
#define PENSTOCK_CTL_DRAFT_H

#include <stdbool.h>

struct draft {
    const char *path; /* borrowed: whose place it takes */
    char *name;       /* owned: a hidden file beside it, without its ending; NULL: there is none */
    int fd;           /* -1: closed */
};

/* Makes it, for its owner alone (0600). 0 or a negative errno. */
int draft_open(struct draft *draft, const char *path);
/* Puts it in its place. Without `replace` nothing may stand there (-EEXIST). With `sync` it is on
 * the disk then, and so is its name. 0 or a negative errno, and the draft is still there. */
int draft_keep(struct draft *draft, bool replace, bool sync);
/* Removes what is left of it. */
void draft_close(struct draft *draft);

#endif
