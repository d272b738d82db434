#include "fetch/trust.h"

#include "base/list.h"
#include "base/log.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 1000

#define BITS (8 * sizeof(unsigned))

/* None as it is; then another for each change: a bit is "./" or one "/" more. */
static void spell(struct trust *t)
{
    bool root = t->file[0] == '/';
    char *to = t->path;
    if (t->changes > 0) {
        to = stpcpy(to, root ? "/" : "./");
        for (size_t bit = 0; bit < BITS; bit++)
            to = stpcpy(to, t->changes >> bit & 1 ? "./" : "/");
    }
    strcpy(to, t->file);
}

void trust_renew(struct trust *t)
{
    if (!t->file)
        return;
    t->changes++;
    spell(t);
}

/* One that is missing is not trusted either; when it is there again it counts as changed, too. */
static void on_change(uv_fs_poll_t *poll, int status, const uv_stat_t *before, const uv_stat_t *now)
{
    struct trust *t = container_of(poll, struct trust, poll);
    if (status < 0)
        log_warning("the CA bundle %s: %s", t->file, uv_strerror(status));
    else
        log_info("the CA bundle %s has changed", t->file);
    trust_renew(t);
}

int trust_init(struct trust *t, uv_loop_t *loop, const char *file)
{
    *t = (struct trust){0};
    uv_fs_poll_init(loop, &t->poll);
    if (!file)
        return 0;
    t->file = strdup(file);
    t->path = malloc(strlen(file) + 2 * BITS + 3);
    if (!t->file || !t->path || uv_fs_poll_start(&t->poll, on_change, file, LOOK_MS) < 0) {
        trust_close(t);
        return -ENOMEM;
    }
    spell(t);
    return 0;
}

void trust_close(struct trust *t)
{
    uv_close((uv_handle_t *)&t->poll, NULL);
}

void trust_deinit(struct trust *t)
{
    free(t->file);
    free(t->path);
}

bool trust_sessions(const struct trust *t)
{
    return t->changes == 0 || curl_version_info(CURLVERSION_NOW)->version_num < 0x080c00;
}
