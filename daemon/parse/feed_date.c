#include "parse/feed_date.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NANO_DIGITS 9

struct cursor {
    const char *p, *end;
};

struct moment {
    int year, month, day; /* month from 1 */
    int hour, minute, second;
    char fraction[NANO_DIGITS + 1];
    int offset; /* minutes east of UTC */
};

/* --- pieces ----------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take(struct cursor *c, char byte)
{
    if (c->p == c->end || *c->p != byte)
        return false;
    c->p++;
    return true;
}

static void skip_space(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
        c->p++;
}

/* A number of at least `least` digits and at most `most`: how many it has, 0 if it has not. */
static int number(struct cursor *c, int least, int most, int *ret)
{
    int digits = 0, value = 0;
    while (digits < most && c->p + digits < c->end && is_digit(c->p[digits]))
        value = value * 10 + (c->p[digits++] - '0');
    if (digits < least)
        return 0;
    c->p += digits;
    *ret = value;
    return digits;
}

static size_t word(const struct cursor *c)
{
    size_t len = 0;
    while (c->p + len < c->end && is_letter(c->p[len]))
        len++;
    return len;
}

/* Digits beyond nanoseconds are dropped. */
static bool take_fraction(struct cursor *c, struct moment *m)
{
    size_t kept = 0;
    if (c->p == c->end || !is_digit(*c->p))
        return false;
    for (; c->p < c->end && is_digit(*c->p); c->p++)
        if (kept < NANO_DIGITS)
            m->fraction[kept++] = *c->p;
    m->fraction[kept] = '\0';
    return true;
}

/* hh:mm[:ss[.f…]] */
static bool take_time(struct cursor *c, struct moment *m)
{
    if (!number(c, 1, 2, &m->hour) || !take(c, ':') || !number(c, 2, 2, &m->minute))
        return false;
    if (!take(c, ':'))
        return true;
    if (!number(c, 2, 2, &m->second))
        return false;
    return take(c, '.') || take(c, ',') ? take_fraction(c, m) : true;
}

static bool take_named_zone(struct cursor *c, struct moment *m)
{
    static const struct {
        const char *name;
        int minutes;
    } zones[] = {{"Z", 0},      {"UT", 0},     {"UTC", 0},    {"GMT", 0},    {"EST", -300},
                 {"EDT", -240}, {"CST", -360}, {"CDT", -300}, {"MST", -420}, {"MDT", -360},
                 {"PST", -480}, {"PDT", -420}, {"WET", 0},    {"WEST", 60},  {"BST", 60},
                 {"CET", 60},   {"MET", 60},   {"CEST", 120}, {"MEST", 120}, {"EET", 120},
                 {"EEST", 180}, {"MSK", 180},  {"JST", 540},  {"KST", 540},  {"AEST", 600},
                 {"AEDT", 660}};
    size_t len = word(c);
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++)
        if (strlen(zones[i].name) == len && strncasecmp(zones[i].name, c->p, len) == 0) {
            m->offset = zones[i].minutes;
            c->p += len;
            return true;
        }
    return false;
}

/* +hh:mm, +hhmm, +hh, a name, or a name and a number behind it (GMT+0100); nothing is UTC. */
static bool take_zone(struct cursor *c, struct moment *m)
{
    int hours, minutes = 0;
    skip_space(c);
    if (c->p == c->end || *c->p == '(')
        return true;
    if (word(c) > 0) {
        if (!take_named_zone(c, m))
            return false;
        if (c->p == c->end || (*c->p != '+' && *c->p != '-'))
            return true;
    }
    bool west = c->p < c->end && *c->p == '-';
    if (!take(c, '+') && !take(c, '-'))
        return false;
    if (number(c, 2, 2, &hours) == 0)
        return false;
    take(c, ':');
    if (c->p < c->end && is_digit(*c->p) && !number(c, 2, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    m->offset = (hours * 60 + minutes) * (west ? -1 : 1);
    return true;
}

/* --- the two kinds ---------------------------------------------------------------------------- */

static bool take_month(struct cursor *c, struct moment *m)
{
    static const char *const names[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
    size_t len = word(c);
    for (int i = 0; i < 12; i++)
        if (len >= 3 && len <= strlen(names[i]) && strncasecmp(names[i], c->p, len) == 0) {
            m->month = i + 1;
            c->p += len;
            take(c, '.');
            return true;
        }
    return false;
}

/* Two digits are of the years that RFC 2822 says (4.3). */
static bool take_year(struct cursor *c, struct moment *m)
{
    int digits = number(c, 2, 4, &m->year);
    if (digits == 2)
        m->year += m->year < 50 ? 2000 : 1900;
    return digits == 2 || digits == 4;
}

/* [Wed,] 1 May 2024 10:11[:12] [zone] */
static bool read_mail_date(struct cursor *c, struct moment *m)
{
    size_t weekday = word(c);
    c->p += weekday;
    if (weekday > 0)
        take(c, '.');
    take(c, ',');
    skip_space(c);
    if (!number(c, 1, 2, &m->day))
        return false;
    skip_space(c);
    take(c, '-');
    if (!take_month(c, m))
        return false;
    skip_space(c);
    take(c, '-');
    if (!take_year(c, m))
        return false;
    skip_space(c);
    if (c->p == c->end)
        return true;
    return take_time(c, m) && take_zone(c, m);
}

/* 2024[-05[-01[T10:11[:12[.5]][zone]]]] */
static bool read_iso_date(struct cursor *c, struct moment *m)
{
    m->month = m->day = 1;
    if (number(c, 4, 4, &m->year) != 4)
        return false;
    if (c->p == c->end)
        return true;
    if (!take(c, '-') || !number(c, 2, 2, &m->month))
        return false;
    if (c->p == c->end)
        return true;
    if (!take(c, '-') || !number(c, 2, 2, &m->day))
        return false;
    if (c->p == c->end)
        return true;
    if (!take(c, 'T') && !take(c, 't') && !take(c, ' '))
        return false;
    return take_time(c, m) && take_zone(c, m);
}

static bool is_iso(const struct cursor *c)
{
    return c->end - c->p >= 4 && is_digit(c->p[0]) && is_digit(c->p[1]) && is_digit(c->p[2]) &&
           is_digit(c->p[3]);
}

/* --- the moment ------------------------------------------------------------------------------- */

static bool in_calendar(const struct moment *m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = m->year % 4 == 0 && (m->year % 100 != 0 || m->year % 400 == 0);
    if (m->year < 1 || m->year > 9998 || m->month < 1 || m->month > 12 || m->day < 1)
        return false;
    if (m->day > days[m->month - 1] + (m->month == 2 && leap))
        return false;
    return (m->hour < 24 || (m->hour == 24 && m->minute == 0 && m->second == 0)) &&
           m->minute < 60 && m->second <= 60;
}

static bool format(const struct moment *m, char ret[FEED_DATE_SIZE])
{
    struct tm tm = {.tm_year = m->year - 1900,
                    .tm_mon = m->month - 1,
                    .tm_mday = m->day,
                    .tm_hour = m->hour,
                    .tm_min = m->minute,
                    .tm_sec =
                        m->second < 60 ? m->second : 59}; /* UTC has leap seconds, time_t none */
    time_t at = timegm(&tm) - (time_t)m->offset * 60;
    if (!gmtime_r(&at, &tm) || tm.tm_year + 1900 < 1 || tm.tm_year + 1900 > 9999)
        return false;
    int n = snprintf(ret, FEED_DATE_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d%s%sZ", tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                     m->fraction[0] ? "." : "", m->fraction);
    return n > 0 && n < FEED_DATE_SIZE;
}

bool feed_date(const char *text, size_t len, char ret[FEED_DATE_SIZE])
{
    struct cursor c = {text, text + len};
    struct moment m = {0};
    skip_space(&c);
    while (c.end > c.p &&
           (c.end[-1] == ' ' || c.end[-1] == '\n' || c.end[-1] == '\r' || c.end[-1] == '\t'))
        c.end--;
    if (!(is_iso(&c) ? read_iso_date(&c, &m) : read_mail_date(&c, &m)))
        return false;
    skip_space(&c);
    if (c.p < c.end && *c.p != '(') /* a comment, as mail has it */
        return false;
    return in_calendar(&m) && format(&m, ret);
}
