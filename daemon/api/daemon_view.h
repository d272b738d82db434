/* The daemon's figures and its parsers as JSON, for stats, top and parsers. NULL is out of
 * memory. */
#ifndef PENSTOCK_API_DAEMON_VIEW_H
#define PENSTOCK_API_DAEMON_VIEW_H

#include <jansson.h>

struct api;
struct jobs;
struct registry;

json_t *view_states(struct jobs *jobs);
json_t *view_workers(struct jobs *jobs);
json_t *view_fetch(struct jobs *jobs);
json_t *view_sinks(struct jobs *jobs);
json_t *view_stats(const struct api *api);
json_t *view_parsers(const struct registry *registry);

#endif
