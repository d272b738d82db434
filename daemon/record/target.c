/* Writing is by whole batches: one writev for up to IOV_PIECES runs of adjacent lines. A regular
 * file is at the end of a whole line whenever nobody writes: after a failure the torn line is cut
 * off at once, and its writing begins again. A stream (pipe, terminal, socket) goes on at the very
 * byte where it stopped.
 *
 * The standard output's description is shared with others (a shell, a pipe's other writers), so it
 * is not made non-blocking; opened anew by /proc it is one of our own, where that works. */
#include "record/target.h"

#include "base/fd.h"
#include "record/journal.h"
#include "record/rotation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define IOV_PIECES 256

/* --- opening ---------------------------------------------------------------------------------- */

static int init_stdout(struct target *t, int fd, struct error *err)
{
    char path[40];
    struct stat st;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fstat(fd, &st) < 0)
        return error_set(err, -errno, "sink \"%s\": standard output cannot be used: %s", t->name,
                         strerror(errno));
    if ((flags & O_ACCMODE) == O_RDONLY)
        return error_set(err, -EBADF, "sink \"%s\": standard output is not open for writing",
                         t->name);
    t->given = t->file.fd = fd;
    t->terminal = isatty(fd);
    if (S_ISSOCK(st.st_mode)) {
        t->way = TARGET_SOCKET;
    } else if (!S_ISREG(st.st_mode) && !(flags & O_NONBLOCK)) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int own = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (own >= 0)
            t->file.fd = own;
        else
            t->way = TARGET_SMALL;
    }
    return 0;
}

static int init_file(struct target *t, bool unmended, struct error *err)
{
    struct error why;
    int r = unmended ? log_file_open_unmended(t->path, &t->file, &why)
                     : log_file_open(t->path, &t->file, &why);
    return r < 0 ? error_set(err, r, "sink \"%s\": %s", t->name, why.text) : 0;
}

static int init_journal(struct target *t, struct error *err)
{
    int r = journal_open(t->path, &t->file.fd);
    return r < 0
               ? error_set(
                     err, r,
                     "sink \"%s\": the journal cannot be reached: %s; where no journald runs, use "
                     "type = file or type = stdout",
                     t->name, strerror(-r))
               : 0;
}

static int init_names(struct target *t, const struct sink_target *from)
{
    t->name = strdup(from->name);
    if (t->name && from->path) /* without a name it is none, whose path nobody would free */
        t->path = strdup(from->path);
    if (!t->name || (from->path && !t->path))
        return -ENOMEM;
    snprintf(t->status.target, sizeof t->status.target, "%s", t->name);
    return 0;
}

/* `unmended`: see target_prepare. */
static int init(struct target *t, const struct sink_target *from, bool unmended, struct error *err)
{
    *t = (struct target){.type = from->type,
                         .events = from->events,
                         .wanted = from->events,
                         .as_text = from->as_text,
                         .max_size = from->max_size,
                         .keep = from->keep,
                         .fresh = unmended,
                         .given = -1,
                         .file = {.fd = -1}};
    int r = init_names(t, from);
    if (r < 0)
        error_set(err, r, "sink \"%s\": out of memory", from->name);
    else if (from->type == SINK_STDOUT)
        r = init_stdout(t, from->fd, err);
    else if (from->type == SINK_FILE)
        r = from->kept ? 0 : init_file(t, unmended, err);
    else
        r = from->kept ? 0 : init_journal(t, err);
    if (r < 0)
        target_deinit(t, false);
    return r;
}

int target_init(struct target *t, const struct sink_target *from, struct error *err)
{
    return init(t, from, false, err);
}

int target_prepare(struct target *t, const struct sink_target *from, struct error *err)
{
    return init(t, from, true, err);
}

static void close_all(struct target *t, bool given)
{
    if (t->file.fd != t->given)
        fd_close(&t->file.fd);
    if (given)
        fd_close(&t->given);
}

void target_deinit(struct target *t, bool given)
{
    if (!t->name) /* zeroed: 0 is no descriptor of ours */
        return;
    close_all(t, given);
    free(t->name);
    free(t->path);
    t->name = t->path = NULL;
}

/* --- succession ------------------------------------------------------------------------------- */

bool target_same(const struct target *a, const struct target *b)
{
    if (a->type != b->type || !a->path || !b->path)
        return a->type == b->type && !a->path && !b->path;
    return strcmp(a->path, b->path) == 0;
}

void target_succeed(struct target *to, struct target *from)
{
    struct target mine = *to;
    close_all(&mine, true);
    *to = *from;
    to->name = mine.name;
    to->path = mine.path;
    to->wanted = mine.wanted;
    to->as_text = mine.as_text;
    to->max_size = mine.max_size;
    to->keep = mine.keep;
    to->full_at = 0;
    memcpy(to->status.target, mine.status.target, sizeof to->status.target);
    from->given = from->file.fd = -1;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void set_start(struct target *t)
{
    t->start.next = t->next;
    t->start.size = t->file.size;
    t->start.lines = t->lines;
    t->start.bytes = t->bytes;
}

void target_begin(struct target *t)
{
    t->next = t->part = 0;
    t->blocked = t->done = false;
    t->events = t->wanted;
    set_start(t);
}

void target_begin_at(struct target *t, size_t next)
{
    target_begin(t);
    t->next = next;
    set_start(t);
}

static bool wants(const struct target *t, const struct batch_line *line)
{
    return (line->event & t->events) != 0 && line->len > 0;
}

/* The runs of adjacent lines from where the target stands. */
static int gather(struct target *t, const struct batch *batch, struct iovec *iov, int max)
{
    size_t skip = t->part;
    int n = 0;
    for (size_t i = t->next; i < batch->count; i++) {
        const struct batch_line *line = &batch->lines[i];
        if (!wants(t, line))
            continue;
        char *text = (char *)line->text + skip; /* an iovec is not const; writev only reads */
        size_t len = line->len - skip;
        skip = 0;
        if (n > 0 && (char *)iov[n - 1].iov_base + iov[n - 1].iov_len == text) {
            iov[n - 1].iov_len += len;
        } else {
            if (n == max)
                break;
            iov[n++] = (struct iovec){.iov_base = text, .iov_len = len};
        }
    }
    return n;
}

static void advance(struct target *t, const struct batch *batch, size_t written)
{
    t->bytes += written;
    while (written > 0) {
        const struct batch_line *line = &batch->lines[t->next];
        if (!wants(t, line)) {
            t->next++;
            continue;
        }
        size_t left = line->len - t->part;
        if (written < left) {
            t->part += written;
            return;
        }
        written -= left;
        t->file.size += line->len;
        t->lines++;
        t->next++;
        t->part = 0;
    }
}

static ssize_t write_small(struct target *t, struct iovec *iov)
{
    struct pollfd pfd = {.fd = t->file.fd, .events = POLLOUT};
    int r = poll(&pfd, 1, 0);
    if (r == 0)
        errno = EAGAIN;
    if (r <= 0)
        return -1;
    return write(t->file.fd, iov->iov_base, iov->iov_len < PIPE_BUF ? iov->iov_len : PIPE_BUF);
}

static ssize_t write_some(struct target *t, struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    switch (t->way) {
    case TARGET_SOCKET:
        return sendmsg(t->file.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    case TARGET_SMALL:
        return write_small(t, iov);
    case TARGET_PLAIN:
        break;
    }
    return writev(t->file.fd, iov, n);
}

/* Cuts the torn line off. */
static int untear(struct target *t)
{
    struct stat st;
    if (fstat(t->file.fd, &st) < 0)
        return -errno;
    if ((uint64_t)st.st_size == t->file.size + t->part) {
        if (ftruncate(t->file.fd, (off_t)t->file.size) < 0)
            return -errno;
    } else {
        /* Others write to it or have truncated it. */
        int r = log_file_mend(&t->file, t->path, NULL);
        if (r < 0)
            return r;
    }
    t->bytes -= t->part;
    t->part = 0;
    return 0;
}

static int fail(struct target *t, int code)
{
    if (t->type != SINK_FILE)
        return code;
    if (t->file.regular) {
        if (t->part > 0)
            (void)untear(t); /* else at the next try, before anything is written */
    } else if (code == -EPIPE || code == -ENXIO) {
        /* The next reader of a FIFO begins with a whole line. */
        t->bytes -= t->part;
        t->part = 0;
        fd_close(&t->file.fd);
    }
    return code;
}

/* What a failed sync leaves on the disk is unknown, and the kernel tells it once only: the batch is
 * cut off, to be written again. Where that can't be done (others write, too), the file keeps what
 * it has. */
static int sync_failed(struct target *t, int code)
{
    struct stat st;
    if (fstat(t->file.fd, &st) < 0 || (uint64_t)st.st_size != t->file.size ||
        ftruncate(t->file.fd, (off_t)t->start.size) < 0)
        return code;
    t->file.size = t->start.size;
    t->lines = t->start.lines;
    t->bytes = t->start.bytes;
    t->next = t->start.next;
    return code;
}

static int sync_file(struct target *t)
{
    while (fdatasync(t->file.fd) < 0)
        if (errno != EINTR)
            return sync_failed(t, -errno);
    return 0;
}

static bool on_disk(const struct target *t)
{
    return t->type == SINK_FILE && t->file.regular;
}

static int finish(struct target *t, const struct batch *batch, bool sync)
{
    int r = 0;
    t->next = batch->count;
    if (sync && batch->posts && on_disk(t))
        r = sync_file(t);
    t->done = r == 0;
    return r < 0 ? r : 1;
}

/* One entry a line. A journald that is gone is looked for again. */
static int push_journal(struct target *t, const struct batch *batch)
{
    for (; t->next < batch->count; t->next++) {
        const struct batch_line *line = &batch->lines[t->next];
        int r = wants(t, line) ? journal_send(t->file.fd, line, t->as_text) : 1;
        t->blocked = r == 0;
        if (r == 0)
            return 0;
        if (r < 0) {
            fd_close(&t->file.fd);
            return r;
        }
        if (wants(t, line)) {
            t->lines++;
            t->bytes += line->len;
        }
    }
    return finish(t, batch, false);
}

int target_push(struct target *t, const struct batch *batch, bool sync)
{
    struct iovec iov[IOV_PIECES];
    int n, r;

    t->blocked = false;
    if (t->type == SINK_JOURNAL)
        return push_journal(t, batch);
    if (on_disk(t) && t->part > 0 && (r = untear(t)) < 0)
        return r;
    while (!t->gone && (n = gather(t, batch, iov, t->way == TARGET_SMALL ? 1 : IOV_PIECES)) > 0) {
        ssize_t written = write_some(t, iov, n);
        if (written > 0) {
            advance(t, batch, (size_t)written);
        } else if (written == 0) {
            return fail(t, -EIO);
        } else if (errno == EAGAIN) {
            t->blocked = true;
            return 0;
        } else if (errno != EINTR) {
            return fail(t, -errno);
        }
    }
    return finish(t, batch, sync);
}

/* Leaves the old file behind: with whole lines, as far as it lets us, and synced. */
static void leave_file(struct target *t)
{
    if (t->file.fd >= 0 && on_disk(t)) {
        if (t->part > 0)
            (void)untear(t);
        /* If it fails, its lines of this batch go to the new file. Earlier ones may be records
         * whose verdict comes later, and syncs only the new one. */
        if (t->next > t->start.next && !t->done)
            (void)sync_file(t);
        else
            (void)fdatasync(t->file.fd);
    }
    t->part = 0;
    fd_close(&t->file.fd);
}

int target_leave(struct target *t, bool late, bool sync)
{
    if (t->file.fd < 0 || !on_disk(t))
        return 0;
    if (!late)
        set_start(t); /* nobody would write again what a failed sync takes back */
    int r = t->part > 0 ? untear(t) : 0;
    int synced = sync ? sync_file(t) : 0;
    return r < 0 ? r : synced;
}

/* Only now is the file certain to be nobody else's. */
static void mend_fresh(struct target *t)
{
    t->fresh = false;
    if (t->type != SINK_FILE || t->file.fd < 0)
        return;
    if (log_file_mend(&t->file, t->path, NULL) < 0)
        fd_close(&t->file.fd); /* opening it anew tells why */
    else
        set_start(t);
}

bool target_is_full(const struct target *t)
{
    return t->max_size > 0 && t->file.fd >= 0 && on_disk(t) && !t->fresh && !t->error &&
           t->part == 0 && t->file.size >= t->max_size && t->file.size >= t->full_at;
}

int target_rotate(struct target *t)
{
    int r = rotation_move(t->path, t->file.fd, t->keep);
    t->full_at = r < 0 ? t->file.size + t->max_size : 0;
    t->reopen |= r == 0;
    return r;
}

int target_refresh(struct target *t)
{
    struct log_file file;
    if (t->fresh)
        mend_fresh(t);
    if (t->type == SINK_JOURNAL && t->file.fd < 0)
        return journal_open(t->path, &t->file.fd);
    if (t->type != SINK_FILE || (!t->reopen && t->file.fd >= 0))
        return 0;
    if (t->part > 0 && !on_disk(t)) /* a FIFO's reader has half a line */
        return 0;
    t->reopen = false;
    int r = log_file_open(t->path, &file, NULL);
    leave_file(t);
    if (r < 0)
        return r;
    t->file = file;
    set_start(t);
    return 0;
}
