/* The framing of lines: however the input is cut into reads, the same lines come out, and memory
 * stays bounded. The input's first byte is the longest line, the second the size of the reads. */
#include "base/jsonl.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* What must come next: the rule itself, on the whole input. */
struct expected {
    const uint8_t *at, *end;
    size_t max;
};

static void check_line(struct expected *e, int result, const char *line, size_t len)
{
    require(e->at < e->end);
    const uint8_t *newline = memchr(e->at, '\n', (size_t)(e->end - e->at));
    const uint8_t *stop = newline ? newline : e->end;
    size_t want = (size_t)(stop - e->at);
    if (want > 0 && stop[-1] == '\r')
        want--;
    if (want > e->max) {
        require(result == -EMSGSIZE);
    } else {
        require(result == 1 && len == want && memcmp(line, e->at, want) == 0 && line[len] == '\0');
    }
    e->at = newline ? newline + 1 : e->end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jsonl j;
    char *line = NULL;
    size_t len = 0;
    int r;

    if (size < 2)
        return 0;
    size_t max = data[0], step = data[1] ? data[1] : 256;
    struct expected e = {data + 2, data + size, max};
    jsonl_init(&j, max);
    for (const uint8_t *p = data + 2; p < e.end; p += step) {
        size_t n = (size_t)(e.end - p) < step ? (size_t)(e.end - p) : step;
        require(jsonl_feed(&j, p, n) == 0);
        require(j.buf.len <= max + 1 + n);
        while ((r = jsonl_next(&j, &line, &len)) != 0)
            check_line(&e, r, line, len);
    }
    while ((r = jsonl_last(&j, &line, &len)) != 0)
        check_line(&e, r, line, len);
    require(e.at == e.end);
    jsonl_deinit(&j);
    return 0;
}
