/* Which failures are worth another attempt. The table is the documentation (control/PROTOCOL.md,
 * "Retries"): what may be otherwise the next time is tried again; what the job, the policy or the
 * parser said is not. */
#include "attempt/retry.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define RETRY_AFTER_MAX INT64_C(3600000000)

static const bool again[KIND_COUNT_] = {
    [KIND_DNS] = true,
    [KIND_CONNECT] = true,
    [KIND_CONNECT_TIMEOUT] = true,
    [KIND_PROTOCOL] = true,
    [KIND_FIRST_BYTE_TIMEOUT] = true,
    [KIND_STALLED] = true,
    [KIND_TRUNCATED] = true,
    [KIND_DIGEST_MISMATCH] = true,
    [KIND_RESOURCES] = true,
    [KIND_PROXY] = true,
};

bool retry_wanted(enum error_kind kind, int status)
{
    if (kind != KIND_HTTP_STATUS)
        return again[kind];
    if (status == 408 || status == 425 || status == 429)
        return true;
    return status >= 500 && status != 501 && status != 505;
}

/* Uniform in [0, bound). Jitter needs no secrecy, but this costs nothing and cannot be seeded
 * alike. */
static int64_t random_below(int64_t bound)
{
    uint64_t r = 0;
    if (getrandom(&r, sizeof r, GRND_NONBLOCK) != sizeof r)
        r = (uint64_t)random();
    return (int64_t)(r % (uint64_t)bound);
}

/* A date of a year of five digits and more: how many libcurl's reader takes differs from version to
 * version. */
static bool is_beyond_time(const char *date)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    size_t day = 0, digits = 0, most = 0;
    while (day < 7 && strncmp(date, days[day], 3) != 0)
        day++;
    if (day == 7)
        return false;
    for (; *date; date++) {
        digits = *date >= '0' && *date <= '9' ? digits + 1 : 0;
        most = digits > most ? digits : most;
    }
    return most > 4;
}

int64_t retry_after_us(const char *text, int64_t now_us)
{
    char *end;
    long long seconds = strtoll(text, &end, 10);
    if (end != text && *end == '\0' && seconds >= 0)
        return seconds > RETRY_AFTER_MAX / 1000000 ? RETRY_AFTER_MAX : seconds * 1000000;
    time_t at = curl_getdate(text, NULL);
    if (at == (time_t)-1)
        return is_beyond_time(text) ? RETRY_AFTER_MAX : -1;
    if (at > (now_us + RETRY_AFTER_MAX) / 1000000) /* its microseconds may be more than there are */
        return RETRY_AFTER_MAX;
    int64_t wait = (int64_t)at * 1000000 - now_us;
    if (wait < 0)
        return 0;
    return wait > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : wait;
}

int64_t retry_delay(const struct settings *settings, uint32_t number, const char *retry_after,
                    int64_t now_us)
{
    int64_t bound = (int64_t)(settings->retry_delay / 1000);
    int64_t max = (int64_t)(settings->retry_delay_max / 1000);
    for (uint32_t i = 1; i < number && bound < max; i++)
        bound *= 2;
    if (bound > max)
        bound = max;
    int64_t wait = bound > 0 ? random_below(bound) : 0;
    int64_t asked = retry_after ? retry_after_us(retry_after, now_us) : -1;
    return asked > wait ? asked : wait;
}
