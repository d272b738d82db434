/* Processes connected by pipes, as a shell's `a | b | c`: started, watched and, above all, killed.
 *
 * For a program of one thread that is a child subreaper (pipeline_adopt): penstock-host, and
 * penstockctl's `run`. Descriptors: the caller's stay the caller's; each stage has 0, 1 and 2 and
 * nothing else.
 *
 * In one respect this is more than a shell's: of each pipe between two stages the struct holds the
 * write end as well, and closes it only once the stage before it has ended well. So a stage never
 * takes a crash of the one before it for the end of its input; where one fails, the others are
 * killed before they could meet one. */
#ifndef PENSTOCK_FLOW_PIPELINE_H
#define PENSTOCK_FLOW_PIPELINE_H

#include "base/error.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PIPELINE_STAGES 32 /* at most */

/* --- running ---------------------------------------------------------------------------------- */

/* What a stage may use; 0: as it is inherited. */
struct pipeline_limits {
    uint64_t memory;     /* bytes of address space (RLIMIT_AS) */
    uint64_t cpu_time;   /* seconds */
    uint64_t file_size;  /* bytes of each file it writes */
    uint64_t open_files; /* soft and hard */
    uint64_t soft_files; /* only the soft limit of open files: what the daemon found at its start */
};

struct pipeline_config {
    char *const *const *stages; /* argument lists; a command without a / is sought in $PATH */
    size_t count;               /* 1 … PIPELINE_STAGES */
    int in, out, err;           /* borrowed: 0 of the first, 1 of the last, 2 of all */
    const struct pipeline_limits *limits; /* or NULL */
    int oom_score_adj;                    /* see proc(5); raised to this if it is above 0 */
    /* Should the caller itself be killed: false, the kernel kills the stages then, one after
     * another; true, it leaves them to the caller's parent, which can do so without any of them
     * meeting an end. */
    bool outlive;
    /* Signals that are to be ignored in the stages; all others get their default action. NULL:
     * none. */
    const sigset_t *ignored;
};

struct pipeline_stage {
    pid_t pid;
    bool running;
    bool memory_full; /* it came near limits.memory: a failure is probably that */
    int status;       /* as of waitpid(2), once it is not running any more */
    int hold; /* the write end of the pipe to the next stage; -1: closed, or there is none */
};

struct pipeline {
    struct pipeline_stage stages[PIPELINE_STAGES];
    size_t count, running;
    pid_t group;     /* all stages' process group; 0 before the first */
    uint64_t memory; /* limits.memory */
};

/* Sets them for the calling process. 0 or -errno. */
int pipeline_limit(const struct pipeline_limits *limits);

/* Makes the calling process the one that orphaned descendants fall to, however they were orphaned,
 * and takes from all of them the means to become another user (no_new_privs), whom it could not
 * kill. Prepares for killing. 0 or -errno. */
int pipeline_adopt(void);

/* Starts the stages with default signals (but for those to be ignored), nothing blocked, in a
 * process group of their own. 0; or a negative errno, *ret_stage = the stage that could not be
 * started (or `count` if none is to blame) with a message in *err; then those before it run and are
 * the caller's to kill (pipeline_kill_all). */
int pipeline_start(struct pipeline *p, const struct pipeline_config *config, size_t *ret_stage,
                   struct error *err);

/* Reaps every child that has ended (also what was adopted), without waiting. Stages that ended have
 * their status and are not `running`. To be called at SIGCHLD. */
void pipeline_reap(struct pipeline *p);

/* Kills every descendant of the calling process and waits until none is left: those that left the
 * group, the session or their parent included. Returns only then. All of them are stopped before
 * the first is killed, so that none meets the end of a pipe because another one died. Closes what
 * the struct holds. */
void pipeline_kill_all(struct pipeline *p);

/* The index of the stage that makes the pipeline fail, of those that have ended: the last one that
 * did not exit with 0, as with a shell's pipefail; but one that SIGPIPE ended is excused, as a
 * stage behind it was content without the rest. `count`: none. */
size_t pipeline_failed(const struct pipeline *p);

#endif
