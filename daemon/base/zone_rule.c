#include "base/zone_rule.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define DAY 86400

/* --- the text --------------------------------------------------------------------------------- */

static bool read_number(const char **text, int most, int *ret)
{
    const char *p = *text;
    int n = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        n = 10 * n + (*p - '0');
        if (n > most)
            return false;
    }
    *text = p;
    *ret = n;
    return true;
}

/* "CET", or "<+03>" if it is not of letters alone; of three characters at least. */
static bool skip_name(const char **text)
{
    const char *p = *text;
    bool quoted = *p == '<';
    if (quoted)
        p++;
    const char *from = p;
    while ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')
        p++;
    while (quoted && *p && *p != '>')
        p++;
    bool named = p - from >= 3 && (!quoted || *p == '>');
    *text = quoted && *p ? p + 1 : p;
    return named;
}

/* [+-]hours[:minutes[:seconds]] */
static bool read_time(const char **text, int most_hours, int32_t *ret)
{
    int parts[3] = {0};
    bool below = **text == '-';
    if (below || **text == '+')
        ++*text;
    if (!read_number(text, most_hours, &parts[0]))
        return false;
    for (int i = 1; i < 3 && **text == ':'; i++) {
        ++*text;
        if (!read_number(text, 59, &parts[i]))
            return false;
    }
    int32_t seconds = 3600 * parts[0] + 60 * parts[1] + parts[2];
    *ret = below ? -seconds : seconds;
    return true;
}

static bool read_weekday(const char **text, struct zone_change *c)
{
    const char *p = *text;
    c->kind = ZONE_WEEKDAY;
    if (!read_number(&p, 12, &c->month) || *p++ != '.' || !read_number(&p, 5, &c->week) ||
        *p++ != '.' || !read_number(&p, 6, &c->day))
        return false;
    *text = p;
    return c->month > 0 && c->week > 0;
}

/* Jn, n or Mm.w.d, and /time unless that is two o'clock. */
static bool read_change(const char **text, struct zone_change *c)
{
    bool good;
    *c = (struct zone_change){.kind = ZONE_DAY_OF_YEAR, .time = 2 * 3600};
    if (**text == 'M') {
        ++*text;
        good = read_weekday(text, c);
    } else if (**text == 'J') {
        ++*text;
        c->kind = ZONE_DAY_OF_365;
        good = read_number(text, 365, &c->day) && c->day > 0;
    } else {
        good = read_number(text, 365, &c->day);
    }
    if (good && **text == '/') {
        ++*text;
        good = read_time(text, 167, &c->time);
    }
    return good;
}

static bool read_summer(const char **text, struct zone_rule *rule)
{
    rule->summer = rule->standard + 3600;
    if (!skip_name(text))
        return false;
    if (**text && **text != ',') {
        if (!read_time(text, 24, &rule->summer))
            return false;
        rule->summer = -rule->summer;
    }
    if (!**text)
        *text = ",M3.2.0,M11.1.0"; /* where the rule names no days, libc takes those of the USA */
    if (*(*text)++ != ',' || !read_change(text, &rule->to_summer))
        return false;
    return *(*text)++ == ',' && read_change(text, &rule->to_standard);
}

int zone_rule_parse(const char *text, struct zone_rule *ret_rule)
{
    struct zone_rule rule = {0};
    if (!skip_name(&text) || !read_time(&text, 24, &rule.standard))
        return -EINVAL;
    rule.standard = -rule.standard; /* POSIX counts to the west */
    rule.summer = rule.standard;
    if (*text && !read_summer(&text, &rule))
        return -EINVAL;
    if (*text)
        return -EINVAL;
    *ret_rule = rule;
    return 0;
}

/* --- the calendar ----------------------------------------------------------------------------- */

static int64_t divide_down(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days from 1970 to the year's first one. */
static int64_t year_begin(int64_t year)
{
    int64_t before = year - 1; /* the leap days are those of the years that are over */
    return 365 * (year - 1970) + divide_down(before, 4) - divide_down(before, 100) +
           divide_down(before, 400) - 477; /* 477 leap days were before 1970 */
}

static int64_t year_of(int64_t day)
{
    int64_t year = 1970 + divide_down(day * 400, 146097); /* exact, or one off */
    while (year_begin(year) > day)
        year--;
    while (year_begin(year + 1) <= day)
        year++;
    return year;
}

static bool is_leap(int64_t year)
{
    return year_begin(year + 1) - year_begin(year) == 366;
}

static int month_days(int64_t year, int month)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* The day of the change, counted from 1970. */
static int64_t change_day(const struct zone_change *c, int64_t year)
{
    int64_t day = year_begin(year);
    if (c->kind == ZONE_DAY_OF_YEAR)
        return day + c->day;
    if (c->kind == ZONE_DAY_OF_365)
        return day + c->day - 1 + (c->day >= 60 && is_leap(year));
    for (int month = 1; month < c->month; month++)
        day += month_days(year, month);
    int64_t weekday = day + 4 - 7 * divide_down(day + 4, 7); /* 1 January 1970 was a Thursday */
    int first = (int)((c->day - weekday + 7) % 7), of_month = first + 7 * (c->week - 1);
    if (of_month >= month_days(year, c->month))
        of_month -= 7;
    return day + of_month;
}

int32_t zone_rule_offset(const struct zone_rule *rule, int64_t utc)
{
    if (rule->summer == rule->standard)
        return rule->standard;
    int64_t year = year_of(divide_down(utc + rule->standard, DAY));
    int64_t begin =
        change_day(&rule->to_summer, year) * DAY + rule->to_summer.time - rule->standard;
    int64_t end =
        change_day(&rule->to_standard, year) * DAY + rule->to_standard.time - rule->summer;
    bool summer = begin < end ? utc >= begin && utc < end : utc >= begin || utc < end;
    return summer ? rule->summer : rule->standard;
}
