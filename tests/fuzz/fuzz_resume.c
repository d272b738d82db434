/* The evidence of two answers, a field a line, an empty line between them: whatever they say, the
 * second is taken for the rest of the first only if it begins where it was asked to, and no field
 * of both differs. */
#include "attempt/resume.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELDS 32
#define TAKEN  5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* Reads up to an empty line; returns what follows. */
static char *read_head(char *text, struct transfer_header *headers, struct transfer_response *ret)
{
    ret->headers = headers;
    ret->header_count = 0;
    while (text && *text && *text != '\n') {
        char *line = strsep(&text, "\n"), *colon = strchr(line, ':');
        if (!colon || ret->header_count == FIELDS)
            continue;
        *colon = '\0';
        headers[ret->header_count++] =
            (struct transfer_header){line, colon + 1 + (colon[1] == ' ')};
    }
    return text && *text ? text + 1 : text;
}

static const char *only(const struct transfer_response *response, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) != 0)
            continue;
        if (value)
            return NULL;
        value = response->headers[i].value;
    }
    return value && *value ? value : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char tail[TAKEN];
    static const char *const names[] = {"ETag", "Last-Modified", "Content-Type",
                                        "Content-Location"};
    struct transfer_header one[FIELDS], two[FIELDS];
    struct transfer_response first = {.status = 200}, second = {.status = 206};
    struct resume r = {0};
    struct error err;
    if (size < 1)
        return 0;
    first.content_length = data[0] & 1 ? 10000 : -1;
    second.content_length = data[0] & 2 ? 10000 - (TAKEN - RESUME_TAIL) : -1;
    second.status = data[0] & 4 ? 200 : 206;
    char *text = strndup((const char *)data + 1, size - 1);
    require(text != NULL);
    read_head(read_head(text, one, &first), two, &second);
    resume_init(&r);
    require(resume_note(&r, &first, "GET", 1767225600) == 0);
    resume_took(&r, 0, tail, TAKEN);
    if (r.validator) {
        resume_ask(&r, TAKEN);
        int result = resume_check(&r, &second, INT64_C(1767225600000000), &err);
        require(result == 0 || (result < 0 && err.text[0]));
        for (size_t i = 0; i < sizeof names / sizeof names[0] && result == 0; i++) {
            const char *a = only(&first, names[i]), *b = only(&second, names[i]);
            require(!a || !b || strcmp(a, b) == 0);
        }
        if (result == 0)
            require(r.skip <= TAKEN && (second.status == 200 || r.total >= TAKEN));
    }
    resume_deinit(&r);
    free(text);
    return 0;
}
