/* penstock_open and its kin. A FILE says nothing of the body behind it, nor does a descriptor, so
 * those that are open are kept in one list, as stdio keeps its own: that is all that bodies share,
 * and its lock is held for a look-up only. */
#include "client/run_body.h"
#include "base/list.h"
#include "client/open_error.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* A FILE of fopencookie reads no more than its buffer at once, however much is asked for. */
#define BUFFER (64 * 1024)

struct open_body {
    struct body body;
    FILE *file; /* NULL: a descriptor */
    int fd;     /* the caller's socket; -1: a FILE */
    struct list link;
    char buffer[]; /* the FILE's: setvbuf(3) of glibc heeds no size where it is to allocate one */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list open_bodies = {&open_bodies, &open_bodies};

static void keep(struct open_body *o)
{
    pthread_mutex_lock(&lock);
    list_add_tail(&open_bodies, &o->link);
    pthread_mutex_unlock(&lock);
}

static void forget(struct open_body *o)
{
    pthread_mutex_lock(&lock);
    list_del(&o->link);
    pthread_mutex_unlock(&lock);
}

/* Finds the body of `file`, or of `fd` if `file` is NULL. NULL: it is none of ours. */
static struct open_body *find(FILE *file, int fd)
{
    struct open_body *found = NULL;
    pthread_mutex_lock(&lock);
    list_for_each(e, &open_bodies)
    {
        struct open_body *o = container_of(e, struct open_body, link);
        if (file ? o->file == file : !o->file && o->fd == fd)
            found = o;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static struct open_body *open_one(const char *url, const char *options, bool socket)
{
    struct open_body *o = malloc(sizeof *o + (socket ? 0 : BUFFER));
    int r = o ? 0 : error_set(open_error(), -ENOMEM, "out of memory");
    if (o) {
        *o = (struct open_body){.fd = -1};
        list_init(&o->link);
        r = body_open(&o->body, url, options, socket, open_error());
    }
    if (r == 0) {
        open_error()->text[0] = '\0';
        return o;
    }
    free(o);
    errno = -r;
    return NULL;
}

/* Takes one that is forgotten already. */
static void close_one(struct open_body *o)
{
    forget(o);
    body_close(&o->body);
    free(o);
}

/* --- a FILE ----------------------------------------------------------------------------------- */

static ssize_t on_read(void *cookie, char *data, size_t size)
{
    struct open_body *o = cookie;
    ssize_t n = body_read(&o->body, data, size);
    if (n < 0)
        errno = (int)-n;
    return n < 0 ? -1 : n;
}

static int on_close(void *cookie)
{
    close_one(cookie);
    return 0;
}

FILE *penstock_open(const char *url, const char *options)
{
    static const cookie_io_functions_t io = {.read = on_read, .close = on_close};
    struct open_body *o = open_one(url, options, false);
    if (!o)
        return NULL;
    o->file = fopencookie(o, "r", io);
    if (!o->file) {
        close_one(o);
        error_set(open_error(), 0, "out of memory");
        errno = ENOMEM;
        return NULL;
    }
    (void)setvbuf(o->file, o->buffer, _IOFBF, BUFFER);
    keep(o);
    return o->file;
}

/* As an exit status: what the daemon is told. */
static int status_of(int result)
{
    return result > 0 && result <= 128 ? result : result != 0;
}

static int finish(struct open_body *o, int result, struct penstock_verdict *ret_verdict)
{
    int r = body_finish(&o->body, status_of(result));
    if (ret_verdict)
        *ret_verdict = o->body.verdict;
    return r < 0 ? r : o->body.verdict.state != PENSTOCK_STATE_DONE;
}

int penstock_close(FILE *body, int result, struct penstock_verdict *ret_verdict)
{
    struct open_body *o = body ? find(body, -1) : NULL;
    if (!o)
        return -EBADF;
    int r = finish(o, result, ret_verdict);
    (void)fclose(body);
    return r;
}

const char *penstock_error(FILE *body)
{
    struct open_body *o = body ? find(body, -1) : NULL;
    return !body ? open_error()->text : o ? o->body.why.text : "this is no FILE of penstock_open's";
}

/* --- a descriptor ----------------------------------------------------------------------------- */

int penstock_open_fd(const char *url, const char *options)
{
    struct open_body *o = open_one(url, options, true), *stale;
    if (!o)
        return -1;
    o->fd = o->body.fd;
    /* Somebody has closed a descriptor by close(2), and its number has come back. */
    while ((stale = find(NULL, o->fd))) {
        stale->body.fd = -1;
        close_one(stale);
    }
    keep(o);
    return o->fd;
}

int penstock_close_fd(int fd, int result, struct penstock_verdict *ret_verdict)
{
    struct open_body *o = fd >= 0 ? find(NULL, fd) : NULL;
    if (!o)
        return -EBADF;
    /* Its number is free again as soon as it is closed, which is before the verdict: whoever gets
     * it then is not to find this body. */
    forget(o);
    int r = finish(o, result, ret_verdict);
    close_one(o);
    return r;
}

const char *penstock_error_fd(int fd)
{
    struct open_body *o = fd >= 0 ? find(NULL, fd) : NULL;
    if (o)
        body_hear_end(&o->body);
    return o ? o->body.why.text : "this is no descriptor of penstock_open_fd's";
}
