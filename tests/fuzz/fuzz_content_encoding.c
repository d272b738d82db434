/* Content-Encoding: whatever stands there, a plan holds as many codings as it may, a refusal has a
 * sentence, and what was taken once is taken in the same way as two fields. */
#include "flow/decode.h"
#include "flow/decode_plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decode_plan one = {.coding_count = 0}, two = {.coding_count = 0};
    struct error err = {""};
    char *text = strndup((const char *)data, size);
    require(text != NULL);
    int r = decode_plan_add(&one, text, &err);
    require(one.coding_count <= DECODE_STACK && (r == 0 || (r < 0 && err.text[0])));
    char *comma = strchr(text, ',');
    if (r == 0 && comma) {
        *comma = '\0';
        require(decode_plan_add(&two, text, &err) == 0);
        require(decode_plan_add(&two, comma + 1, &err) == 0);
        require(one.coding_count == two.coding_count && one.skipped == two.skipped);
        require(memcmp(one.codings, two.codings, sizeof one.codings) == 0);
    }
    free(text);
    return 0;
}
