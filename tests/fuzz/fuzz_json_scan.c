/* The scanner against yajl: both must take the same texts for JSON; and what it tells of must not
 * depend on how the text comes. The input's first byte is the size of the pieces. */
#include "base/utf8.h"
#include "parse/json_scan.h"

#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* A sum over the events and their places; *ret_good: one value, and nothing wrong. */
static uint64_t scan_all(const char *text, size_t len, size_t step, unsigned watch, bool *ret_good)
{
    struct json_scan scan;
    size_t at = 0, used;
    uint64_t sum = 14695981039346656037u;
    enum json_event event = JSON_MORE;
    json_scan_init(&scan, JSON_SCAN_DEPTH, watch);
    while (at < len && event < JSON_BAD) {
        size_t n = len - at < step ? len - at : step;
        event = json_scan(&scan, text + at, n, &used);
        require(used <= n && (used == n || event != JSON_MORE));
        at += used;
        if (event != JSON_MORE)
            sum = (sum ^ (at * 8 + event)) * 1099511628211u;
    }
    while (event < JSON_BAD && (event = json_scan_end(&scan)) == JSON_END)
        ;
    *ret_good = event == JSON_MORE && scan.values == 1;
    return sum;
}

static bool yajl_takes(const uint8_t *text, size_t len)
{
    yajl_handle yajl = yajl_alloc(NULL, NULL, NULL);
    require(yajl != NULL);
    /* The newline: without it yajl overlooks a token that is not finished. */
    bool good = yajl_parse(yajl, text, len) == yajl_status_ok &&
                yajl_parse(yajl, (const unsigned char *)"\n", 1) == yajl_status_ok &&
                yajl_complete_parse(yajl) == yajl_status_ok;
    yajl_free(yajl);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool good, same;
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 1;
    size_t len = size - 1;
    uint64_t sum = scan_all(text, len, len, data[0] % 4, &good);
    require(scan_all(text, len, 1 + data[0] % 17, data[0] % 4, &same) == sum && good == same);
    /* yajl looks at UTF-8 too, and not as strictly as base/utf8.h; and it takes \v and \f for white
     * space. */
    if (len < 1000 && utf8_valid(text, len) == len && !memchr(text, '\v', len) &&
        !memchr(text, '\f', len))
        require(good == yajl_takes(data + 1, len));
    return 0;
}
