/* netrc files, as ftp(1) and curl read them: tokens between white space, in quotes if they have
 * some in them. */
#include "terms/netrc.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define SPACE " \t\r\n"

struct reader {
    char *at;
};

/* "…" with \\ before what is meant literally, unwrapped in place. */
static char *quoted(struct reader *r)
{
    char *start = ++r->at, *to = start;
    for (; *r->at && *r->at != '"'; r->at++) {
        if (*r->at == '\\' && r->at[1])
            r->at++;
        *to++ = *r->at;
    }
    if (*r->at)
        r->at++;
    *to = '\0';
    return start;
}

static char *token(struct reader *r)
{
    for (;;) {
        r->at += strspn(r->at, SPACE);
        if (*r->at != '#')
            break;
        r->at += strcspn(r->at, "\n");
    }
    if (!*r->at)
        return NULL;
    if (*r->at == '"')
        return quoted(r);
    char *start = r->at;
    r->at += strcspn(r->at, SPACE);
    if (*r->at)
        *r->at++ = '\0';
    return start;
}

/* A macro ends with an empty line. */
static void skip_macro(struct reader *r)
{
    char *end = strstr(r->at, "\n\n");
    r->at = end ? end : r->at + strlen(r->at);
}

struct entry {
    const char *login, *password;
    bool matches, is_default;
};

static void take_entry(const struct entry *e, struct entry *found)
{
    if (!e->password || !(e->matches || e->is_default) || (found->password && found->matches))
        return;
    if (e->matches || !found->password)
        *found = *e;
}

int netrc_find(char *text, const char *host, const char **ret_login, const char **ret_password)
{
    struct reader r = {.at = text};
    struct entry e = {0}, found = {0};
    for (char *word; (word = token(&r));) {
        bool machine = strcmp(word, "machine") == 0, standard = strcmp(word, "default") == 0;
        if (machine || standard) {
            take_entry(&e, &found);
            e = (struct entry){.is_default = standard};
        }
        if (standard)
            continue;
        if (strcmp(word, "macdef") == 0) {
            skip_macro(&r);
            continue;
        }
        char *value = token(&r);
        if (!value)
            return -EINVAL;
        if (machine)
            e.matches = strcasecmp(value, host) == 0;
        else if (strcmp(word, "login") == 0)
            e.login = value;
        else if (strcmp(word, "password") == 0)
            e.password = value;
        else if (strcmp(word, "account") != 0)
            return -EINVAL;
    }
    take_entry(&e, &found);
    if (!found.password)
        return -ENOENT;
    *ret_login = found.login ? found.login : "";
    *ret_password = found.password;
    return 0;
}
