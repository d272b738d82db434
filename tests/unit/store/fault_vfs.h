/* A file system layer for SQLite that fails on command: the Nth operation, once or from there on.
 * What it does not fail it passes on to the default one, but for syncs, which it only counts: the
 * process lives on. */
#ifndef TESTS_UNIT_STORE_FAULT_VFS_H
#define TESTS_UNIT_STORE_FAULT_VFS_H

#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum fault {
    FAULT_FULL,
    FAULT_EIO,
    FAULT_EROFS,
    FAULT_SHORT,
    FAULT_SYNC,
    FAULT_READ,
    FAULT_COUNT_
};

static struct {
    enum fault kind;
    atomic_int countdown; /* 1: the next operation of that kind fails; 0: none */
    bool for_good;        /* and all after it */
    atomic_bool hit;
} fault_plan;

static int fault_now(bool write, bool sync, bool read)
{
    enum fault kind = fault_plan.kind;
    bool mine = kind == FAULT_READ ? read : kind == FAULT_SYNC ? sync : write;
    if (!mine)
        return 0;
    int left = atomic_load(&fault_plan.countdown);
    if (left == 0)
        return 0;
    if (left > 1) {
        atomic_store(&fault_plan.countdown, left - 1);
        return 0;
    }
    if (!fault_plan.for_good)
        atomic_store(&fault_plan.countdown, 0);
    atomic_store(&fault_plan.hit, true);
    return 1;
}

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this */
};

static sqlite3_file *real_file(sqlite3_file *f)
{
    return ((struct fault_file *)(void *)f)->real;
}

static int fault_close(sqlite3_file *f)
{
    return real_file(f)->pMethods ? real_file(f)->pMethods->xClose(real_file(f)) : SQLITE_OK;
}

static int fault_read(sqlite3_file *f, void *data, int n, sqlite3_int64 at)
{
    if (fault_now(false, false, true))
        return SQLITE_IOERR_READ;
    return real_file(f)->pMethods->xRead(real_file(f), data, n, at);
}

static int fault_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
    const sqlite3_io_methods *m = real_file(f)->pMethods;
    if (!fault_now(true, false, false))
        return m->xWrite(real_file(f), data, n, at);
    if (fault_plan.kind == FAULT_SHORT) /* what was written of it stays */
        (void)m->xWrite(real_file(f), data, n / 2, at);
    return fault_plan.kind == FAULT_FULL || fault_plan.kind == FAULT_SHORT ? SQLITE_FULL
                                                                           : SQLITE_IOERR_WRITE;
}

static int fault_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    if (fault_now(true, false, false))
        return SQLITE_IOERR_TRUNCATE;
    return real_file(f)->pMethods->xTruncate(real_file(f), size);
}

static int fault_sync(sqlite3_file *f, int flags)
{
    return fault_now(false, true, false) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int fault_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_file(f)->pMethods->xFileSize(real_file(f), size);
}

static int fault_lock(sqlite3_file *f, int lock)
{
    return real_file(f)->pMethods->xLock(real_file(f), lock);
}

static int fault_unlock(sqlite3_file *f, int lock)
{
    return real_file(f)->pMethods->xUnlock(real_file(f), lock);
}

static int fault_reserved(sqlite3_file *f, int *out)
{
    return real_file(f)->pMethods->xCheckReservedLock(real_file(f), out);
}

static int fault_control(sqlite3_file *f, int op, void *arg)
{
    return real_file(f)->pMethods->xFileControl(real_file(f), op, arg);
}

static int fault_sector(sqlite3_file *f)
{
    return real_file(f)->pMethods->xSectorSize(real_file(f));
}

static int fault_traits(sqlite3_file *f)
{
    return real_file(f)->pMethods->xDeviceCharacteristics(real_file(f));
}

static int fault_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    if (extend && fault_now(true, false, false))
        return SQLITE_IOERR_SHMSIZE;
    return real_file(f)->pMethods->xShmMap(real_file(f), page, size, extend, out);
}

static int fault_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_file(f)->pMethods->xShmLock(real_file(f), offset, n, flags);
}

static void fault_shm_barrier(sqlite3_file *f)
{
    real_file(f)->pMethods->xShmBarrier(real_file(f));
}

static int fault_shm_unmap(sqlite3_file *f, int remove)
{
    return real_file(f)->pMethods->xShmUnmap(real_file(f), remove);
}

static const sqlite3_io_methods fault_methods = {2,
                                                 fault_close,
                                                 fault_read,
                                                 fault_write,
                                                 fault_truncate,
                                                 fault_sync,
                                                 fault_size,
                                                 fault_lock,
                                                 fault_unlock,
                                                 fault_reserved,
                                                 fault_control,
                                                 fault_sector,
                                                 fault_traits,
                                                 fault_shm_map,
                                                 fault_shm_lock,
                                                 fault_shm_barrier,
                                                 fault_shm_unmap,
                                                 NULL,
                                                 NULL};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    sqlite3_vfs *real = vfs->pAppData;
    struct fault_file *f = (struct fault_file *)(void *)file;
    memset(f, 0, sizeof *f);
    f->real = (sqlite3_file *)(void *)(f + 1);
    if ((flags & SQLITE_OPEN_CREATE) && fault_now(true, false, false))
        return SQLITE_CANTOPEN;
    int rc = real->xOpen(real, name, f->real, flags, out);
    if (rc == SQLITE_OK)
        f->base.pMethods = &fault_methods;
    return rc;
}

static int fault_errno(sqlite3_vfs *vfs, int n, char *text)
{
    static const int codes[FAULT_COUNT_] = {ENOSPC, EIO, EROFS, ENOSPC, EIO, EIO};
    return codes[fault_plan.kind];
}

static const char *fault_vfs(void)
{
    static sqlite3_vfs vfs;
    if (!vfs.zName) {
        sqlite3_vfs *real = sqlite3_vfs_find(NULL);
        vfs = *real;
        vfs.zName = "fault";
        vfs.pNext = NULL;
        vfs.pAppData = real;
        vfs.szOsFile = (int)sizeof(struct fault_file) + real->szOsFile;
        vfs.xOpen = fault_open;
        vfs.xGetLastError = fault_errno;
        sqlite3_vfs_register(&vfs, 0);
    }
    return vfs.zName;
}

#endif
