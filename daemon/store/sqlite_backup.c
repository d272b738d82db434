/* How the file is copied while it is in use.
 *
 * All changes go to SQLite's log (FILE-wal) and reach FILE only by a checkpoint, and checkpoints
 * are the store thread's alone (sqlite_thread.c). So: once a checkpoint has brought everything into
 * FILE, and as long as there is no other, FILE is the store as it stood at that moment, whole by
 * itself, and nobody writes it. It is read by a thread of its own from beginning to end, as fast as
 * the client takes it; calls go on meanwhile, and the log grows by what they write. That is bounded
 * by WAL_FRAMES: a client that is too slow loses its copy, not the daemon its disk.
 *
 * The descriptor for reading is the one that holds the lock of the file (sqlite_open.c): to open
 * and close another one would drop SQLite's own locks (fcntl(2)). */
#include "store/sqlite_backup.h"

#include "base/clock.h"
#include "base/error.h"
#include "store/sqlite_place.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE       ((size_t)256 << 10)
#define WAL_FRAMES  262144            /* of 4 KiB: 1 GiB */
#define BEGIN_NS    (10 * NS_PER_MS)  /* between two tries to begin, … */
#define PATIENCE_NS (30 * NS_PER_SEC) /* … and for how long */
#define STILL_NS    (60 * NS_PER_SEC) /* for so long the client may take nothing */
#define LOOK_MS     100               /* between two looks at whether it shall end */
#define LONG_NS     NS_PER_SEC        /* a copy that takes longer */

/* --- the copying thread ----------------------------------------------------------------------- */

/* Shall it go on? 0, or a negative errno with the reason. */
static int look(struct backup *b, uint64_t since)
{
    struct store_backup *call = b->call;
    if (atomic_load(&call->stop))
        return error_set(&call->call.error, -ECANCELED, "the daemon stops");
    if (atomic_load(&b->crowded))
        return error_set(&call->call.error, -ETIMEDOUT,
                         "the copy took so long that 1 GiB was written meanwhile; copy to a "
                         "faster disk, or when there is less to do");
    if (clock_now() - since > STILL_NS)
        return error_set(&call->call.error, -ETIMEDOUT, "the client took nothing for %d s",
                         (int)(STILL_NS / NS_PER_SEC));
    return 0;
}

/* Whoever has opened the socket may make it blocking: each call says that it must not block. */
static int send_piece(struct backup *b, const char *data, size_t len)
{
    uint64_t since = clock_now();
    int r;
    while ((r = look(b, since)) == 0 && len > 0) {
        ssize_t n = send(b->call->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
            b->call->bytes += (uint64_t)n;
            since = clock_now();
        } else if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
            struct pollfd pfd = {.fd = b->call->fd, .events = POLLOUT};
            (void)poll(&pfd, 1, LOOK_MS);
        } else if (n < 0 && errno != EINTR) {
            return error_set(&b->call->call.error, -errno, "the client has gone: %s",
                             strerror(errno));
        }
    }
    return r;
}

static int read_piece(const struct backup *b, off_t at, char *data, size_t *ret_len)
{
    size_t len =
        (size_t)(b->before.st_size - at) < PIECE ? (size_t)(b->before.st_size - at) : PIECE;
    ssize_t n = pread(b->fd, data, len, at);
    if (n <= 0)
        return error_set(&b->call->call.error, n < 0 ? -errno : -EIO,
                         "the store's file cannot be read: %s",
                         n < 0 ? strerror(errno) : "it has become shorter");
    *ret_len = (size_t)n;
    return 0;
}

/* Another program than the daemon may have written the file. */
static int check_unchanged(const struct backup *b)
{
    struct stat now;
    if (fstat(b->fd, &now) == 0 && now.st_size == b->before.st_size &&
        now.st_mtim.tv_sec == b->before.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == b->before.st_mtim.tv_nsec)
        return 0;
    return error_set(&b->call->call.error, -ESTALE,
                     "another program has written the store's file meanwhile; try again");
}

static int copy(struct backup *b, char *data)
{
    size_t len = 0;
    int r = 0;
    for (off_t at = 0; at < b->before.st_size && r == 0; at += (off_t)len) {
        r = read_piece(b, at, data, &len);
        if (r == 0)
            r = send_piece(b, data, len);
    }
    return r == 0 ? check_unchanged(b) : r;
}

/* The log may have become long. It goes into the file from here, not from the store's thread, for
 * whom that would be one long step; changes go on beside it. If this fails nothing is lost: the
 * store's thread does it. */
static void shorten_log(const struct sqlite *s)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(s->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, s->config.vfs) ==
        SQLITE_OK)
        (void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    sqlite3_close(db);
}

static void *run(void *arg)
{
    uint64_t since = clock_now();
    struct sqlite *s = arg;
    struct backup *b = &s->backup;
    char *data = malloc(PIECE);
    pthread_setname_np(pthread_self(), "store-backup");
    b->call->call.result =
        data ? copy(b, data) : error_set(&b->call->call.error, -ENOMEM, "out of memory");
    free(data);
    if (clock_now() - since > LONG_NS)
        shorten_log(s);
    pthread_mutex_lock(&s->lock);
    b->over = b->news = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* --- the store's thread ----------------------------------------------------------------------- */

static void give_back(struct sqlite *s)
{
    struct backup *b = &s->backup;
    struct store_backup *call = b->call;
    pthread_mutex_lock(&s->lock);
    b->call = NULL;
    b->over = false;
    pthread_mutex_unlock(&s->lock);
    mailbox_post(s->store.mailbox, &call->call.mail);
}

/* Why there can be no copy of it just now: 0, or a negative errno with the reason. */
static int check_health(struct sqlite *s, struct error *err)
{
    if (atomic_load(&s->check.damaged))
        return error_set(err, -EBADMSG, "%s", s->check.text.text);
    if (atomic_load(&s->failing))
        return error_set(err, s->why_code, "%s", s->why.text);
    if (place_check(s, false) < 0)
        return error_set(err, s->fault_code, "%s", s->fault.text);
    return 0;
}

/* 1: everything is in the file; 0: somebody reads what was before, and it is not yet; or a negative
 * errno with the reason. */
static int bring_into_file(struct sqlite *s, struct error *err)
{
    int frames = 0, copied = 0;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &copied);
    if (rc == SQLITE_OK && frames == copied) {
        s->wal_frames = 0;
        return 1;
    }
    if (rc == SQLITE_OK || rc == SQLITE_BUSY)
        return 0;
    return error_set(err, -EIO, "%s: it cannot be brought up to date: %s", s->path,
                     sqlite3_errmsg(s->db));
}

/* As bring_into_file; 1: the thread copies. */
static int begin(struct sqlite *s)
{
    struct backup *b = &s->backup;
    struct error *err = &b->call->call.error;
    int r = check_health(s, err);
    if (r == 0 && atomic_load(&b->call->stop))
        r = error_set(err, -ECANCELED, "the daemon stops");
    if (r == 0)
        r = bring_into_file(s, err);
    if (r <= 0)
        return r;
    if (fstat(s->lock_fd, &b->before) < 0)
        return error_set(err, -errno, "%s: %s", s->path, strerror(errno));
    b->fd = s->lock_fd;
    atomic_store(&b->crowded, false);
    r = pthread_create(&b->thread, NULL, run, s);
    if (r != 0)
        return error_set(err, -r, "no thread for the copy: %s", strerror(r));
    b->copying = true;
    return 1;
}

static void try_to_begin(struct sqlite *s)
{
    struct backup *b = &s->backup;
    uint64_t now = clock_now();
    if (now < b->begin_at)
        return;
    if (!b->asked_at)
        b->asked_at = now;
    b->begin_at = now + BEGIN_NS;
    int r = begin(s);
    if (r == 0 && now - b->asked_at > PATIENCE_NS)
        r = error_set(&b->call->call.error, -EBUSY,
                      "%s: another program reads it, or it is checked after a stop that was not "
                      "clean; try again when that has ended",
                      s->path);
    if (r != 0)
        b->begin_at = b->asked_at = 0;
    if (r < 0) {
        b->call->call.result = r;
        give_back(s);
    }
}

void backup_turn(struct sqlite *s)
{
    struct backup *b = &s->backup;
    pthread_mutex_lock(&s->lock);
    bool wanted = b->call, over = b->over;
    b->news = false;
    pthread_mutex_unlock(&s->lock);
    if (b->copying && s->wal_frames > WAL_FRAMES)
        atomic_store(&b->crowded, true);
    if (over) {
        pthread_join(b->thread, NULL);
        b->copying = false;
        give_back(s);
    } else if (wanted && !b->copying) {
        try_to_begin(s);
    }
}

/* --- the control loop ------------------------------------------------------------------------- */

void backup_ask(struct sqlite *s, struct store_backup *call)
{
    call->bytes = 0;
    call->call.result = 0;
    pthread_mutex_lock(&s->lock);
    bool free = !s->backup.call;
    if (free) {
        s->backup.call = call;
        s->backup.news = true;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    if (free)
        return;
    call->call.result =
        error_set(&call->call.error, -EBUSY, "a backup is under way; try again when it has ended");
    mailbox_post(s->store.mailbox, &call->call.mail);
}
