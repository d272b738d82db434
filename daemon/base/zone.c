#include "base/zone.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <string.h>

#define NAME_MAX_LEN 64

/* A zone's name is a path below the system's zone files, and must stay there. */
static int check_name(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
    size_t len = strlen(name);
    bool letter = (name[0] | 0x20) >= 'a' && (name[0] | 0x20) <= 'z';
    return letter && len <= NAME_MAX_LEN && strspn(name, good) == len ? 0 : -ENOENT;
}

int zone_open(const char *name, struct zone **ret_zone)
{
    GTimeZone *tz;
    if (name && check_name(name) < 0)
        return -ENOENT;
    tz = name ? g_time_zone_new_identifier(name) : g_time_zone_new_local();
    if (!tz)
        return -ENOENT;
    *ret_zone = (struct zone *)tz;
    return 0;
}

void zone_free(struct zone *zone)
{
    if (zone)
        g_time_zone_unref((GTimeZone *)zone);
}

int64_t zone_offset(const struct zone *zone, int64_t utc)
{
    GTimeZone *tz = (GTimeZone *)(uintptr_t)zone;
    return g_time_zone_get_offset(tz, g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, utc));
}
