/* libarchive's __archive_errx() says "Out of memory" and calls exit(): the linker finds the one
 * below first. Between its frames and ours there is nothing but libarchive, which holds no lock
 * there and has emptied the string that it could not grow, so that a jump out of it leaves an
 * archive that can be freed. */
#include "parse/archive_safe.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#define RESERVE ((size_t)256 << 10)

static _Thread_local jmp_buf *fence; /* of the call under way on this thread; NULL: there is none */

_Noreturn void exit(int status)
{
    if (fence)
        longjmp(*fence, 1);
    void (*libc_exit)(int) = (void (*)(int))dlsym(RTLD_NEXT, "exit");
    if (libc_exit)
        libc_exit(status);
    _exit(status);
}

/* --- one call --------------------------------------------------------------------------------- */

/* What it is given, and what it gives back. */
struct call {
    struct archive_safe *a;
    const archive_support *supports;
    archive_read_callback *read;
    void *arg;
    size_t size;
    const char *name;
    la_ssize_t result;
};

/* Nothing of ours that would have to be undone happens in `function`. */
static la_ssize_t make(struct call *call, void (*function)(struct call *call))
{
    jmp_buf here;
    if (call->a->no_memory)
        return ARCHIVE_FATAL;
    jmp_buf *outer = fence; /* its callback may read another archive */
    fence = &here;
    errno = 0;
    if (setjmp(here) == 0)
        function(call);
    else
        call->a->no_memory = true;
    fence = outer;
    if (call->a->no_memory)
        return ARCHIVE_FATAL;
    /* Its last word may be another one ("Unrecognized archive format") where malloc's, errno, is
     * the first. */
    int said = errno;
    call->a->no_memory = call->result < ARCHIVE_WARN &&
                         (said == ENOMEM || archive_errno(call->a->archive) == ENOMEM);
    return call->result;
}

/* The callbacks one by one: archive_read_open does not look whether there was memory for the
 * first. */
static void call_open(struct call *call)
{
    struct archive *a = call->a->archive;
    bool good = true;
    for (const archive_support *s = call->supports; good && *s; s++)
        good = (*s)(a) == ARCHIVE_OK;
    good = good && archive_read_set_callback_data(a, call->arg) == ARCHIVE_OK &&
           archive_read_set_read_callback(a, call->read) == ARCHIVE_OK &&
           archive_read_open1(a) == ARCHIVE_OK;
    call->result = good ? ARCHIVE_OK : ARCHIVE_FATAL;
}

int archive_safe_open(struct archive_safe *a, const archive_support *supports,
                      archive_read_callback *read, void *arg)
{
    struct call call = {.a = a, .supports = supports, .read = read, .arg = arg};
    *a = (struct archive_safe){.archive = archive_read_new()};
    a->entry = archive_entry_new2(a->archive);
    /* Filters that have no memory for their state crash when they are closed (lz4, lzma): so that
     * it be there. */
    void *reserve = malloc(RESERVE);
    a->no_memory = !a->archive || !a->entry || !reserve;
    free(reserve);
    int r = (int)make(&call, call_open);
    /* Without a word of libarchive's there is nothing else that it could be. */
    a->no_memory = a->no_memory || (r < 0 && !archive_error_string(a->archive));
    return r;
}

void archive_safe_free(struct archive_safe *a)
{
    archive_entry_free(a->entry);
    if (a->archive)
        archive_read_free(a->archive);
    *a = (struct archive_safe){.archive = NULL};
}

static void call_next(struct call *call)
{
    call->result = archive_read_next_header2(call->a->archive, call->a->entry);
}

int archive_safe_next(struct archive_safe *a)
{
    struct call call = {.a = a};
    return (int)make(&call, call_next);
}

static void call_read(struct call *call)
{
    call->result = archive_read_data(call->a->archive, call->arg, call->size);
}

la_ssize_t archive_safe_read(struct archive_safe *a, void *data, size_t size)
{
    struct call call = {.a = a, .arg = data, .size = size};
    return make(&call, call_read);
}

static void call_skip(struct call *call)
{
    call->result = archive_read_data_skip(call->a->archive);
}

int archive_safe_skip(struct archive_safe *a)
{
    struct call call = {.a = a};
    return (int)make(&call, call_skip);
}

static void call_name(struct call *call)
{
    const char *name = archive_entry_pathname(call->a->entry);
    call->name = name ? name : archive_entry_pathname_utf8(call->a->entry);
    call->result = ARCHIVE_OK;
}

const char *archive_safe_name(struct archive_safe *a)
{
    struct call call = {.a = a};
    return make(&call, call_name) == ARCHIVE_OK ? call.name : NULL;
}
