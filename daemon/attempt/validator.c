#include "attempt/validator.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

/* Clocks of two machines are no further apart, or nobody cares (RFC 9110, 8.8.2.2: "enough
 * difference to make clock synchronization unlikely to be an issue"). */
#define CLOCKS_APART 60

bool validator_is_strong(const char *etag)
{
    size_t len = etag ? strlen(etag) : 0;
    if (len < 3 || etag[0] != '"' || etag[len - 1] != '"')
        return false;
    for (size_t i = 1; i < len - 1; i++)
        if ((unsigned char)etag[i] <= ' ' || etag[i] == '"' || etag[i] == 0x7f)
            return false;
    return true;
}

int64_t validator_date(const struct transfer_response *response, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) != 0)
            continue;
        if (value)
            return -1;
        value = response->headers[i].value;
    }
    return value ? curl_getdate(value, NULL) : -1;
}

bool validator_date_is_strong(const struct transfer_response *response, int64_t now)
{
    int64_t modified = validator_date(response, "Last-Modified");
    int64_t date = validator_date(response, "Date");
    int64_t said = date != -1 ? date : now - CLOCKS_APART;
    return modified != -1 && said - modified >= 1;
}
