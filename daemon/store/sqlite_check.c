/* After a stop that was not clean the file is read through, beside the work: SQLite's own recovery
 * has made it consistent unless the disk lied. On a thread and a connection of its own. */
#include "store/sqlite_check.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static int on_progress(void *arg)
{
    struct check *check = arg;
    return atomic_load(&check->stop);
}

void check_damage(struct check *check, const char *path, const char *what)
{
    if (atomic_exchange(&check->told, true))
        return;
    error_set(&check->text, 0,
              "%s: it is damaged (%s); stop the daemon and put a copy in its place, or save what "
              "can be read by: sqlite3 FILE .recover",
              path, what);
    atomic_store(&check->damaged, true);
    log_error("%s", check->text.text);
}

static void look(struct check *check, sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (text && strcmp(text, "ok") == 0) {
        log_info("%s: checked after a stop that was not clean: it is whole", check->path);
        atomic_store(&check->whole, true);
    } else if (text) {
        check_damage(check, check->path, text);
    } else if ((rc & 0xff) == SQLITE_CORRUPT) {
        check_damage(check, check->path, sqlite3_errmsg(db));
    } else if (!atomic_load(&check->stop)) {
        log_warning("%s: could not be checked: %s", check->path, sqlite3_errmsg(db));
    }
    sqlite3_finalize(stmt);
}

static void *run(void *arg)
{
    struct check *check = arg;
    sqlite3 *db = NULL;
    pthread_setname_np(pthread_self(), "store-check");
    int rc = sqlite3_open_v2(check->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_progress_handler(db, 1000, on_progress, check);
        sqlite3_busy_timeout(db, 1000);
        look(check, db);
    } else {
        log_warning("%s: could not be checked: %s", check->path, sqlite3_errstr(rc));
    }
    sqlite3_close(db);
    return NULL;
}

void check_start(struct check *check, const char *path)
{
    check->path = strdup(path);
    if (check->path && pthread_create(&check->thread, NULL, run, check) == 0)
        check->started = true;
    else
        log_warning("%s: no memory to check it after a stop that was not clean", path);
}

void check_stop(struct check *check)
{
    atomic_store(&check->stop, true);
    if (check->started)
        pthread_join(check->thread, NULL);
    free(check->path);
    check->path = NULL;
}
