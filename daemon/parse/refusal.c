#include "parse/refusal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *refusal_remedy(void)
{
    const char *file = getenv("PENSTOCK_SANDBOX");
    return file && file[0] ? file : NULL;
}

/* May we read it, and write it or make it? What a stage was refused of these, it was told. */
static bool is_refused(const char *path)
{
    char dir[PATH_MAX];
    if (access(path, R_OK) < 0 && errno != ENOENT)
        return true;
    if (access(path, W_OK) == 0)
        return false;
    char *slash = strrchr(strcpy(dir, path), '/');
    if (errno != ENOENT || slash == dir)
        return errno != ENOENT;
    *slash = '\0';
    return access(dir, W_OK) < 0 && errno != ENOENT;
}

static bool read_path(const char *at, char *ret_path)
{
    size_t len = strcspn(at, " \t\n\"'`,;:)>]");
    if (at[0] != '/' || len < 2 || len >= PATH_MAX)
        return false;
    memcpy(ret_path, at, len);
    ret_path[len] = '\0';
    return true;
}

/* The path that an error is told of, as programs do: `…: Permission denied: '/a/b'`, `/a/b:
 * Permission denied`, or `"/a/b" (Permission denied)`. */
static bool path_beside(const char *said, const char *error, size_t len, char *ret_path)
{
    const char *after = error + len;
    after += strspn(after, ": '\"`(");
    if (read_path(after, ret_path))
        return true;
    const char *p = error;
    while (p > said && strchr(": '\"`()", p[-1]))
        p--;
    while (p > said && !strchr(" \t\n\"'`(=:<[", p[-1]))
        p--;
    return read_path(p, ret_path);
}

bool refusal_find(const char *said, struct error *ret_why)
{
    static const int codes[] = {EACCES, EROFS, EPERM};
    char path[PATH_MAX];
    if (!refusal_remedy())
        return false;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const char *text = strerror(codes[i]);
        size_t len = strlen(text);
        for (const char *p = said; (p = strstr(p, text)) != NULL; p += len) {
            if (!path_beside(said, p, len, path) || !is_refused(path))
                continue;
            error_set(ret_why, -codes[i],
                      "%s: %s (errno %d) for the service: if stages shall have it, grant it as %s "
                      "shows",
                      path, text, codes[i], refusal_remedy());
            return true;
        }
    }
    return false;
}
