#include "attempt/validator.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

/* Clocks of two machines are no further apart, or nobody cares (RFC 9110, 8.8.2.2: "enough
 * difference to make clock synchronization unlikely to be an issue"). */
#define CLOCKS_APART 60

bool validator_is_strong(const char *etag)
{
    size_t len = etag ? strlen(etag) : 0;
    if (len < 3 || etag[0] != '"' || etag[len - 1] != '"')
        return false;
    for (size_t i = 1; i < len - 1; i++)
        if ((unsigned char)etag[i] <= ' ' || etag[i] == '"' || etag[i] == 0x7f)
            return false;
    return true;
}

/* --- dates ------------------------------------------------------------------------------------ */

/* `count` digits; -1: they are none. */
static int digits(const char *p, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -1;
        value = 10 * value + (p[i] - '0');
    }
    return value;
}

/* Of 1 to 12; 0: it is none. */
static int month_of(const char *p)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++)
        if (memcmp(names + 3 * i, p, 3) == 0)
            return i + 1;
    return 0;
}

static bool is_weekday(const char *p)
{
    static const char names[] = "MonTueWedThuFriSatSun";
    for (size_t i = 0; i < 7; i++)
        if (memcmp(names + 3 * i, p, 3) == 0)
            return true;
    return false;
}

/* Days from 1970-01-01 to this one of the Gregorian calendar, whose years begin in March here, so
 * that a leap day is the last. */
static int64_t days_to(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* The one form that is written today, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), of a day
 * that its month has in any year: -1 is for anything else, which may be a date all the same. Four
 * dates are read of an answer, and libcurl takes 9,000 instructions for one. */
static int64_t plain_date(const char *s)
{
    static const char form[] = "www, dd mmm yyyy hh:mm:ss GMT";
    static const int month_days[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (strlen(s) != sizeof form - 1 || !is_weekday(s) || strcmp(s + 25, " GMT") != 0)
        return -1;
    for (size_t i = 3; i < 25; i++)
        if (strchr(", :", form[i]) && s[i] != form[i])
            return -1;
    int day = digits(s + 5, 2), month = month_of(s + 8), year = digits(s + 12, 4);
    int hour = digits(s + 17, 2), minute = digits(s + 20, 2), second = digits(s + 23, 2);
    if (month == 0 || day < 1 || day > month_days[month] || year < 1970 || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 59)
        return -1;
    return ((days_to(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
}

int64_t validator_read_date(const char *text)
{
    int64_t at = plain_date(text);
    return at != -1 ? at : curl_getdate(text, NULL);
}

int64_t validator_date(const struct transfer_response *response, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) != 0)
            continue;
        if (value)
            return -1;
        value = response->headers[i].value;
    }
    return value ? validator_read_date(value) : -1;
}

bool validator_date_is_strong(const struct transfer_response *response, int64_t now)
{
    int64_t modified = validator_date(response, "Last-Modified");
    int64_t date = validator_date(response, "Date");
    int64_t said = date != -1 ? date : now - CLOCKS_APART;
    return modified != -1 && said - modified >= 1;
}
