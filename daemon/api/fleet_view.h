/* The fleet as its members see it, as JSON: what `fleet` answers, and what `top` and `stats` have
 * of it. Control loop. */
#ifndef PENSTOCK_API_FLEET_VIEW_H
#define PENSTOCK_API_FLEET_VIEW_H

#include "job/fleet.h"

#include <jansson.h>

/* Of a daemon in a fleet. Each is the caller's; NULL: out of memory. */
json_t *fleet_view(const struct jobs *jobs);
json_t *fleet_view_members(const struct jobs *jobs);
/* This member, as it stands there. */
json_t *fleet_view_self(const struct jobs *jobs);

#endif
