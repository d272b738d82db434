/* What SQLite says, as a sentence with its remedy. */

#include "store/sqlite_error.h"

#include <errno.h>
#include <string.h>

int sqlite_error(sqlite3 *db, int rc, const char *path, struct error *err)
{
    int os = db ? sqlite3_system_errno(db) : 0;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return error_set(err, -ENOSPC, "%s: the disk is full; make room on it", path);
    case SQLITE_READONLY:
        return error_set(err, -EROFS,
                         "%s: cannot be written; let the daemon's user write it and its directory",
                         path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(err, -EBUSY, "%s: another program has it locked; close that program",
                         path);
    case SQLITE_NOMEM:
        return error_set(err, -ENOMEM, "%s: out of memory", path);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return error_set(err, -EBADMSG,
                         "%s: it is damaged (%s); stop the daemon and put a copy in its place, or "
                         "save what can be read by: sqlite3 FILE .recover",
                         path, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        if (os == ENOSPC || os == EDQUOT)
            return error_set(err, -ENOSPC, "%s: the disk is full; make room on it", path);
        os = os > 0 ? os : EIO;
        return error_set(err, -os, "%s: %s: %s", path, sqlite3_errstr(rc), strerror(os));
    default:
        return error_set(err, -EIO, "%s: %s", path, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    }
}
