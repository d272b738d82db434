/* Command lines: split into words, or refused with a sentence; and what was split is split the same
 * again once it is quoted. */
#include "base/utf8.h"
#include "flow/pipeline.h"
#include "flow/pipeline_split.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* Each byte as an escape, each word in quotes. */
static char *quote(char *const *argv)
{
    size_t room = 1;
    for (size_t i = 0; argv[i]; i++)
        room += 4 * strlen(argv[i]) + 3;
    char *text = malloc(room), *p = text;
    require(text != NULL);
    for (size_t i = 0; argv[i]; i++) {
        p += sprintf(p, "\"");
        for (const char *c = argv[i]; *c; c++)
            p += sprintf(p, "\\x%02x", (unsigned char)*c);
        p += sprintf(p, "\" ");
    }
    *p = '\0';
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char **argv, **again;
    struct error err = {""};
    char *text = strndup((const char *)data, size);
    require(text != NULL);
    int r = pipeline_split(text, &argv, &err);
    if (r < 0) {
        size_t len = strlen(err.text);
        require(r == -EINVAL && len > 0 && utf8_valid(err.text, len) == len);
    } else {
        require(argv[0] && *argv[0]);
        char *quoted = quote(argv);
        require(pipeline_split(quoted, &again, &err) == 0);
        size_t i = 0;
        for (; argv[i]; i++)
            require(again[i] && strcmp(argv[i], again[i]) == 0);
        require(!again[i]);
        free(quoted);
        pipeline_argv_free(again);
        pipeline_argv_free(argv);
    }
    free(text);
    return 0;
}
