/* A block of LZO: whatever it is, nothing outside of either buffer is touched. The first two bytes
 * say how many bytes it is to become. */
#include "parse/lzo.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t len = size - 2, room = (size_t)data[0] << 8 | data[1];
    unsigned char *from = malloc(len ? len : 1), *to = malloc(room ? room : 1);
    if (!from || !to)
        abort();
    memcpy(from, data + 2, len);
    lzo_decode(from, len, to, room);
    free(from);
    free(to);
    return 0;
}
