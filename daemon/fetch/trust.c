#include "fetch/trust.h"

#include "base/list.h"
#include "base/log.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
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

/* --- looking ---------------------------------------------------------------------------------- */

static bool same_time(const uv_timespec_t *a, const uv_timespec_t *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const uv_stat_t *a, const uv_stat_t *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

/* One that is missing is not trusted either; when it is there again it counts as changed, too. */
static void judge(struct trust *t, int result, const uv_stat_t *now)
{
    if (result < 0 && result != t->known) {
        log_warning("the CA bundle %s: %s", t->file, uv_strerror(result));
        trust_renew(t);
    } else if (result == 0 && (t->known < 0 || (t->known > 0 && !same_file(&t->last, now)))) {
        log_info("the CA bundle %s has changed", t->file);
        trust_renew(t);
    }
    t->known = result < 0 ? result : 1;
    if (result == 0)
        t->last = *now;
}

static void on_looked(uv_fs_t *look)
{
    struct trust *t = container_of(look, struct trust, look);
    t->looking = false;
    if (look->result != UV_ENOMEM && look->result != UV_ECANCELED)
        judge(t, (int)look->result, &look->statbuf);
    uv_fs_req_cleanup(look);
}

/* A look that there is no memory for is left out. (uv_fs_poll ends the process then.) */
static void on_time(uv_timer_t *timer)
{
    struct trust *t = container_of(timer, struct trust, timer);
    if (!t->looking)
        t->looking = uv_fs_stat(timer->loop, &t->look, t->file, on_looked) == 0;
}

bool trust_lacks_resources(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    X509 *first = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    X509_free(first);
    return first != NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

int trust_init(struct trust *t, uv_loop_t *loop, const char *file)
{
    *t = (struct trust){0};
    uv_timer_init(loop, &t->timer);
    if (!file)
        return 0;
    t->file = strdup(file);
    t->path = malloc(strlen(file) + 2 * BITS + 3);
    if (!t->file || !t->path) {
        trust_close(t);
        return -ENOMEM;
    }
    spell(t);
    uv_timer_start(&t->timer, on_time, 0, LOOK_MS); /* cannot fail */
    return 0;
}

void trust_close(struct trust *t)
{
    uv_close((uv_handle_t *)&t->timer, NULL);
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
