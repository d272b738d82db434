/* netrc files: whatever they hold, login and password lie within the text. */
#include "terms/credential.h"
#include "terms/netrc.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);
    const char *login, *password;
    require(text != NULL);
    size_t len = strlen(text);
    int r = netrc_find(text, "example.org", &login, &password);
    require(r == 0 || r == -ENOENT || r == -EINVAL);
    if (r == 0) {
        require(password >= text && password + strlen(password) <= text + len);
        require(*login == '\0' || (login >= text && login + strlen(login) <= text + len));
    }
    free(text);
    return 0;
}
