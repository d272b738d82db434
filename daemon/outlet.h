/* From the [sink] sections to the targets of the sink, and the standard output that they may ask
 * for. */
#ifndef PENSTOCK_OUTLET_H
#define PENSTOCK_OUTLET_H

#include "base/error.h"
#include "record/sink.h"
#include "terms/settings.h"

struct sink_targets;

/* The sink gets a private duplicate of descriptor 1, which itself becomes standard error, so that a
 * stray printf of somebody's library tears no line. It stays open whether a sink writes to it or
 * not: a reload may want it. Immutable once open. */
struct outlet {
    int out;
};

int outlet_open(struct outlet *outlet, struct error *err);
void outlet_close(struct outlet *outlet);

/* The sink of a daemon that starts. `config` lacks the targets. 0, or a negative errno with a
 * message in *err. */
int outlet_sink(const struct outlet *outlet, const struct settings *settings,
                const struct sink_config *config, struct sink **ret_sink, struct error *err);

/* For sink_switch: what `settings` want, where `now` are those that the sink lives by. Takes as
 * long as opening files does; any thread. 0, or a negative errno with a message in *err. */
int outlet_targets(const struct outlet *outlet, const struct settings *settings,
                   const struct settings *now, struct sink_targets **ret_targets,
                   struct error *err);

#endif
