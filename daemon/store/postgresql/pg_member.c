#include "store/postgresql/pg_member.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/postgresql/pg_fleet.h"
#include "store/postgresql/pg_lease.h"
#include "store/postgresql/pg_row.h"
#include "store/postgresql/pg_sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define GONE                                  \
    "UPDATE @.members SET gone=true,gone_at=" \
    "(extract(epoch FROM clock_timestamp())*1000000)::bigint WHERE id=$1 AND NOT gone"

void member_application(const struct pg *pg, int64_t member, char *ret, size_t size)
{
    snprintf(ret, size, "penstock/%s/%lld", pg->fleet_id, (long long)member);
}

static int ask(struct pg *pg, PGconn *conn, const char *sql, int count, const char *const *values,
               PGresult **ret_result, struct error *err)
{
    return session_ask(conn, pg->schema, sql, count, values, ret_result, err);
}

static int tell(struct pg *pg, PGconn *conn, const char *sql, int count, const char *const *values,
                struct error *err)
{
    PGresult *result;
    int r = ask(pg, conn, sql, count, values, &result, err);
    PQclear(result);
    return r;
}

/* --- the place -------------------------------------------------------------------------------- */

/* Two daemons of one place cannot be told apart by name and machine, so the place is locked. */
static int lock_place(struct pg *pg, const char *path, struct error *err)
{
    pg->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (pg->lock_fd < 0)
        return error_set(err, -errno, "store.path: the lock %s cannot be made: %s", path,
                         strerror(errno));
    if (flock(pg->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return error_set(err, -EBUSY,
                         "store.path: %s is in use by another penstockd; stop that one, or give "
                         "this one a state directory of its own",
                         path);
    return error_set(err, -errno, "store.path: %s cannot be locked: %s", path, strerror(errno));
}

/* Where this daemon's place is, as others read it. */
static void machine_name(char *ret, size_t size, const char *path)
{
    char host[256] = "?", id[33] = "";
    FILE *file = fopen("/etc/machine-id", "re");
    gethostname(host, sizeof host - 1);
    if (file) {
        if (!fgets(id, sizeof id, file))
            id[0] = '\0';
        fclose(file);
    }
    char *full = realpath(path, NULL);
    snprintf(ret, size, "%s %.8s %s", host, id, full ? full : path);
    free(full);
}

/* --- who is gone ------------------------------------------------------------------------------ */

static int tell_sql(struct pg *pg, PGconn *conn, enum sql sql, int count, const char *const *values,
                    struct error *err)
{
    return tell(pg, conn, pg->sqls.text[sql], count, values, err);
}

/* What those that are gone leave: their shards are free, their counts are everybody's. */
static int settle_gone(struct pg *pg, PGconn *conn, struct error *err)
{
    int r = tell_sql(pg, conn, SQL_FREE_SHARDS, 0, NULL, err);
    if (r == 0)
        r = tell_sql(pg, conn, SQL_KEEP_BATCHES, 0, NULL, err);
    return r == 0 ? tell_sql(pg, conn, SQL_FOLD_COUNTS, 0, NULL, err) : r;
}

/* Whatever a dead one's connections still hold is let go. */
static int bury(struct pg *pg, PGconn *conn, const char *id, struct error *err)
{
    const char *values[] = {id};
    int r = tell_sql(pg, conn, SQL_END_SESSIONS, 1, values, err);
    return r < 0 ? r : tell(pg, conn, GONE, 1, values, err);
}

/* --- joining ---------------------------------------------------------------------------------- */

/* Only its sessions know: each shares the lock of its member, and a server lets go what it held. */
static int is_alive(struct pg *pg, PGconn *conn, const char *id, bool *ret_alive, struct error *err)
{
    const char *values[] = {id};
    PGresult *result;
    int r = ask(pg, conn, "SELECT pg_try_advisory_xact_lock(hashtext('@'),$1::int)", 1, values,
                &result, err);
    *ret_alive = r == 0 && strcmp(PQgetvalue(result, 0, 0), "t") != 0;
    PQclear(result);
    return r;
}

/* An earlier run of ours is dead, as its place is locked. Another daemon is refused as long as it
 * lives: the limits of hosts are counted by one daemon, for itself. */
static int replace_member(struct pg *pg, PGconn *conn, const char *machine, const PGresult *members,
                          int row, struct error *err)
{
    const char *id = PQgetvalue(members, row, 0), *name = PQgetvalue(members, row, 1);
    const char *place = PQgetvalue(members, row, 2);
    bool alive = false;
    int r = 0;
    if (strcmp(name, pg->name) != 0 || strcmp(place, machine) != 0)
        r = is_alive(pg, conn, id, &alive, err);
    if (r < 0)
        return r;
    if (alive)
        return error_set(err, -EBUSY,
                         "store.schema: %s is in use by the daemon %s, from %s: one daemon per "
                         "schema; stop that one, or give this one a schema of its own",
                         pg->schema, name, place);
    return bury(pg, conn, id, err);
}

static int replace_members(struct pg *pg, PGconn *conn, const char *machine, struct error *err)
{
    PGresult *result;
    int r = ask(pg, conn, "SELECT id,name,machine FROM @.members WHERE NOT gone ORDER BY id", 0,
                NULL, &result, err);
    for (int i = 0; r == 0 && i < PQntuples(result); i++)
        r = replace_member(pg, conn, machine, result, i, err);
    PQclear(result);
    return r;
}

/* --- alone ------------------------------------------------------------------------------------ */

static int add_member(struct pg *pg, PGconn *conn, const char *machine, struct error *err)
{
    char now[24], id[24];
    const char *values[] = {pg->name, machine, PENSTOCK_VERSION, now};
    const char *ids[] = {id};
    PGresult *result;
    snprintf(now, sizeof now, "%lld", (long long)clock_real_us());
    int r = ask(pg, conn,
                "INSERT INTO @.members(name,machine,version,started) VALUES($1,$2,$3,$4) "
                "RETURNING id,instance",
                4, values, &result, err);
    if (r == 0) {
        pg->member = row_int(result, 0, 0);
        pg->instance = row_int(result, 0, 1);
        snprintf(id, sizeof id, "%lld", (long long)pg->member);
        member_application(pg, pg->member, pg->application, sizeof pg->application);
    }
    PQclear(result);
    if (r == 0)
        r = tell(pg, conn, "INSERT INTO @.counts(member) VALUES($1)", 1, ids, err);
    if (r == 0)
        r = tell(pg, conn, "INSERT INTO @.beats(member,n) VALUES($1,0)", 1, ids, err);
    if (r == 0)
        r = tell(pg, conn, "SELECT " MEMBER_HOLD " FROM @.members WHERE id=$1", 1, ids, err);
    /* What dead ones ran is ours to close: their own ends are refused from here on. */
    if (r == 0)
        r = tell(pg, conn,
                 "UPDATE @.jobs SET member=$1 WHERE member IN(SELECT id FROM @.members WHERE gone)",
                 1, ids, err);
    return r;
}

static int set_application(struct pg *pg, PGconn *conn, struct error *err)
{
    const char *values[] = {pg->application};
    return tell(pg, conn, "SELECT set_config('application_name',$1,false)", 1, values, err);
}

/* A row of a member that is gone stays as long as a job names it. */
static int forget_gone(struct pg *pg, PGconn *conn, struct error *err)
{
    return tell(pg, conn,
                "DELETE FROM @.members m WHERE gone AND NOT EXISTS(SELECT FROM @.jobs j WHERE "
                "j.member=m.id)",
                0, NULL, err);
}

static int join_alone(struct pg *pg, PGconn *conn, const char *machine, struct error *err)
{
    int r = replace_members(pg, conn, machine, err);
    if (r == 0)
        r = settle_gone(pg, conn, err);
    if (r == 0)
        r = add_member(pg, conn, machine, err);
    return r == 0 ? forget_gone(pg, conn, err) : r;
}

/* --- in a fleet ------------------------------------------------------------------------------- */

/* A daemon that is alone here counts the limits of hosts for itself. */
static int replace_lonely(struct pg *pg, PGconn *conn, struct error *err)
{
    PGresult *result;
    int r = ask(pg, conn, "SELECT id,name,machine FROM @.members WHERE NOT gone AND alone", 0, NULL,
                &result, err);
    for (int i = 0; r == 0 && i < PQntuples(result); i++)
        r = replace_member(pg, conn, pg->fleet->machine, result, i, err);
    PQclear(result);
    return r;
}

static int take_joined(struct pg *pg, const PGresult *result, uint64_t asked)
{
    pg->member = row_int(result, 0, 0);
    pg->instance = row_int(result, 0, 1);
    member_application(pg, pg->member, pg->application, sizeof pg->application);
    fleet_joined(pg->fleet, pg->member, asked, row_int(result, 0, 2));
    return 0;
}

static int join_fleet(struct pg *pg, PGconn *conn, const char *dead, struct error *err)
{
    char workers[16], lease[24];
    const char *values[] = {
        pg->name, pg->fleet->machine, PENSTOCK_VERSION, pg->config.digest, workers, lease};
    uint64_t asked = lease_clock();
    PGresult *result = NULL;
    snprintf(workers, sizeof workers, "%u", pg->config.workers);
    snprintf(lease, sizeof lease, "%llu", (unsigned long long)(pg->config.lease_ns / NS_PER_MS));
    int r = replace_lonely(pg, conn, err);
    if (r == 0 && dead[0])
        r = bury(pg, conn, dead, err);
    if (r == 0)
        r = tell_sql(pg, conn, SQL_END_NAMESAKE, 2, values, err);
    if (r == 0)
        r = tell_sql(pg, conn, SQL_BURY_NAMESAKE, 2, values, err);
    if (r == 0)
        r = settle_gone(pg, conn, err);
    if (r == 0)
        r = tell_sql(pg, conn, SQL_TIDY, 0, NULL, err);
    if (r == 0)
        r = ask(pg, conn, pg->sqls.text[SQL_JOIN], 6, values, &result, err);
    if (r == 0)
        r = take_joined(pg, result, asked);
    PQclear(result);
    return r;
}

static int read_fleet_id(struct pg *pg, PGconn *conn, struct error *err)
{
    PGresult *result = NULL;
    int r = ask(pg, conn, "SELECT value FROM @.meta WHERE name='fleet'", 0, NULL, &result, err);
    if (r == 0 && PQntuples(result) > 0)
        snprintf(pg->fleet_id, sizeof pg->fleet_id, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return r;
}

/* --- the same name elsewhere ------------------------------------------------------------------ */

struct namesake {
    char id[24], machine[1024];
    int64_t n;
    uint64_t lease_ns;
};

/* Of another place; id "": there is none. */
static int find_namesake(struct pg *pg, PGconn *conn, struct namesake *ret, struct error *err)
{
    const char *values[] = {pg->name, pg->fleet->machine};
    PGresult *result = NULL;
    ret->id[0] = '\0';
    int r = ask(pg, conn,
                "SELECT m.id,m.machine,b.n,m.lease_ms FROM @.members m JOIN @.beats b ON "
                "b.member=m.id WHERE "
                "m.name=$1 AND m.machine<>$2 AND NOT m.gone AND NOT m.alone",
                2, values, &result, err);
    if (r == 0 && PQntuples(result) > 0) {
        snprintf(ret->id, sizeof ret->id, "%s", PQgetvalue(result, 0, 0));
        snprintf(ret->machine, sizeof ret->machine, "%s", PQgetvalue(result, 0, 1));
        ret->n = row_int(result, 0, 2);
        ret->lease_ns = (uint64_t)row_int(result, 0, 3) * NS_PER_MS;
    }
    PQclear(result);
    return r;
}

static void pause_ns(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / NS_PER_SEC),
                            .tv_nsec = (long)(ns % NS_PER_SEC)};
    nanosleep(&time, NULL);
}

/* Its place may be on a machine that is no more, so that nobody can tell but by its beats: it is
 * watched for its lease. ret_dead is its id if it was not heard; "": there is none. */
static int watch_namesake(struct pg *pg, PGconn *conn, char ret_dead[24], struct error *err)
{
    struct namesake first = {.n = 0}, now;
    int r = find_namesake(pg, conn, &first, err);
    uint64_t end = lease_clock() + first.lease_ns;
    now = first;
    if (r == 0 && first.id[0])
        log_info("store: another %s is in the fleet, from %s: waits for up to %llu s for a sign "
                 "of it",
                 pg->name, first.machine, (unsigned long long)(first.lease_ns / NS_PER_SEC));
    while (r == 0 && now.id[0] && strcmp(now.id, first.id) == 0 && now.n == first.n &&
           lease_clock() < end) {
        pause_ns(lease_beat(first.lease_ns) / 2);
        r = find_namesake(pg, conn, &now, err);
    }
    snprintf(ret_dead, 24, "%s", now.id);
    if (r < 0 || !now.id[0] || (strcmp(now.id, first.id) == 0 && now.n == first.n))
        return r;
    return error_set(err, -EBUSY,
                     "fleet.name: %s is in the fleet already, from %s; give this daemon a name of "
                     "its own",
                     pg->name, now.machine);
}

/* --- joining ---------------------------------------------------------------------------------- */

static int join(struct pg *pg, PGconn *conn, const char *machine, const char *dead,
                struct error *err)
{
    struct error ignored;
    int r = tell(pg, conn, "BEGIN", 0, NULL, err);
    if (r == 0)
        r = tell_sql(pg, conn, SQL_LOCK_MEMBERS, 0, NULL, err);
    if (r == 0 && pg->fleet)
        r = join_fleet(pg, conn, dead, err);
    else if (r == 0)
        r = join_alone(pg, conn, machine, err);
    if (r == 0)
        r = tell(pg, conn, "COMMIT", 0, NULL, err);
    if (r < 0)
        (void)tell(pg, conn, "ROLLBACK", 0, NULL, &ignored);
    return r;
}

int member_join(struct pg *pg, PGconn *conn, struct error *err)
{
    char machine[1024], dead[24] = "";
    int r = pg->config.make_dir ? store_make_dir(pg->config.path, err) : 0;
    if (r == 0)
        r = lock_place(pg, pg->config.path, err);
    if (r < 0)
        return r;
    machine_name(machine, sizeof machine, pg->config.path);
    r = read_fleet_id(pg, conn, err);
    if (r == 0 && pg->fleet) {
        snprintf(pg->fleet->machine, sizeof pg->fleet->machine, "%s", machine);
        r = watch_namesake(pg, conn, dead, err);
    }
    if (r == 0)
        r = join(pg, conn, machine, dead, err);
    return r == 0 && !pg->fleet ? set_application(pg, conn, err) : r;
}

/* --- leaving ---------------------------------------------------------------------------------- */

static int leave(struct pg *pg, PGconn *conn, struct error *err)
{
    char id[24];
    const char *values[] = {id};
    snprintf(id, sizeof id, "%lld", (long long)pg->member);
    int r = tell(pg, conn, "BEGIN", 0, NULL, err);
    if (r == 0) /* a standby that is gone keeps nobody here */
        r = tell_sql(pg, conn, SQL_LOCALLY, 0, NULL, err);
    if (r == 0)
        r = tell(pg, conn, GONE, 1, values, err);
    if (r == 0)
        r = settle_gone(pg, conn, err);
    return r == 0 ? tell(pg, conn, "COMMIT", 0, NULL, err) : r;
}

void member_leave(struct pg *pg)
{
    struct error err;
    if (pg->w.state != CHANNEL_IDLE)
        return; /* its next run, or another member, sees to it */
    PGconn *conn = pg->w.conn;
    if (!PQexitPipelineMode(conn) || PQsetnonblocking(conn, 0) != 0)
        return;
    if (leave(pg, conn, &err) < 0)
        log_warning("store: this member could not leave the fleet: %s", err.text);
}
