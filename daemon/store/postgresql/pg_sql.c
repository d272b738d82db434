#include "store/postgresql/pg_sql.h"

#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMMON "attempt,state,priority,rank,uid,gid,created"
#define TEXTS  "host,parser,key,labels,spec,schedule,interrupted,torn,ran"
/* Of the two tables, the same columns: see pg_row.c. */
#define LIVE_ROW                                                         \
    "id," COMMON ",due,0::bigint AS finished,retry_of,0::bigint AS seq," \
    "0::smallint AS error," TEXTS ",CASE WHEN place=3 THEN needs END AS needs,NULL AS verdict"
#define ENDED_ROW                                                           \
    "id," COMMON ",0::bigint AS due,finished,retry_of,seq,error," TEXTS "," \
    "NULL AS needs,verdict"

#define SCHEDULE_ROW_WITH(spec)                                                              \
    "s.name," spec                                                                           \
    ",s.uid,s.gid,s.paused,s.revision,s.version,s.created,s.next_at,s.job,s.forced,"         \
    "s.last_job,s.runs,s.skipped,s.left_out,s.last_run,s.problem,s.last_state,s.last_error," \
    "s.last_end,s.last_done,s.failures,s.etag,s.modified,s.validated"
#define SCHEDULE_ROW SCHEDULE_ROW_WITH("s.spec")
#define PAGE_ROW     SCHEDULE_ROW_WITH("CASE WHEN $1::bool THEN '' ELSE s.spec END")
#define FAILING      "problem IS NOT NULL OR last_state=4"

#define NOW_US       "(extract(epoch FROM clock_timestamp())*1000000)::bigint"
#define APPLICATION  "'penstock/'||(SELECT value FROM @.meta WHERE name='fleet')||'/'"
#define THE_GONE     "(SELECT id FROM @.members WHERE gone)"
#define TIMELINE     "substr(pg_walfile_name(pg_current_wal_lsn()),1,8)"
#define IN_SHARDS(n) "shard=ANY($" #n "::smallint[])"

/* A parameter that nothing casts has no type: who asks after a change names all of its arrays. */
#define CLAIM_UNNEST "unnest($2::bigint[],$3::int[]) AS u(id,attempt)"
#define FINISH_UNNEST                                                         \
    "unnest($2::bigint[],$3::int[],$4::bool[],$5::smallint[],$6::smallint[]," \
    "$7::bigint[],$8::text[])"
#define POSTPONE_UNNEST                                                          \
    "unnest($2::bigint[],$3::int[],$4::bigint[],$5::text[],$6::int[],$7::int[]," \
    "$8::bigint[]) AS u(id,attempt,due,line,interrupted,torn,ran)"
#define SUBMIT_UNNEST                                                                            \
    "WITH u AS MATERIALIZED(SELECT * FROM unnest($2::bigint[],$3::bool[],$4::smallint[],"        \
    "$5::int[],$6::bigint[],$7::bigint[],$8::bigint[],$9::bigint[],$10::bigint[],$11::bigint[]," \
    "$12::text[],$13::text[],$14::text[],$15::text[],$16::text[],$17::text[],$18::text[]) AS "   \
    "u(id,claim,shard,priority,rank,uid,gid,created,due,retry_of,host,parser,key,labels,spec,"   \
    "schedule,mark))"
#define SUBMIT_INSERT                                                                             \
    "j AS(INSERT INTO @.jobs(id,attempt,state,place,member,shard,priority,rank,uid,gid,realm,"    \
    "created,due,retry_of,host,parser,key,labels,spec,schedule) SELECT id,claim::int,claim::int," \
    "CASE WHEN claim THEN 0 WHEN due<>0 THEN 2 ELSE 1 END,CASE WHEN claim THEN $1::bigint END,"   \
    "shard,priority,rank,uid,gid,'',created,due,retry_of,host,parser,key,labels,spec,schedule "   \
    "FROM u"
#define SUBMIT_COUNT                                                                              \
    " RETURNING state,octet_length(spec) AS n),"                                                  \
    "t AS(SELECT count(*) FILTER(WHERE state=0) AS q,count(*) FILTER(WHERE state=1) AS r,"        \
    "coalesce(sum(n),0) AS b FROM j) "                                                            \
    "UPDATE @.counts SET queued=queued+q,running=running+r,bytes=bytes+b FROM t WHERE member=$1 " \
    "RETURNING q,r,b"

/* What parked jobs need: one probe of the index for each kind. */
#define KINDS                                                                                    \
    "WITH RECURSIVE k AS((SELECT needs FROM @.jobs WHERE place=3 ORDER BY needs LIMIT 1) UNION " \
    "ALL SELECT n.needs FROM k CROSS JOIN LATERAL(SELECT j.needs FROM @.jobs j WHERE j.place=3 " \
    "AND j.needs>k.needs ORDER BY j.needs LIMIT 1) n) "

static const char *const sql[SQL_COUNT_] = {
    [SQL_BEGIN] = "BEGIN ISOLATION LEVEL READ COMMITTED",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    /* A statement without a row would stop nothing that comes behind it: a division by 0 does. */
    [SQL_FENCE] = "SELECT 1/count(*) FROM(SELECT FROM @.members WHERE id=$1 AND instance=$2 AND "
                  "NOT gone FOR SHARE) x",
    [SQL_NUMBER] = "UPDATE @.counts SET batch=$2 WHERE member=$1",
    [SQL_IDS] = "SELECT nextval('@.job_id') FROM generate_series(1,$1::int)",
    [SQL_RENEW] =
        "UPDATE @.members SET instance=$2 WHERE id=$1 AND NOT gone RETURNING " MEMBER_HOLD,
    [SQL_COUNTS] =
        "SELECT m.batch,m.queued,m.running,m.waiting,m.done,m.failed,m.cancelled,m.bytes,"
        "o.queued,o.running,o.waiting,o.done,o.failed,o.cancelled,o.bytes,m.copied FROM @.counts m,"
        "(SELECT coalesce(sum(queued),0) AS queued,coalesce(sum(running),0) AS running,"
        "coalesce(sum(waiting),0) AS waiting,coalesce(sum(done),0) AS done,"
        "coalesce(sum(failed),0) AS failed,coalesce(sum(cancelled),0) AS cancelled,"
        "coalesce(sum(bytes),0) AS bytes FROM @.counts WHERE member<>$1) o WHERE m.member=$1",
    [SQL_SUBMIT] = SUBMIT_UNNEST "," SUBMIT_INSERT SUBMIT_COUNT,
    /* Sorted: two who bring the same keys in another order would wait for each other. */
    [SQL_SUBMIT_KEYED] =
        SUBMIT_UNNEST ",k AS(INSERT INTO @.keys(realm,uid,key,id,mark) SELECT '',uid,key,id,"
                      "decode(mark,'hex') FROM u WHERE key IS NOT NULL ORDER BY uid,key COLLATE "
                      "\"C\",id ON CONFLICT DO NOTHING RETURNING id)," SUBMIT_INSERT
                      " WHERE key IS NULL OR id IN(SELECT id FROM k)" SUBMIT_COUNT,
    [SQL_KEYS] = "SELECT u.o,k.id,k.mark=decode(u.mark,'hex') FROM unnest($1::bigint[],$2::text[],"
                 "$3::text[]) WITH ORDINALITY AS u(uid,key,mark,o) JOIN @.keys k ON k.realm='' AND "
                 "k.uid=u.uid AND k.key=u.key",
    [SQL_CLAIM] =
        "WITH o AS(SELECT j.id,j.state FROM " CLAIM_UNNEST " JOIN @.jobs j ON j.id=u.id AND "
        "j.attempt=u.attempt WHERE j.place IN(1,2,3) AND j.cancel IS NULL ORDER BY j.id FOR UPDATE "
        "OF j),"
        "c AS(UPDATE @.jobs j SET state=1,place=0,due=0,attempt=attempt+1,member=$1 FROM o WHERE "
        "j.id=o.id RETURNING j.id,o.state),"
        "t AS(SELECT count(*) FILTER(WHERE state=0) AS q,count(*) FILTER(WHERE state=2) AS w FROM "
        "c),n AS(UPDATE @.counts SET queued=queued-q,waiting=waiting-w,running=running+q+w FROM t "
        "WHERE member=$1) SELECT id,state FROM c",
    [SQL_CLAIM_ASK] =
        "SELECT j.id,0 FROM " CLAIM_UNNEST " JOIN @.jobs j ON j.id=u.id AND "
        "j.attempt=u.attempt+1 WHERE j.member=$1 UNION ALL SELECT e.id,0 FROM " CLAIM_UNNEST
        " JOIN @.ended e ON e.id=u.id AND e.attempt=u.attempt+1 WHERE e.by_member=$1",
    [SQL_FINISH] =
        "WITH u AS(SELECT * FROM " FINISH_UNNEST " WITH ORDINALITY AS "
        "u(id,attempt,running,state,error,finished,verdict,o)),"
        "d AS(DELETE FROM @.jobs j USING u WHERE j.id=u.id AND j.attempt=u.attempt AND CASE WHEN "
        "u.running THEN j.member=$1 ELSE j.member IS NULL END RETURNING j.*,u.o,u.state AS "
        "last,u.error,u.finished,u.verdict),"
        "e AS(INSERT INTO @.ended(id,attempt,state,priority,rank,uid,gid,realm,created,retry_of,"
        "host,parser,key,labels,spec,schedule,history,interrupted,torn,ran,error,finished,verdict,"
        "by_member) SELECT id,attempt,last,priority,rank,uid,gid,realm,created,retry_of,host,"
        "parser,key,labels,spec,schedule,history,interrupted,torn,ran,error,finished,verdict,$1 "
        "FROM d "
        "ORDER BY o),"
        "t AS(SELECT count(*) FILTER(WHERE state=0) AS q,count(*) FILTER(WHERE state=1) AS r,"
        "count(*) FILTER(WHERE state=2) AS w,count(*) FILTER(WHERE last=3) AS d,"
        "count(*) FILTER(WHERE last=4) AS f,count(*) FILTER(WHERE last=5) AS c,"
        "coalesce(sum(octet_length(spec)),0) AS b FROM d),"
        "n AS(UPDATE @.counts SET queued=queued-q,running=running-r,waiting=waiting-w,done=done+d,"
        "failed=failed+f,cancelled=cancelled+c,bytes=bytes-b FROM t WHERE member=$1) "
        "SELECT id,state,last,octet_length(spec) FROM d",
    [SQL_FINISH_ASK] = "SELECT e.id,0,e.state,0 FROM " FINISH_UNNEST " AS "
                       "u(id,attempt,running,state,error,finished,verdict) JOIN @.ended e ON "
                       "e.id=u.id AND e.attempt=u.attempt AND "
                       "e.state=u.state AND e.by_member=$1",
    [SQL_FINISH_LOCK] =
        "SELECT j.id FROM unnest($2::bigint[],$3::int[]) AS u(id,attempt) JOIN @.jobs j ON "
        "j.id=u.id AND j.attempt=u.attempt WHERE j.member=$1 ORDER BY j.id FOR UPDATE OF j",
    [SQL_FINISH_STOOD] =
        "SELECT e.id FROM unnest($1::bigint[],$2::int[]) AS u(id,attempt) JOIN @.ended e ON "
        "e.id=u.id AND e.attempt=u.attempt WHERE e.state=3",
    [SQL_STORED] =
        "SELECT b.job,max(b.stored) FROM unnest($1::bigint[],$2::int[]) AS u(id,attempt) "
        "JOIN @.batches b ON b.job=u.id AND b.attempt=u.attempt GROUP BY b.job",
    [SQL_STORED_END] = "DELETE FROM @.batches b USING unnest($1::bigint[],$2::int[]) AS "
                       "u(id,attempt) WHERE b.job=u.id AND b.attempt=u.attempt",
    [SQL_APPEND_LOCK] =
        "SELECT FROM @.jobs WHERE id=$2 AND attempt=$3 AND member=$1 FOR NO KEY UPDATE",
    [SQL_APPENDED] = "INSERT INTO @.batches(job,attempt,space,name,stored) VALUES($1,$2,$3,$4,$5) "
                     "ON CONFLICT(job,attempt,space,name) DO UPDATE SET stored=excluded.stored",
    [SQL_DISCARD] = "SELECT @.discard($1)",
    [SQL_ALIVE] = "SELECT 1/count(*) FROM(SELECT FROM @.members WHERE id=$1 AND NOT gone FOR "
                  "SHARE) x",
    [SQL_COPIED] = "UPDATE @.counts SET copied=$2 WHERE member=$1",
    [SQL_SYNC] = "UPDATE @.counts SET copied=copied WHERE member=$1",
    [SQL_END_SESSION] = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid=$1 AND "
                        "application_name=$2 AND pid<>pg_backend_pid()",
    [SQL_POSTPONE] =
        "WITH u AS(SELECT * FROM " POSTPONE_UNNEST "),"
        "p AS(UPDATE @.jobs j SET state=CASE WHEN u.due=0 THEN 0 ELSE 2 END,place=CASE WHEN "
        "u.due=0 THEN 1 ELSE 2 END,due=u.due,member=NULL,history=CASE WHEN u.line IS NULL OR "
        "octet_length(j.history)+octet_length(u.line)>=$9::int THEN j.history ELSE "
        "concat_ws(',',j.history,u.line) END,interrupted=j.interrupted+u.interrupted,"
        "torn=j.torn+u.torn,ran=u.ran FROM u WHERE j.id=u.id AND j.attempt=u.attempt AND "
        "j.member=$1 "
        "RETURNING j.id,j.state,j.host),"
        "t AS(SELECT count(*) FILTER(WHERE state=0) AS q,count(*) FILTER(WHERE state=2) AS w FROM "
        "p),n AS(UPDATE @.counts SET queued=queued+q,waiting=waiting+w,running=running-q-w FROM t "
        "WHERE member=$1) SELECT id,state,host FROM p",
    [SQL_POSTPONE_ASK] =
        "SELECT u.id,0,NULL FROM " POSTPONE_UNNEST " WHERE EXISTS(SELECT "
        "FROM @.jobs j WHERE j.id=u.id AND (j.attempt>u.attempt OR j.attempt=u.attempt AND "
        "j.member IS DISTINCT FROM $1::bigint)) OR EXISTS(SELECT FROM @.ended e WHERE e.id=u.id)",
    [SQL_LOOK] = "SELECT id,state,attempt FROM @.jobs WHERE id=ANY($1::bigint[]) UNION ALL "
                 "SELECT id,state,attempt FROM @.ended WHERE id=ANY($1::bigint[])",
    [SQL_FORGET] =
        "WITH o AS(SELECT seq,finished FROM @.ended ORDER BY seq LIMIT $4 FOR UPDATE SKIP LOCKED),"
        "m AS(SELECT seq,row_number() OVER(ORDER BY seq) AS n,finished FROM o),"
        "f AS(DELETE FROM @.ended e USING m WHERE e.seq=m.seq AND (m.n<=$3 OR m.finished<$2) "
        "RETURNING e.id,e.state,e.realm,e.uid,e.key),"
        "k AS(DELETE FROM @.keys k USING f WHERE k.realm=f.realm AND k.uid=f.uid AND k.key=f.key "
        "AND k.id=f.id),"
        "t AS(SELECT count(*) FILTER(WHERE state=3) AS d,count(*) FILTER(WHERE state=4) AS f,"
        "count(*) FILTER(WHERE state=5) AS c FROM f) "
        "UPDATE @.counts SET done=done-d,failed=failed-t.f,cancelled=cancelled-c FROM t WHERE "
        "member=$1 RETURNING t.d,t.f,t.c",
    [SQL_OLDEST] = "SELECT finished FROM @.ended ORDER BY seq LIMIT 1",
    [SQL_GET] = "SELECT " LIVE_ROW ",history FROM @.jobs WHERE id=$1 UNION ALL SELECT " ENDED_ROW
                ",history FROM @.ended WHERE id=$1",
    /* What selects is filled in by read_list. */
    [SQL_LIST] =
        "SELECT * FROM(SELECT " LIVE_ROW " FROM @.jobs WHERE id<$1%s UNION ALL SELECT " ENDED_ROW
        " FROM @.ended WHERE id<$1%s) x ORDER BY id DESC LIMIT %u",
    [SQL_PROMOTE] = "UPDATE @.jobs SET place=1 WHERE id IN(SELECT id FROM @.jobs WHERE place=2 AND "
                    "shard=$1 AND host=$2 AND due<=$3 ORDER BY due LIMIT 1000)",
    [SQL_WINDOW] = "SELECT " LIVE_ROW " FROM @.jobs WHERE place=1 AND shard=$1 AND host=$2 AND "
                   "id<>ALL($3::bigint[]) AND rank>=$5 AND cancel IS NULL ORDER BY rank,id "
                   "LIMIT $4",
    [SQL_WINDOW_PARKED] =
        "SELECT " LIVE_ROW " FROM unnest($6::text[]) AS k(kind) CROSS JOIN LATERAL(SELECT * FROM "
        "@.jobs j WHERE j.place=3 AND j.needs=k.kind AND j.shard=$1 AND j.host=$2 AND "
        "j.id<>ALL($3::bigint[]) AND j.rank>=$5 AND j.cancel IS NULL ORDER BY j.rank,j.id LIMIT "
        "$4) x ORDER BY rank,id LIMIT $4",
    [SQL_NEXT_DUE] = "SELECT due FROM @.jobs WHERE place=2 AND shard=$1 AND host=$2 AND "
                     "id<>ALL($3::bigint[]) ORDER BY due LIMIT 1",
    [SQL_HOSTS] = "SELECT DISTINCT host FROM @.jobs WHERE place IN(1,2) AND host>$1 ORDER BY host "
                  "LIMIT $2",
    [SQL_ENDED] = "SELECT " ENDED_ROW ",xid FROM @.ended WHERE (xid,seq)>($1::xid8,$2) AND "
                  "xid<pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid,seq LIMIT $3",
    [SQL_SCHEDULES] = "SELECT " PAGE_ROW " FROM @.schedules s WHERE name>$2 AND "
                      "($4::text IS NULL OR name<=$4) ORDER BY name LIMIT $3",
    [SQL_SCHEDULES_FAILING] = "SELECT " PAGE_ROW " FROM @.schedules s WHERE (last_state=4 OR "
                              "problem IS NOT NULL) AND name>$2 AND ($4::text IS NULL OR "
                              "name<=$4) ORDER BY name LIMIT $3",
    [SQL_SCHEDULES_DUE] = "SELECT " PAGE_ROW " FROM @.schedules s WHERE NOT paused AND "
                          "(next_at,name)>($4,$2) ORDER BY next_at,name LIMIT $3",
    [SQL_SCHEDULES_NAMED] = "SELECT " SCHEDULE_ROW " FROM @.schedules s WHERE name=ANY($1::text[])",
    [SQL_SCHEDULES_COUNT] = "SELECT count(*),count(*) FILTER(WHERE " FAILING "),count(*) "
                            "FILTER(WHERE paused),coalesce(max(last_run),0) FROM @.schedules",
    /* All or none: one whose version is another one than the caller has seen stops them all. */
    [SQL_SCHEDULE_PUT] =
        "WITH u AS MATERIALIZED(SELECT * FROM unnest($1::text[],$2::text[],$3::bigint[],"
        "$4::bigint[],$5::bool[],$6::bigint[],$7::bigint[],$8::bigint[],$9::bigint[]) AS "
        "u(name,spec,uid,gid,paused,revision,created,next_at,version)),"
        "o AS MATERIALIZED(SELECT name,version,paused," FAILING " AS failing FROM @.schedules "
        "WHERE name=ANY($1::text[]||$10::text[]) FOR UPDATE),"
        "k AS MATERIALIZED(SELECT min(u.name) AS other FROM u WHERE CASE WHEN u.version=0 THEN "
        "u.name IN(SELECT name FROM o) ELSE (u.name,u.version) NOT IN(SELECT name,version FROM o) "
        "END),"
        "i AS(INSERT INTO @.schedules AS s(name,spec,uid,gid,paused,revision,created,next_at,"
        "version) SELECT name,spec,uid,gid,paused,revision,created,next_at,"
        "nextval('@.schedule_version') FROM u,k WHERE k.other IS NULL ON CONFLICT(name) DO UPDATE "
        "SET etag=CASE WHEN s.revision=excluded.revision THEN s.etag END,"
        "modified=CASE WHEN s.revision=excluded.revision THEN s.modified END,"
        "validated=CASE WHEN s.revision=excluded.revision THEN s.validated END,"
        "problem=CASE WHEN s.spec=excluded.spec THEN s.problem END,spec=excluded.spec,"
        "uid=excluded.uid,gid=excluded.gid,paused=excluded.paused,revision=excluded.revision,"
        "created=excluded.created,next_at=CASE WHEN excluded.next_at=0 THEN s.next_at ELSE "
        "excluded.next_at END,version=excluded.version RETURNING s.name,s.version,s.paused," FAILING
        " AS failing),"
        "d AS(DELETE FROM @.schedules s USING k WHERE k.other IS NULL AND "
        "s.name=ANY($10::text[]) AND s.name NOT IN(SELECT name FROM u)) "
        "SELECT other,0,(SELECT count(*) FROM i)-(SELECT count(*) FROM o),"
        "(SELECT count(*) FROM i WHERE failing)-(SELECT count(*) FROM o WHERE failing),"
        "(SELECT count(*) FROM i WHERE paused)-(SELECT count(*) FROM o WHERE paused) FROM k "
        "UNION ALL SELECT name,version,0,0,0 FROM i",
    /* No member has this number. */
    [SQL_SCHEDULE_LOCK] = "SELECT pg_advisory_xact_lock(hashtext('@'),-1)",
    [SQL_SCHEDULE_BUMP] = "SELECT nextval('@.schedule_version')",
    [SQL_SCHEDULE_PASS] =
        "UPDATE @.schedules s SET next_at=$4,problem=$5 FROM(SELECT name AS was,problem AS "
        "had FROM @.schedules WHERE name=$1 FOR UPDATE) o WHERE s.name=o.was AND s.version=$2 AND "
        "s.next_at=$3 RETURNING (" FAILING ")::int-(o.had IS NOT NULL OR s.last_state=4)::int",
    [SQL_SCHEDULE_RUN] =
        "WITH s AS(UPDATE @.schedules s SET job=$2::bigint,last_job=$2::bigint,runs=runs+1,"
        "left_out=0,last_run=$18,next_at=$19,forced=CASE WHEN $21::bool THEN $2::bigint ELSE 0 "
        "END,problem=NULL FROM(SELECT name AS was,problem AS had FROM @.schedules WHERE "
        "name=$15 FOR UPDATE) o WHERE s.name=o.was AND s.version=$16 AND s.next_at=$17 AND "
        "(NOT s.paused OR $20::bool) AND s.job=0 RETURNING (o.had IS NOT NULL AND "
        "s.last_state<>4)::int AS mended),"
        "j AS(INSERT INTO @.jobs(id,attempt,state,place,member,shard,priority,rank,uid,gid,realm,"
        "created,due,retry_of,host,parser,labels,spec,schedule) SELECT $2::bigint,$3::bool::int,"
        "$3::bool::int,CASE WHEN $3::bool THEN 0 WHEN $9::bigint<>0 THEN 2 ELSE 1 END,CASE WHEN "
        "$3::bool THEN $1::bigint END,$4,$5,$6,$7,$8,'',$22,$9::bigint,$10,$11,$12,$13,$14,$15 "
        "FROM s RETURNING state,octet_length(spec) AS n),"
        "c AS(UPDATE @.counts SET queued=queued+(j.state=0)::int,running=running+(j.state=1)::int,"
        "bytes=bytes+n FROM j WHERE member=$1::bigint) SELECT state,n,mended FROM j,s",
    [SQL_SCHEDULE_SKIP] =
        "UPDATE @.schedules SET skipped=skipped+1,left_out=left_out+1,next_at=$4 WHERE name=$1 AND "
        "version=$2 AND next_at=$3 AND NOT paused AND NOT $6::bool AND job<>0 AND job<>$5",
    [SQL_SCHEDULE_LOOK] = "SELECT job,left_out,version,next_at FROM @.schedules WHERE name=$1",
    /* Only with an end that was taken: it stands in this transaction, or nothing changes. */
    [SQL_SCHEDULE_END] =
        "UPDATE @.schedules s SET job=CASE WHEN job=$2::bigint THEN 0 ELSE job END,"
        "last_state=$3::smallint,last_error=$4::smallint,last_end=$5::bigint,"
        "last_done=CASE WHEN $3::smallint=3 THEN $5::bigint ELSE last_done END,"
        "failures=CASE $3::smallint WHEN 3 THEN 0 WHEN 4 THEN failures+1 ELSE failures END,"
        "etag=CASE WHEN $6::bool AND revision=$7 THEN $8 ELSE etag END,"
        "modified=CASE WHEN $6::bool AND revision=$7 THEN $9 ELSE modified END,"
        "validated=CASE WHEN $6::bool AND revision=$7 THEN $10 ELSE validated END "
        "FROM(SELECT name AS was,last_state AS before FROM @.schedules WHERE name=$1 FOR UPDATE) o "
        "WHERE s.name=o.was AND EXISTS(SELECT FROM @.ended WHERE id=$2::bigint AND "
        "xid=pg_current_xact_id()) RETURNING (" FAILING ")::int-(s.problem IS NOT NULL OR "
        "o.before=4)::int",
    [SQL_DEFINITIONS] = "SELECT " SCHEDULE_ROW ",j.id FROM @.jobs j JOIN @.schedules s ON "
                        "s.name=j.schedule WHERE j.id=ANY($1::bigint[]) AND j.member=$2",

    [SQL_RENEW_MEMBER] = "UPDATE @.members SET instance=$2 WHERE id=$1 AND NOT gone",
    [SQL_GONE_BATCH] = "SELECT batch FROM @.members WHERE id=$1 AND gone",
    [SQL_TIMELINE] = "WITH t AS(UPDATE @.meta SET value=" TIMELINE
                     " WHERE name='timeline' AND value<>" TIMELINE " RETURNING value) "
                     "SELECT setval('@.job_id',(SELECT last_value FROM @.job_id)+1000000) FROM t",
    [SQL_HOLD] = "SELECT " MEMBER_HOLD " FROM(SELECT $1::bigint AS id) x",
    [SQL_LONG_READ] = "SELECT set_config('statement_timeout','30s',true)",
    [SQL_HASTILY] = "SELECT set_config('statement_timeout',$1,true)",
    [SQL_BRIEFLY] = "SELECT set_config('lock_timeout',$1,true)",
    [SQL_BEAT] = "UPDATE @.beats SET n=n+1,running=$2,workers=$3 WHERE member=$1 RETURNING "
                 "n," NOW_US "," TIMELINE ",current_setting('synchronous_standby_names')<>''",
    [SQL_MEMBERS] =
        "SELECT m.id,m.name,m.machine,m.version,m.config,m.started,m.draining,b.n,"
        "b.running,b.workers,m.lease_ms FROM @.members m JOIN @.beats b ON b.member=m.id WHERE "
        "NOT m.gone AND NOT m.alone ORDER BY m.id",
    [SQL_SHARDS] = "SELECT shard,coalesce(owner,0) FROM @.shards",
    /* Waits for no row that somebody else holds: so it is in nobody's way. */
    [SQL_DUE] = "WITH p AS(UPDATE @.jobs SET place=1 WHERE id IN(SELECT id FROM @.jobs WHERE "
                "place=2 AND " IN_SHARDS(1) " AND due<=" NOW_US " LIMIT 1000 FOR UPDATE SKIP "
                                            "LOCKED) RETURNING host) SELECT DISTINCT host FROM p",
    [SQL_ELSEWHERE] = "SELECT host,count(*) FROM @.jobs WHERE member IN(SELECT id FROM @.members "
                      "WHERE NOT gone AND id<>$1) AND " IN_SHARDS(2) " GROUP BY host ORDER BY host",
    [SQL_CANCELS] = "SELECT id,cancel FROM @.jobs WHERE cancel IS NOT NULL AND (member=$1 OR "
                    "member IS NULL AND " IN_SHARDS(2) ") ORDER BY id LIMIT 256",
    [SQL_ANY_TORN] =
        "SELECT EXISTS(SELECT FROM @.jobs WHERE member IN" THE_GONE " AND " IN_SHARDS(1) ")",
    [SQL_VERSION] = "SELECT last_value-1+is_called::int FROM @.schedule_version",
    [SQL_PAUSES_VERSION] = "SELECT value FROM @.meta WHERE name='pauses'",
    /* A backup's or an archive's connection is no standby, nor is a subscriber's. */
    [SQL_HEALTH] =
        "SELECT EXISTS(SELECT FROM pg_stat_replication WHERE application_name NOT IN("
        "'pg_basebackup','pg_receivewal') AND pid NOT IN(SELECT active_pid FROM "
        "pg_replication_slots WHERE slot_type='logical' AND active_pid IS NOT NULL)) AND "
        "(current_setting('synchronous_standby_names')='' OR "
        "current_setting('synchronous_commit') IN('off','local')),"
        "(SELECT greatest(0,max(extract(epoch FROM clock_timestamp()-xact_start)*1000000))::bigint "
        "FROM pg_stat_activity WHERE datname=current_database() AND pid<>pg_backend_pid() AND "
        "backend_type<>'autovacuum worker' AND (backend_xid IS NOT NULL OR backend_xmin IS NOT "
        "NULL))",
    [SQL_AWAITED] = "SELECT id FROM @.ended WHERE id=ANY($1::bigint[])",
    [SQL_TAKE] = "UPDATE @.shards SET owner=$1 WHERE " IN_SHARDS(2) " AND owner IS NULL",
    [SQL_GIVE] = "UPDATE @.shards SET owner=NULL WHERE " IN_SHARDS(2) " AND owner=$1",
    [SQL_DRAIN] = "UPDATE @.members SET draining=true WHERE id=$1 AND NOT gone",
    [SQL_LOCALLY] = "SELECT set_config('synchronous_commit','local',true)",
    [SQL_QUICK] = "SELECT set_config('synchronous_commit','off',true)",
    [SQL_NOTIFY] = "SELECT pg_notify(channel,text) FROM unnest($1::text[],$2::text[]) AS "
                   "u(channel,text)",
    [SQL_END_SESSIONS] = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                         "application_name=" APPLICATION "||$1::bigint AND "
                         "datname=current_database() AND pid<>pg_backend_pid()",
    [SQL_LOCK_MEMBER] = "SELECT FROM @.members WHERE id=$1 FOR UPDATE",
    [SQL_DECLARE] = "UPDATE @.members SET gone=true,gone_at=" NOW_US
                    " WHERE id=$1 AND NOT gone AND NOT alone AND ($2=-1 OR (SELECT n FROM @.beats "
                    "WHERE member=$1)=$2)",
    [SQL_FREE_SHARDS] = "UPDATE @.shards SET owner=NULL WHERE owner IN" THE_GONE,
    [SQL_KEEP_BATCHES] = "UPDATE @.members m SET batch=c.batch FROM @.counts c WHERE c.member=m.id "
                         "AND m.gone",
    /* The counts of those that are gone go to member 0, whose row stands for them all. */
    [SQL_FOLD_COUNTS] =
        "WITH b AS(DELETE FROM @.beats WHERE member IN" THE_GONE "),"
        "c AS(DELETE FROM @.counts WHERE member IN" THE_GONE " RETURNING *),"
        "t AS(SELECT coalesce(sum(queued),0) AS q,coalesce(sum(running),0) AS r,"
        "coalesce(sum(waiting),0) AS w,coalesce(sum(done),0) AS d,coalesce(sum(failed),0) AS f,"
        "coalesce(sum(cancelled),0) AS c,coalesce(sum(bytes),0) AS b FROM c) "
        "UPDATE @.counts SET queued=queued+t.q,running=running+t.r,waiting=waiting+t.w,"
        "done=done+t.d,failed=failed+t.f,cancelled=cancelled+t.c,bytes=bytes+t.b FROM t WHERE "
        "member=0 AND EXISTS(SELECT FROM c)",
    [SQL_TIDY] = "WITH v AS(DELETE FROM @.void WHERE at<" NOW_US "-2592000000000) "
                 "DELETE FROM @.members m WHERE gone AND gone_at<" NOW_US
                 "-86400000000 AND NOT EXISTS(SELECT FROM @.jobs j WHERE j.member=m.id)",
    [SQL_LOCK_MEMBERS] = "SELECT pg_advisory_xact_lock(hashtext('@'),0)",
    [SQL_END_NAMESAKE] =
        "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN @.members m ON "
        "a.application_name=" APPLICATION "||m.id WHERE a.datname=current_database() AND "
        "m.name=$1 AND m.machine=$2 AND NOT m.gone AND a.pid<>pg_backend_pid()",
    [SQL_BURY_NAMESAKE] = "UPDATE @.members SET gone=true,gone_at=" NOW_US
                          " WHERE name=$1 AND machine=$2 AND NOT gone",
    [SQL_JOIN] =
        "WITH m AS(INSERT INTO @.members(name,machine,version,config,started,alone,lease_ms) "
        "VALUES($1,$2,$3,$4," NOW_US ",false,$6) RETURNING id,instance),"
        "c AS(INSERT INTO @.counts(member) SELECT id FROM m),"
        "b AS(INSERT INTO @.beats(member,n,workers) SELECT id,0,$5 FROM m) "
        "SELECT id,instance," NOW_US ",set_config('application_name'," APPLICATION
        "||id,false) FROM m",
    [SQL_TORN] = "SELECT " LIVE_ROW ",(SELECT name FROM @.members m WHERE m.id=member) FROM @.jobs "
                 "WHERE member IN" THE_GONE " AND " IN_SHARDS(1) " ORDER BY id LIMIT $2",
    [SQL_CLOSE_TORN] =
        "WITH c AS(UPDATE @.jobs j SET state=0,place=1,due=0,member=NULL,torn=torn+1,ran=$4,"
        "history=CASE WHEN $5::text IS NULL OR octet_length(j.history)+octet_length($5)>=$6::int "
        "THEN j.history ELSE concat_ws(',',j.history,$5) END FROM @.members m WHERE j.id=$2 AND "
        "j.attempt=$3 AND m.id=j.member AND m.gone RETURNING j.id,m.name),"
        "v AS(INSERT INTO @.void SELECT id,$3,name,$1," NOW_US " FROM c ON CONFLICT DO NOTHING),"
        "n AS(UPDATE @.counts SET queued=queued+1,running=running-1 FROM c WHERE member=$1) "
        "SELECT id FROM c",
    [SQL_CLOSE_TORN_ASK] = "SELECT job FROM @.void WHERE closer=$1 AND job=$2 AND attempt=$3",
    [SQL_CANCEL] = "UPDATE @.jobs SET cancel=coalesce(cancel,$2) WHERE id=$1 AND member IS NOT "
                   "NULL RETURNING member",
    [SQL_CANCEL_LOOK] = "SELECT state,cancel IS NOT NULL FROM @.jobs WHERE id=$1 UNION ALL "
                        "SELECT state,false FROM @.ended WHERE id=$1",
    [SQL_PARK] = "UPDATE @.jobs SET place=3,needs=$3 WHERE id=$1 AND attempt=$2 AND place IN(1,2) "
                 "AND member IS NULL RETURNING id",
    [SQL_PARK_ASK] = "SELECT id FROM @.jobs WHERE id=$1 AND attempt=$2 AND place=3",
    [SQL_UNPARK] = "WITH p AS(UPDATE @.jobs SET place=1 WHERE id IN(SELECT id FROM @.jobs WHERE "
                   "place=3 AND needs=ANY($2::text[]) AND " IN_SHARDS(
                       1) " LIMIT 1000 FOR UPDATE "
                          "SKIP LOCKED) RETURNING host) SELECT DISTINCT host FROM p",
    [SQL_KINDS] = KINDS "SELECT needs FROM k LIMIT $1",
    /* The next host is the first of those that are next for each kind. What runs and was parked
     * once is mostly a guest's. */
    [SQL_GUESTS] =
        "WITH RECURSIVE r AS MATERIALIZED(SELECT DISTINCT shard,host FROM @.jobs WHERE member "
        "IS NOT NULL AND member<>$6 AND needs IS NOT NULL),h AS(SELECT $2::smallint AS "
        "shard,$3::text "
        "COLLATE \"C\" AS host UNION ALL "
        "SELECT n.shard,n.host FROM h CROSS JOIN LATERAL(SELECT x.shard,x.host FROM "
        "unnest($1::text[]) AS k(kind) CROSS JOIN LATERAL(SELECT j.shard,j.host FROM @.jobs j "
        "WHERE j.place=3 AND j.needs=k.kind AND (j.shard,j.host)>(h.shard,h.host) ORDER BY "
        "j.shard,j.host LIMIT 1) x ORDER BY x.shard,x.host LIMIT 1) n) SELECT host,EXISTS("
        "SELECT FROM @.jobs j WHERE j.place=1 AND j.shard=x.shard AND j.host=x.host),(shard,host) "
        "IN(SELECT shard,host FROM r) FROM(SELECT * FROM h OFFSET 1) x WHERE "
        "shard<>ALL($4::smallint[]) LIMIT $5",
    [SQL_PARKED] =
        KINDS "SELECT k.needs,c.jobs,c.ours FROM k CROSS JOIN LATERAL(SELECT count(*) AS jobs,"
              "count(*) FILTER(WHERE " IN_SHARDS(
                  1) ") AS ours FROM(SELECT shard FROM @.jobs j "
                     "WHERE j.place=3 AND j.needs=k.needs LIMIT $3) x) c LIMIT $2",
    [SQL_PAUSE] = "WITH v AS(UPDATE @.meta SET value=value::bigint+1 WHERE name='pauses' RETURNING "
                  "value::bigint AS n) "
                  "INSERT INTO @.pauses AS p SELECT $1::smallint,$2,true,$3::bigint," NOW_US
                  ",$4,n FROM v ON CONFLICT(kind,name) "
                  "DO UPDATE SET held=true,uid=excluded.uid,at=excluded.at,member=excluded.member,"
                  "version=excluded.version WHERE NOT p.held",
    /* An index is of use with a time that is reckoned once, as in a SELECT of its own. */
    [SQL_RESUME] =
        "WITH v AS(UPDATE @.meta SET value=value::bigint+1 WHERE name='pauses' RETURNING "
        "value::bigint AS n),"
        "o AS(DELETE FROM @.pauses WHERE NOT held AND at<(SELECT " NOW_US "-86400000000)) "
        "UPDATE @.pauses SET held=false,uid=$3,at=" NOW_US ",member=$4,version=n FROM v WHERE "
        "kind=$1 AND name=$2 AND held",
    [SQL_PAUSES] =
        "SELECT kind,name,held,uid,at,member,version FROM @.pauses WHERE version>$1 AND kind<3 "
        "ORDER BY version LIMIT $2",
    [SQL_TOLD] = "DELETE FROM @.void v USING unnest($2::bigint[],$3::int[]) AS u(job,attempt) "
                 "WHERE v.job=u.job AND v.attempt=u.attempt AND v.name=$1",
    [SQL_VOIDED] = "SELECT job,attempt FROM @.void WHERE name=$1 ORDER BY job,attempt LIMIT $2",
    /* One probe of an index for each host, not one row for each job. */
    [SQL_HOSTS_OWNED] =
        "SELECT x.host FROM unnest($3::smallint[]) AS s(shard) CROSS JOIN LATERAL("
        "WITH RECURSIVE h AS(SELECT CASE WHEN s.shard=$4 THEN $1 ELSE '' END::text COLLATE \"C\" "
        "AS host UNION ALL SELECT least("
        "(SELECT j.host FROM @.jobs j WHERE j.place=1 AND j.shard=s.shard AND j.host>h.host ORDER "
        "BY j.host LIMIT 1),"
        "(SELECT j.host FROM @.jobs j WHERE j.place=2 AND j.shard=s.shard AND j.host>h.host ORDER "
        "BY j.host LIMIT 1)) FROM h WHERE h.host IS NOT NULL) SELECT host FROM h OFFSET 1) x "
        "WHERE x.host IS NOT NULL LIMIT $2",
};

char *sql_qualify(const char *text, const char *schema)
{
    struct buf out = BUF_INIT;
    for (const char *at; (at = strchr(text, '@')); text = at + 1) {
        buf_put(&out, text, (size_t)(at - text));
        buf_puts(&out, schema);
    }
    buf_puts(&out, text);
    return buf_steal(&out);
}

int sqls_init(struct sqls *sqls, const char *schema)
{
    for (int i = 0; i < SQL_COUNT_; i++) {
        sqls->text[i] = sql_qualify(sql[i], schema);
        if (!sqls->text[i])
            return -ENOMEM;
    }
    return 0;
}

void sqls_deinit(struct sqls *sqls)
{
    for (int i = 0; i < SQL_COUNT_; i++)
        free(sqls->text[i]);
    *sqls = (struct sqls){.text = {NULL}};
}

int sql_check_schema(const char *schema, struct error *err)
{
    size_t len = strspn(schema, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (len > 0 && !schema[len] && len < 64 && !strchr("0123456789", schema[0]))
        return 0;
    return error_set(err, -EINVAL,
                     "store.schema: '%.64s' is not a name of lower case letters, digits and _",
                     schema);
}
