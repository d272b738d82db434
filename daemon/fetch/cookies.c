#include "fetch/cookies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct cookies {
    CURLSH *share;
    size_t bytes;
};

struct cookies *cookies_new(void)
{
    struct cookies *cookies = calloc(1, sizeof *cookies);
    if (!cookies)
        return NULL;
    cookies->share = curl_share_init();
    if (!cookies->share ||
        curl_share_setopt(cookies->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE)) {
        cookies_free(cookies);
        return NULL;
    }
    return cookies;
}

void cookies_free(struct cookies *cookies)
{
    if (!cookies)
        return;
    curl_share_cleanup(cookies->share);
    free(cookies);
}

int cookies_lend(struct cookies *cookies, CURL *easy)
{
    /* No file's name: it starts the engine, and nothing is read. */
    if (curl_easy_setopt(easy, CURLOPT_SHARE, cookies->share) ||
        curl_easy_setopt(easy, CURLOPT_COOKIEFILE, ""))
        return -ENOMEM;
    return 0;
}

/* The list of files first: a reset would lose it, and without the share it would take the cookies
 * along. */
void cookies_take_back(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_COOKIEFILE, NULL);
    curl_easy_setopt(easy, CURLOPT_SHARE, NULL);
}

int cookies_count(struct cookies *cookies, const struct transfer_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(headers[i].name, "Set-Cookie") == 0)
            cookies->bytes += strlen(headers[i].value);
    return cookies->bytes > COOKIES_MAX ? -E2BIG : 0;
}
