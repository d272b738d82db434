/* Numbers with units, as people write them: config.h says what is accepted. All in integers, since
 * a double cannot hold every count of nanoseconds or bytes. */
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    {"", UINT64_C(1000000000)},
    {"s", UINT64_C(1000000000)},
    {"sec", UINT64_C(1000000000)},
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"min", UINT64_C(60000000000)},
    {"h", UINT64_C(3600000000000)},
    {"d", UINT64_C(86400000000000)},
    {"w", UINT64_C(604800000000000)},
    {NULL, 0},
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", UINT64_C(1) << 10},
    {"KiB", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"MiB", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"GiB", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {"TiB", UINT64_C(1) << 40},
    {NULL, 0},
};

/* Digits, perhaps with a fraction: *ret_whole and the fraction as ret_part / *ret_scale (nine
 * digits of it count; what follows is under a nanosecond of a second). Returns where they end;
 * NULL: no number, or too large. */
static const char *read_decimal(const char *p, uint64_t *ret_whole, uint64_t *ret_part,
                                uint64_t *ret_scale)
{
    uint64_t whole = 0, part = 0, scale = 1;
    if (*p < '0' || *p > '9')
        return NULL;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
            return NULL;
    if (*p == '.') {
        p++;
        if (*p < '0' || *p > '9')
            return NULL;
        for (; *p >= '0' && *p <= '9'; p++)
            if (scale < UINT64_C(1000000000)) {
                part = part * 10 + (uint64_t)(*p - '0');
                scale *= 10;
            }
    }
    *ret_whole = whole;
    *ret_part = part;
    *ret_scale = scale;
    return p;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    while (*name == ' ')
        name++;
    for (; units->name; units++)
        if (strcmp(units->name, name) == 0)
            return units;
    return NULL;
}

/* What else people write for a unit, and what is meant. */
static const char *const slips[][2] = {
    {"m", "min"},     {"mn", "min"},  {"mins", "min"},  {"minute", "min"}, {"minutes", "min"},
    {"hr", "h"},      {"hrs", "h"},   {"hour", "h"},    {"hours", "h"},    {"day", "d"},
    {"days", "d"},    {"week", "w"},  {"weeks", "w"},   {"secs", "s"},     {"second", "s"},
    {"seconds", "s"}, {"msec", "ms"}, {"millis", "ms"}, {"usec", "us"},    {"k", "K"},
    {"kb", "K"},      {"kib", "KiB"}, {"m", "M"},       {"mb", "M"},       {"mib", "MiB"},
    {"g", "G"},       {"gb", "G"},    {"gib", "GiB"},   {"t", "T"},        {"tb", "T"},
    {"tib", "TiB"},
};

static const char *meant_unit(const struct unit *units, const char *name)
{
    for (size_t i = 0; i < sizeof slips / sizeof *slips; i++)
        for (const struct unit *u = units; u->name; u++)
            if (strcasecmp(slips[i][0], name) == 0 && strcmp(slips[i][1], u->name) == 0)
                return u->name;
    for (const struct unit *u = units; u->name; u++)
        if (u->name[0] && strcasecmp(u->name, name) == 0)
            return u->name;
    return NULL;
}

/* "did you mean 5min? ", or "" if nothing is near. */
static const char *meant(const char *text, const struct unit *units, char *buf, size_t size)
{
    uint64_t whole, part, scale;
    const char *end = read_decimal(text, &whole, &part, &scale), *unit = NULL;
    if (end)
        unit = meant_unit(units, end + strspn(end, " "));
    if (!unit || end - text > 24)
        return "";
    snprintf(buf, size, "did you mean %.*s%s? ", (int)(end - text), text, unit);
    return buf;
}

static int parse_quantity(const char *text, const struct unit *units, uint64_t *ret)
{
    uint64_t whole, part, scale, value, fraction;
    const char *end = read_decimal(text, &whole, &part, &scale);
    if (!end)
        return -EINVAL;
    const struct unit *unit = find_unit(units, end);
    if (!unit)
        return -EINVAL;
    /* part < scale <= 1e9, so the remainder's product stays below 1e18. */
    fraction = part * (unit->factor / scale) + part * (unit->factor % scale) / scale;
    if (__builtin_mul_overflow(whole, unit->factor, &value) ||
        __builtin_add_overflow(value, fraction, &value))
        return -ERANGE;
    *ret = value;
    return 0;
}

int parse_duration(const char *text, bool none_ok, uint64_t *ret_ns, struct error *err)
{
    char hint[64];
    if (none_ok && strcmp(text, "none") == 0) {
        *ret_ns = 0;
        return 0;
    }
    int r = parse_quantity(text, duration_units, ret_ns);
    if (r == -ERANGE)
        return error_set(err, -EINVAL, "'%.40s' is too long a time", text);
    if (r < 0)
        return error_set(
            err, -EINVAL, "'%.40s' is not a duration; %swrite 90 or 90s, 500ms, 5min, 1h, 7d%s",
            text, meant(text, duration_units, hint, sizeof hint), none_ok ? " or none" : "");
    return 0;
}

int parse_size(const char *text, bool none_ok, uint64_t *ret_bytes, struct error *err)
{
    char hint[64];
    if (none_ok && strcmp(text, "none") == 0) {
        *ret_bytes = 0;
        return 0;
    }
    int r = parse_quantity(text, size_units, ret_bytes);
    if (r == -ERANGE)
        return error_set(err, -EINVAL, "'%.40s' is too large a size", text);
    if (r < 0)
        return error_set(err, -EINVAL, "'%.40s' is not a size; %swrite 4096, 64K, 10M, 1G, 1T%s",
                         text, meant(text, size_units, hint, sizeof hint),
                         none_ok ? " or none" : "");
    return 0;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct error *err)
{
    uint64_t value, part, scale;
    const char *end = strchr(text, '.') ? NULL : read_decimal(text, &value, &part, &scale);
    if (!end || *end || value < min || value > max) {
        if (max >= INT64_MAX) /* as good as no bound */
            return error_set(err, -EINVAL, "'%.40s' is not a whole number from %" PRIu64, text,
                             min);
        return error_set(err, -EINVAL, "'%.40s' is not a whole number from %" PRIu64 " to %" PRIu64,
                         text, min, max);
    }
    *ret = value;
    return 0;
}

int parse_bool(const char *text, bool *ret, struct error *err)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret = strcmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return error_set(err, -EINVAL, "'%.40s' is neither yes nor no", text);
}

/* The units of `names`, by their names in `units`, from the largest to the one that is 1. */
static const char *format_in(const struct unit *units, const char *const *names, uint64_t value,
                             char *buf)
{
    for (; *names; names++) {
        const struct unit *unit = find_unit(units, *names);
        if (value % unit->factor == 0 && (value > 0 || unit->factor == 1)) {
            snprintf(buf, UNITS_TEXT, "%" PRIu64 "%s", value / unit->factor, unit->name);
            break;
        }
    }
    return buf;
}

const char *format_duration(uint64_t ns, char buf[static UNITS_TEXT])
{
    static const char *const names[] = {"d", "h", "min", "s", "ms", "us", "ns", NULL};
    if (ns == 0)
        return strcpy(buf, "0");
    return format_in(duration_units, names, ns, buf);
}

const char *format_size(uint64_t bytes, char buf[static UNITS_TEXT])
{
    static const char *const names[] = {"T", "G", "M", "K", "", NULL};
    return format_in(size_units, names, bytes, buf);
}
