/* Dates of feeds, beside what Python makes of them (email.utils, datetime): of dates that were
 * chosen at random, of all zones, of the calendar's edges. */
#include "parse/feed_date.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const char *read_date(const char *text)
{
    static char date[FEED_DATE_SIZE];
    return feed_date(text, strlen(text), date) ? date : "none";
}

static void reads(const char *text, const char *date)
{
    const char *got = read_date(text);
    if (strcmp(got, date) != 0)
        fail_msg("%s: %s instead of %s", text, got, date);
}

/* email.utils.format_datetime and isoformat, and the same moment in UTC. */
static void as_python_has_them(void **state)
{
    static const char *const dates[][2] = {
        {"1999-06-18T22:06:13+00:00", "1999-06-18T22:06:13Z"},
        {"Thu, 15 Jun 2000 13:00:50 +0100", "2000-06-15T12:00:50Z"},
        {"2024-10-05T11:52:35-05:00", "2024-10-05T16:52:35Z"},
        {"Thu, 18 Jul 1901 05:54:43 +0530", "1901-07-18T00:24:43Z"},
        {"2024-04-24T20:51:10-03:30", "2024-04-25T00:21:10Z"},
        {"Mon, 02 Sep 1901 11:46:26 +1245", "1901-09-01T23:01:26Z"},
        {"1969-10-20T13:49:33-12:00", "1969-10-21T01:49:33Z"},
        {"Sun, 27 Sep 2099 08:20:50 +0000", "2099-09-27T08:20:50Z"},
        {"2000-03-25T22:08:33+01:00", "2000-03-25T21:08:33Z"},
        {"Tue, 07 Apr 1970 02:02:48 -0500", "1970-04-07T07:02:48Z"},
        {"2000-08-05T08:21:12+05:30", "2000-08-05T02:51:12Z"},
        {"Tue, 11 Mar 1969 06:11:03 -0330", "1969-03-11T09:41:03Z"},
        {"2038-12-05T04:37:34+12:45", "2038-12-04T15:52:34Z"},
        {"Fri, 02 Aug 1901 10:23:09 -1200", "1901-08-02T22:23:09Z"},
    };
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++)
        reads(dates[i][0], dates[i][1]);
}

/* The zones of RFC 822 (5.1), and others by the hours that they are east of Greenwich. */
static void zones_by_name(void **state)
{
    static const struct {
        const char *name;
        int east; /* minutes */
    } zones[] = {{"UT", 0},     {"GMT", 0},    {"EST", -300}, {"EDT", -240}, {"CST", -360},
                 {"CDT", -300}, {"MST", -420}, {"MDT", -360}, {"PST", -480}, {"PDT", -420},
                 {"Z", 0},      {"UTC", 0},    {"CET", 60},   {"CEST", 120}, {"WEST", 60},
                 {"EET", 120},  {"EEST", 180}, {"MSK", 180},  {"JST", 540},  {"AEDT", 660}};
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        char text[64], numeric[64], date[FEED_DATE_SIZE];
        int east = zones[i].east, size = east < 0 ? -east : east;
        snprintf(text, sizeof text, "Wed, 15 May 2024 12:34:56 %s", zones[i].name);
        snprintf(numeric, sizeof numeric, "Wed, 15 May 2024 12:34:56 %c%02d%02d",
                 east < 0 ? '-' : '+', size / 60, size % 60);
        strcpy(date, read_date(numeric));
        assert_string_not_equal(date, "none");
        reads(text, date);
        for (char *p = text + 26; *p; p++)
            *p = (char)(*p | 0x20);
        reads(text, date); /* without regard to case */
    }
    reads("15 May 2024 12:34:56 A", "none"); /* the army's letters mean what nobody knows */
    reads("15 May 2024 12:34:56 GM", "none");
    reads("15 May 2024 12:34:56 GMTX", "none");
}

/* An hour and a minute earlier for each that the zone is east. */
static void zones_by_number(void **state)
{
    for (int east = -23 * 60 - 59; east <= 23 * 60 + 59; east++) {
        char text[64], iso[64], wanted[64];
        int size = east < 0 ? -east : east;
        int minutes = 48 * 60 - east; /* since the 14th began: it is the 16th at 0:00 there */
        snprintf(text, sizeof text, "16 May 2024 00:00:07 %c%02d%02d", east < 0 ? '-' : '+',
                 size / 60, size % 60);
        snprintf(iso, sizeof iso, "2024-05-16T00:00:07%c%02d:%02d", east < 0 ? '-' : '+', size / 60,
                 size % 60);
        snprintf(wanted, sizeof wanted, "2024-05-%02dT%02d:%02d:07Z", 14 + minutes / 1440,
                 minutes / 60 % 24, minutes % 60);
        reads(text, wanted);
        reads(iso, wanted);
    }
    reads("2024-05-16T00:00:07+24:00", "none");
    reads("2024-05-16T00:00:07+12:60", "none");
    reads("2024-05-16T00:00:07+1", "none");
    reads("2024-05-16T00:00:07+05", "2024-05-15T19:00:07Z");
    reads("2024-05-16T00:00:07 +05:3", "none");
}

/* calendar.monthrange says how many days each month has. */
static void months_have_their_days(void **state)
{
    static const struct {
        int year, february;
    } years[] = {{1900, 28}, {1996, 29}, {2000, 29}, {2023, 28}, {2024, 29}, {2100, 28}};
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static const int days[] = {31, 0, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (size_t y = 0; y < sizeof years / sizeof years[0]; y++)
        for (int m = 0; m < 12; m++)
            for (int day = 0; day <= 32; day++) {
                char mail[64], iso[64], wanted[64];
                int last = m == 1 ? years[y].february : days[m];
                snprintf(mail, sizeof mail, "%d %s %d 01:02 GMT", day, names[m], years[y].year);
                snprintf(iso, sizeof iso, "%d-%02d-%02dT01:02Z", years[y].year, m + 1, day);
                snprintf(wanted, sizeof wanted, "%d-%02d-%02dT01:02:00Z", years[y].year, m + 1,
                         day);
                reads(mail, day >= 1 && day <= last ? wanted : "none");
                reads(iso, day >= 1 && day <= last ? wanted : "none");
            }
}

/* RFC 2822, 4.3: below 50 it is this century's. */
static void years_of_two_digits(void **state)
{
    reads("1 May 00 00:00 GMT", "2000-05-01T00:00:00Z");
    reads("1 May 49 00:00 GMT", "2049-05-01T00:00:00Z");
    reads("1 May 50 00:00 GMT", "1950-05-01T00:00:00Z");
    reads("1 May 99 00:00 GMT", "1999-05-01T00:00:00Z");
    reads("1 May 124 00:00 GMT", "none");
    reads("1 May 5 00:00 GMT", "none");
}

static void the_ends_of_what_can_be_said(void **state)
{
    reads("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z");
    reads("0001-01-01T00:00:00+01:00", "none"); /* there is no year before */
    reads("0000-12-31T23:59:59Z", "none");
    reads("9998-12-31T23:59:59-01:00", "9999-01-01T00:59:59Z");
    reads("9999-01-01T00:00:00Z", "none");
    reads("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"); /* a second more, which was one */
    reads("2024-05-01T23:59:61Z", "none");
    reads("2024-05-01T24:00:00Z", "2024-05-02T00:00:00Z");
    reads("2024-05-01T24:00:01Z", "none");
    reads("2024-05-01T24:01:00Z", "none");
}

static void names_of_months(void **state)
{
    static const char *const words[] = {"sep", "SEPT", "Septem", "September", "Sep.", "sept."};
    static const char *const none[] = {"Se", "Septembers", "Sepx", "Mai", ""};
    char text[64];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        snprintf(text, sizeof text, "Sat, 7 %s 2002 00:00 GMT", words[i]);
        reads(text, "2002-09-07T00:00:00Z");
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        snprintf(text, sizeof text, "Sat, 7 %s 2002 00:00 GMT", none[i]);
        reads(text, "none");
    }
}

static void fractions(void **state)
{
    reads("2024-05-01T10:11:12.000Z", "2024-05-01T10:11:12.000Z");
    reads("2024-05-01T10:11:12,25Z", "2024-05-01T10:11:12.25Z");
    reads("2024-05-01T10:11:12.9999999999Z",
          "2024-05-01T10:11:12.999999999Z"); /* cut, not rounded */
    reads("2024-05-01T10:11:12.Z", "none");
    reads("2024-05-01T10:11.5Z", "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_python_has_them),  cmocka_unit_test(zones_by_name),
        cmocka_unit_test(zones_by_number),     cmocka_unit_test(months_have_their_days),
        cmocka_unit_test(years_of_two_digits), cmocka_unit_test(the_ends_of_what_can_be_said),
        cmocka_unit_test(names_of_months),     cmocka_unit_test(fractions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
