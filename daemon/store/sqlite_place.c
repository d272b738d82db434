/* Whether the files at the store's path are still those that SQLite has open. Who removes or
 * replaces one under a running daemon takes away the only way to what is committed: from then on
 * nothing is acknowledged, until they are back. */
#include "store/sqlite_place.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const suffixes[PLACE_FILES] = {"", "-wal", "-shm"};
enum { SHM = 2 };

static int stat_of(const struct sqlite *s, int which, struct stat *ret_st)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s%s", s->path, suffixes[which]) >= sizeof path)
        return -ENAMETOOLONG;
    return stat(path, ret_st) < 0 ? -errno : 0;
}

void place_note(struct sqlite *s)
{
    struct stat st;
    for (int i = 0; i < PLACE_FILES; i++)
        if (stat_of(s, i, &st) == 0)
            s->places[i] = (struct place){st.st_dev, st.st_ino, st.st_size};
}

/* Another program has cut SQLite's index of its log short, and it is mapped: to look into what is
 * missing is a SIGBUS. It becomes as long as it was. Between two transactions it also becomes all
 * zeros, which SQLite takes for an index that is to be made anew from the log; within one it is
 * left as it is, since SQLite would write on in it, and the transaction is given up. Not through a
 * descriptor: closing one would drop SQLite's locks on that file. */
static int mend_index(struct sqlite *s, off_t size, bool within)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%s", s->path, suffixes[SHM]);
    s->index_cut = true;
    if ((!within && truncate(path, 0) < 0) || truncate(path, size) < 0 || within) {
        s->fault_code = -ESTALE;
        return error_set(&s->fault, -ESTALE, "store.path: %s was cut short by another program",
                         path);
    }
    s->index_cut = false;
    log_warning("store.path: %s was cut short by another program; it is made anew", path);
    return 0;
}

static int moved(struct sqlite *s, int which, const char *how)
{
    s->fault_code = -ESTALE;
    return error_set(
        &s->fault, -ESTALE,
        "store.path: %s%s was %s while the daemon has it open: put it back, or stop the "
        "daemon and start it on what is there now",
        s->path, suffixes[which], how);
}

int place_check(struct sqlite *s, bool within)
{
    struct stat st;
    for (int i = 0; i < PLACE_FILES; i++) {
        struct place *place = &s->places[i];
        if (place->ino == 0)
            continue;
        int r = stat_of(s, i, &st);
        if (r == -ENOENT || r == -ENOTDIR)
            return moved(s, i, "removed");
        if (r < 0)
            continue; /* not known; what is wrong there, writing will tell */
        if (st.st_ino != place->ino || st.st_dev != place->dev)
            return moved(s, i, "replaced");
        if (i == SHM && (st.st_size < place->size || (s->index_cut && !within)))
            return mend_index(s, place->size, within);
        place->size = st.st_size;
    }
    return 0;
}
