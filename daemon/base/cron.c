/* Local times are counted like UTC's ("naive" seconds), so that a day has 86,400 of them, whatever
 * the clocks do; first_moment says when a naive time comes. */
#include "base/cron.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DAY   INT64_C(86400)
#define YEARS (9 * 366 * DAY) /* 29 February comes within eight, but that of 2100 is left out */

/* --- reading ---------------------------------------------------------------------------------- */

struct field {
    const char *name;
    int min, max;
    const char *names; /* three letters each, for `min` on; NULL */
};

static const struct field fields[] = {
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day", 1, 31, NULL},
    {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {"weekday", 0, 7, "sunmontuewedthufrisat"},
};
enum { MINUTE, HOUR, MONTH_DAY, MONTH, WEEKDAY, FIELDS };

static int read_name(const struct field *f, const char *p, int *ret_value)
{
    for (int i = 0; f->names && f->names[3 * i]; i++)
        if (strncasecmp(p, f->names + 3 * i, 3) == 0) {
            *ret_value = f->min + i;
            return 3;
        }
    return 0;
}

/* A number or a name; how many characters it takes, 0 if it is neither. */
static int read_value(const struct field *f, const char *p, int *ret_value)
{
    int n = 0, value = 0;
    if (!isdigit((unsigned char)*p))
        return read_name(f, p, ret_value);
    for (; isdigit((unsigned char)p[n]) && n < 4; n++)
        value = value * 10 + (p[n] - '0');
    *ret_value = value;
    return n;
}

/* "*", "a" or "a-b". Where it ends; NULL: it is none of them. */
static const char *read_range(const struct field *f, const char *p, int *ret_from, int *ret_to)
{
    int n;
    if (*p == '*') {
        *ret_from = f->min;
        *ret_to = f->max;
        return p + 1;
    }
    n = read_value(f, p, ret_from);
    *ret_to = *ret_from;
    if (n == 0)
        return NULL;
    p += n;
    if (*p != '-')
        return p;
    n = read_value(f, p + 1, ret_to);
    return n > 0 ? p + 1 + n : NULL;
}

static int wrong(const struct field *f, const char *text, const char *why, struct error *err)
{
    return error_set(err, -EINVAL, "the %s '%.*s': %s", f->name, (int)strcspn(text, " \t"), text,
                     why);
}

/* One field; *ret_end is behind it. */
static int read_field(const struct field *f, const char *text, const char **ret_end, uint64_t *ret,
                      struct error *err)
{
    const char *p = text;
    char bounds[64];
    uint64_t bits = 0;
    snprintf(bounds, sizeof bounds, "numbers from %d to %d are meant", f->min, f->max);
    for (;; p++) {
        int from = 0, to = 0, step = 1;
        p = read_range(f, p, &from, &to);
        if (!p || from < f->min || to > f->max)
            return wrong(f, text, bounds, err);
        if (from > to)
            return wrong(f, text, "a range begins with the smaller one", err);
        if (*p == '/' && from == to)
            return wrong(f, text, "steps go with a range or with *", err);
        if (*p == '/') {
            int n = read_value(&(struct field){.max = 999}, p + 1, &step);
            if (n == 0 || step < 1 || step > f->max)
                return wrong(f, text, "steps are numbers from 1 on, below the field's greatest",
                             err);
            p += 1 + n;
        }
        for (int i = from; i <= to; i += step)
            bits |= UINT64_C(1) << i;
        if (*p != ',')
            break;
    }
    if (*p && !isspace((unsigned char)*p))
        return wrong(f, text, bounds, err);
    *ret = bits;
    *ret_end = p;
    return 0;
}

static const char *expand(const char *text)
{
    static const char *const words[][2] = {
        {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
        {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
        {"@annually", "0 0 1 1 *"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i][0], text) == 0)
            return words[i][1];
    return text;
}

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t");
}

static bool ever(const struct cron *c);

int cron_parse(const char *text, struct cron *ret_cron, struct error *err)
{
    uint64_t bits[FIELDS] = {0};
    bool star[FIELDS] = {false};
    const char *p = skip_space(expand(text));
    if (*p == '@')
        return error_set(err, -EINVAL,
                         "there is no '%.32s'; @hourly, @daily, @weekly, @monthly and @yearly are",
                         p);
    for (int i = 0; i < FIELDS; i++) {
        if (!*p)
            return error_set(err, -EINVAL,
                             "five fields are wanted, as \"30 2 * * mon-fri\" (minute, hour, day, "
                             "month, weekday); the %s is missing",
                             fields[i].name);
        star[i] = *p == '*';
        int r = read_field(&fields[i], p, &p, &bits[i], err);
        if (r < 0)
            return r;
        p = skip_space(p);
    }
    if (*p)
        return error_set(err, -EINVAL, "'%.32s' is too much: five fields are wanted", p);
    struct cron c = {.minutes = bits[MINUTE],
                     .hours = (uint32_t)bits[HOUR],
                     .days = (uint32_t)bits[MONTH_DAY],
                     .months = (uint32_t)bits[MONTH],
                     .weekdays = (uint32_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f),
                     .every_day = star[MONTH_DAY],
                     .every_weekday = star[WEEKDAY]};
    c.every_hour = c.hours == 0xffffff && star[HOUR];
    if (!ever(&c))
        return error_set(err, -EINVAL,
                         "no month that it names has such a day: it would never come");
    *ret_cron = c;
    return 0;
}

/* --- the calendar ----------------------------------------------------------------------------- */

static int64_t floor_to(int64_t value, int64_t unit)
{
    int64_t rest = value % unit;
    return value - (rest < 0 ? rest + unit : rest);
}

/* The day that a naive time is in. */
static bool day_fits(const struct cron *c, int64_t naive)
{
    struct tm tm;
    time_t t = (time_t)naive;
    gmtime_r(&t, &tm);
    bool day = c->days >> tm.tm_mday & 1, weekday = c->weekdays >> tm.tm_wday & 1;
    bool either = !c->every_day && !c->every_weekday;
    return (c->months >> (tm.tm_mon + 1) & 1) && (either ? day || weekday : day && weekday);
}

/* The beginning of the next day that may fit: of the next month, if none of this one's does. */
static int64_t day_after(const struct cron *c, int64_t naive)
{
    struct tm tm;
    time_t t = (time_t)naive;
    gmtime_r(&t, &tm);
    if (c->months >> (tm.tm_mon + 1) & 1)
        return floor_to(naive, DAY) + DAY;
    struct tm first = {.tm_year = tm.tm_year, .tm_mon = tm.tm_mon + 1, .tm_mday = 1};
    return (int64_t)timegm(&first);
}

static bool ever(const struct cron *c)
{
    int64_t from = INT64_C(946684800); /* 2000-01-01: a leap year with a Saturday first */
    for (int64_t day = from; day < from + YEARS; day = day_after(c, day))
        if (day_fits(c, day))
            return true;
    return false;
}

static bool minute_fits(const struct cron *c, int64_t naive)
{
    return c->minutes >> (naive / 60 % 60) & 1;
}

static bool time_fits(const struct cron *c, int64_t naive)
{
    return (c->hours >> (naive / 3600 % 24) & 1) && minute_fits(c, naive);
}

/* --- local time ------------------------------------------------------------------------------- */

/* The moment at which the offset becomes another than it is at `before`: after that, and not after
 * `until`. */
static int64_t change_between(const struct zone *zone, int64_t before, int64_t until)
{
    int64_t offset = zone_offset(zone, before);
    while (until - before > 1) {
        int64_t middle = before + (until - before) / 2;
        if (zone_offset(zone, middle) == offset)
            before = middle;
        else
            until = middle;
    }
    return until;
}

/* When local time first shows `naive`; if it never does, the moment at which it is past. */
static int64_t first_moment(const struct zone *zone, int64_t naive)
{
    /* No zone is a day away, and none changes twice within two days. */
    int64_t earlier = zone_offset(zone, naive - DAY), later = zone_offset(zone, naive + DAY);
    int64_t a = naive - earlier, b = naive - later;
    bool a_is = zone_offset(zone, a) == earlier, b_is = zone_offset(zone, b) == later;
    if (a_is && b_is)
        return a < b ? a : b;
    if (a_is || b_is)
        return a_is ? a : b;
    return b < a ? change_between(zone, b, a) : change_between(zone, a, b);
}

/* --- the next time ---------------------------------------------------------------------------- */

static int64_t next_fixed(const struct cron *c, const struct zone *zone, int64_t after)
{
    int64_t local = after + zone_offset(zone, after);
    int64_t naive = floor_to(local, 60) + 60; /* first_moment rises with it */
    for (int64_t end = naive + YEARS; naive < end;) {
        if (!day_fits(c, naive)) {
            naive = day_after(c, naive);
            continue;
        }
        if (time_fits(c, naive)) {
            int64_t at = first_moment(zone, naive);
            if (at > after)
                return at;
        }
        naive += 60;
    }
    return after + YEARS;
}

/* To a moment from which on the day may be another; offsets are multiples of a quarter of an
 * hour. */
static int64_t skip_day(const struct cron *c, const struct zone *zone, int64_t utc, int64_t local)
{
    int64_t day = floor_to(local, DAY), far = utc + DAY - 3600, rest = day_after(c, local) - local;
    if (rest > 3 * DAY) /* most of a month; no change of the clocks is of more than a day */
        return floor_to(utc + rest - 2 * DAY, 900);
    if (!day_fits(c, day + DAY) && floor_to(far + zone_offset(zone, far), DAY) <= day + DAY)
        return floor_to(far, 900);
    return floor_to(utc, 900) + 900;
}

static int64_t next_hourly(const struct cron *c, const struct zone *zone, int64_t after)
{
    int64_t utc = floor_to(after, 60) + 60;
    for (int64_t end = utc + YEARS; utc < end;) {
        int64_t local = utc + zone_offset(zone, utc);
        if (!day_fits(c, local))
            utc = skip_day(c, zone, utc, local);
        else if (minute_fits(c, local))
            return utc;
        else
            utc += 60;
    }
    return after + YEARS;
}

int64_t cron_next(const struct cron *cron, const struct zone *zone, int64_t after)
{
    return cron->every_hour ? next_hourly(cron, zone, after) : next_fixed(cron, zone, after);
}
