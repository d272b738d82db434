/* What is read as a date is written as one that is read as the same. */
#include "parse/feed_date.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char once[FEED_DATE_SIZE], again[FEED_DATE_SIZE];
    if (!feed_date((const char *)data, size, once))
        return 0;
    if (!feed_date(once, strlen(once), again) || strcmp(once, again) != 0)
        abort();
    return 0;
}
