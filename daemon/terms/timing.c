#include "terms/timing.h"

#include "base/config.h"
#include "base/units.h"

#include <errno.h>
#include <string.h>

#define SECOND      INT64_C(1000000)
#define LEAST       (SECOND / 10)
#define MOST        (INT64_C(3660) * 86400 * SECOND)
#define JITTER      (300 * SECOND) /* of `every` */
#define JITTER_CRON (30 * SECOND)

/* A duration as a number of seconds or as text. */
static int read_duration(const json_t *value, bool none_ok, int64_t *ret_us, struct error *err)
{
    uint64_t ns;
    double seconds = json_number_value(value);
    const char *text = json_string_value(value);
    if (json_is_number(value)) {
        if (!(seconds >= 0) || seconds > (double)MOST / 1e6)
            return error_set(err, -EINVAL, "seconds from 0 to ten years are meant");
        *ret_us = (int64_t)(seconds * 1e6);
        return 0;
    }
    if (!text || strlen(text) != json_string_length(value))
        return error_set(err, -EINVAL,
                         "write \"90s\", \"5min\", \"1h\", \"1d\" or a number of seconds");
    int r = parse_duration(text, none_ok, &ns, err);
    if (r < 0)
        return r;
    if (ns / 1000 > (uint64_t)MOST)
        return error_set(err, -EINVAL, "it is more than ten years");
    *ret_us = (int64_t)(ns / 1000);
    return 0;
}

static int read_every(const json_t *value, struct timing *t, struct error *err)
{
    int r = read_duration(value, false, &t->every, err);
    if (r == 0 && t->every < LEAST)
        r = error_set(err, -EINVAL, "it is less than 100ms");
    t->jitter = t->every < JITTER ? t->every : JITTER;
    return r;
}

static int read_cron(const json_t *value, struct timing *t, struct error *err)
{
    const char *text = json_string_value(value);
    if (!text || strlen(text) != json_string_length(value))
        return error_set(err, -EINVAL, "write an expression, as \"30 2 * * mon-fri\"");
    t->jitter = JITTER_CRON;
    return cron_parse(text, &t->cron, err);
}

static int read_zone(const json_t *value, struct timing *t, struct error *err)
{
    const char *text = json_string_value(value);
    int r = text && strlen(text) == json_string_length(value) ? zone_open(text, &t->zone) : -ENOENT;
    if (r == 0)
        return 0;
    if (r == -ENOMEM)
        return error_set(err, r, "out of memory");
    return error_set(err, -EINVAL,
                     "there is no zone '%.64s'; write one as \"Europe/Berlin\" or \"UTC\"",
                     text ? text : "");
}

static int read_jitter(const json_t *value, struct timing *t, struct error *err)
{
    int r = read_duration(value, true, &t->jitter, err);
    if (r == 0 && t->every && t->jitter > t->every)
        r = error_set(err, -EINVAL, "it is longer than `every`");
    return r;
}

static int field_of(const json_t *schedule, const char *name,
                    int (*read)(const json_t *, struct timing *, struct error *), struct timing *t,
                    struct error *err, const char **ret_field)
{
    struct error why;
    const json_t *value = json_object_get(schedule, name);
    if (!value)
        return 0;
    int r = read(value, t, &why);
    if (r < 0)
        *ret_field = name;
    return r < 0 ? error_set(err, r, "%s: %s", name, why.text) : 0;
}

int timing_parse(const json_t *schedule, struct timing *ret_timing, struct error *err,
                 const char **ret_field)
{
    struct timing t = {0};
    bool every = json_object_get(schedule, "every"), cron = json_object_get(schedule, "cron");
    *ret_field = "every";
    if (every == cron)
        return error_set(
            err, -EINVAL,
            every ? "every: it and `cron` are both there; give one of them"
                  : "every: it is missing; give `every` (\"5min\") or `cron` (\"0 3 * * *\")");
    *ret_field = "timezone";
    if (every && json_object_get(schedule, "timezone"))
        return error_set(err, -EINVAL, "timezone: it goes with `cron` only");
    *ret_field = NULL;
    int r = field_of(schedule, "every", read_every, &t, err, ret_field);
    if (r == 0)
        r = field_of(schedule, "cron", read_cron, &t, err, ret_field);
    if (r == 0)
        r = field_of(schedule, "timezone", read_zone, &t, err, ret_field);
    if (r == 0)
        r = field_of(schedule, "jitter", read_jitter, &t, err, ret_field);
    if (r == 0 && cron && !t.zone)
        r = zone_open(NULL, &t.zone);
    if (r < 0) {
        timing_deinit(&t);
        return r;
    }
    *ret_timing = t;
    return 0;
}

void timing_deinit(struct timing *timing)
{
    zone_free(timing->zone);
    *timing = (struct timing){0};
}

/* FNV-1a, and its bits mixed (as in MurmurHash3): names that differ in their last letter lie far
 * apart. */
static uint64_t hash(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

int64_t timing_offset(const struct timing *timing, const char *name)
{
    return timing->jitter > 0 ? (int64_t)(hash(name) % (uint64_t)timing->jitter) : 0;
}

static int64_t next_cron(const struct timing *t, const char *name, int64_t now)
{
    int64_t offset = timing_offset(t, name), from = now - offset;
    /* Whole seconds below `from`, so that one within this second is not passed over. */
    int64_t seconds = from / SECOND - (from % SECOND < 0);
    int64_t at = cron_next(&t->cron, t->zone, seconds) * SECOND + offset;
    return at > now ? at : cron_next(&t->cron, t->zone, seconds + 1) * SECOND + offset;
}

int64_t timing_first(const struct timing *timing, const char *name, int64_t now)
{
    if (!timing->every)
        return next_cron(timing, name, now);
    return now + 1 + timing_offset(timing, name);
}

int64_t timing_next(const struct timing *timing, const char *name, int64_t due, int64_t now)
{
    if (!timing->every)
        return next_cron(timing, name, now > due ? now : due);
    int64_t periods = now >= due ? (now - due) / timing->every + 1 : 1;
    return due + periods * timing->every;
}

bool timing_too_far(const struct timing *timing, const char *name, int64_t due, int64_t now)
{
    if (timing->every)
        return due > now + timing->every + timing->jitter + SECOND;
    return due > next_cron(timing, name, next_cron(timing, name, now));
}
