/* Host headers: what is taken for this machine has a host of its own kind, and nothing behind it
 * but a port. */
#include "control/host_header.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);
    require(text != NULL);
    if (host_header_is_local(text)) {
        const char *colon = strrchr(text, ':');
        size_t len = text[0] != '[' && colon ? (size_t)(colon - text) : strlen(text);
        require(text[0] == '[' || strncmp(text, "127.", 4) == 0 ||
                (len >= 9 && strncasecmp(text + len - 9, "localhost", 9) == 0));
        require(!strpbrk(text, "/@ \t\r\n"));
    }
    free(text);
    return 0;
}
