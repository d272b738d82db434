/* Time zones by their names: the offset of local time at any moment. libc has only one zone a
 * process, and setting TZ is nothing for a program with threads, so the system's zone files are
 * read here.
 *
 * Any thread, the control loop included: a zone's file has a few KiB (the name cannot lead
 * elsewhere), and opening one that nobody holds open takes 0.05 to 2 ms; one that is open is
 * shared. */
#ifndef PENSTOCK_BASE_ZONE_H
#define PENSTOCK_BASE_ZONE_H

#include <stdint.h>

struct zone;

/* "Europe/Berlin", "UTC"; NULL: the process's own (TZ, else /etc/localtime). 0; -ENOENT: there is
 * none of that name; or -ENOMEM. */
int zone_open(const char *name, struct zone **ret_zone);
void zone_free(struct zone *zone); /* takes NULL */

/* Seconds to add to `utc` (seconds since 1970) for local time: 3600 for an hour east of
 * Greenwich. */
int64_t zone_offset(const struct zone *zone, int64_t utc);

#endif
