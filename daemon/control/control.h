/* The control socket: listens, and gives every client a session. All on the control loop.
 *
 * Whoever wants much waits for those who want little. In each turn of the loop a bounded time goes
 * to what clients have sent; clients whose requests take longer than their share of it are served
 * behind the others. Of the lines that are longer than SESSION_BIG_INPUT so many come in at once as
 * BIG_LINES, each within BIG_SECONDS if others wait.
 *
 * Too many clients (max_clients): the next one gets an error and is closed. No descriptor or memory
 * for another: clients wait in the kernel's queue until a session has closed, or for a second; told
 * once. */
#ifndef PENSTOCK_CONTROL_CONTROL_H
#define PENSTOCK_CONTROL_CONTROL_H

#include "api/api.h"
#include "base/error.h"

#include <sys/types.h>
#include <uv.h>

#define CONTROL_RESERVE 8 /* connections beyond control.max_clients, for who must mend things */

struct control;

/* Strings are borrowed: path and group until control_new returns, the others for the control's
 * life. */
struct control_config {
    uv_loop_t *loop;
    struct api *api;
    const char *path;  /* control.socket */
    mode_t mode;       /* control.mode */
    const char *group; /* control.group, a name or a number; NULL: leave it */
    mode_t
        dir_mode; /* for a default path: makes the parent directory with it; 0: it must be there */
    int inherited_fd; /* a listening socket from the service manager (owned by it on success), or -1
                       */
    unsigned max_clients; /* 0 for 1,024 */
    /* Beyond max_clients so many of the daemon's own user and of root are let in, and of root twice
     * as many: who must mend things gets in. */
    int reserve;       /* 0: CONTROL_RESERVE; less: none */
    size_t memory_max; /* control.memory_max; 0: no bound */
    /* So long a client whose jobs wait for it (`backpressure`) may read nothing while others wait
     * for what they have; 0: a minute. Tests set less. */
    uint64_t still_ns;
    const char *instance;
    const char *version;
};

/* Listens from its return on. 0, or a negative errno with a message in *err with path and remedy;
 * -EADDRINUSE: another daemon lives there. */
int control_new(const struct control_config *config, struct control **ret_control,
                struct error *err);

/* No new connections: the socket is closed and (if it is ours) unlinked. Those that are there go
 * on. The lock is held until control_free, so that no second daemon starts meanwhile. Idempotent.
 */
void control_stop_accepting(struct control *control);

/* Ends: waits for nothing, abandons the calls under way, gives each client a second to take what
 * has been answered, and up to five while it goes on taking. `closed` runs once every call has come
 * back and all is freed: until then jobs must live, and its calls must be answered. */
void control_free(struct control *control, void (*closed)(void *arg), void *arg);

/* Connections now. */
unsigned control_clients(const struct control *control);

#endif
