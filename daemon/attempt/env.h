/* What all attempts share; it outlives them. Immutable while any is there, but for what a reload
 * changes between two attempts (the proxy). */
#ifndef PENSTOCK_ATTEMPT_ENV_H
#define PENSTOCK_ATTEMPT_ENV_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct fetch;
struct mailbox;
struct pipe_budget;
struct pool;
struct proxy;
struct sink;

struct attempt_env {
    struct mailbox *control;
    struct fetch *fetch;
    struct pool *pool;
    struct sink *sink;
    size_t pipe_size;
    struct pipe_budget *pipe_budget;
    size_t max_record;
    uint64_t decode_ratio, decode_window; /* as in struct decode_plan */
    uint64_t max_header;
    uint64_t resume_delay; /* ns before the first resume; doubles while they are fruitless */
    const struct proxy *proxy;
    uv_loop_t *loop; /* the control loop's, for what must be read before a hop */
    const char *spool_dir;
    uint64_t spool_max;
};

#endif
