/* The digests that a response names: whatever stands there, what is taken for a digest has an
 * algorithm's length, and the same header read twice as two lines says what its last line says. The
 * first byte chooses the header. */
#include "attempt/checksum.h"

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
    static const char *const names[] = {"Repr-Digest", "Content-Digest", "Digest"};
    static const size_t lengths[CHECKSUM_ALGORITHMS] = {64, 96, 128};
    if (size == 0)
        return 0;
    char *value = strndup((const char *)data + 1, size - 1);
    struct transfer_header headers[] = {{names[data[0] % 3], value}, {names[data[0] % 3], value}};
    struct transfer_response response = {.status = 200, .headers = headers, .header_count = 1};
    struct checksum one, two;
    require(value && checksum_init(&one, NULL) == 0 && checksum_init(&two, NULL) == 0);
    require(checksum_headers(&one, &response) == 0);
    response.header_count = 2;
    require(checksum_headers(&two, &response) == 0);
    require(one.wanted_count == two.wanted_count && one.wanted_count <= 2);
    for (size_t i = 0; i < one.wanted_count; i++) {
        const char *hex = one.wanted[i].hex;
        require(strlen(hex) == lengths[one.wanted[i].algorithm]);
        require(strspn(hex, "0123456789abcdef") == strlen(hex));
        require(strcmp(hex, two.wanted[i].hex) == 0);
        require(one.running[one.wanted[i].algorithm].digest != NULL);
    }
    checksum_deinit(&one);
    checksum_deinit(&two);
    free(value);
    return 0;
}
