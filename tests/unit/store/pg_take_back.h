/* A schema of an older version, made of the newest: each new step is taken away here. */
#ifndef TESTS_UNIT_STORE_PG_TAKE_BACK_H
#define TESTS_UNIT_STORE_PG_TAKE_BACK_H

#include "pg_support.h"

/* What a newer penstock adds is taken away again: so the version before it left the schema. */
static inline void take_back(int version)
{
    ask("DROP FUNCTION %s.discard");
    ask("DROP TABLE %s.batches");
    if (version < 4)
        ask("DROP TABLE %s.pauses");
    if (version < 4)
        ask("DELETE FROM %s.meta WHERE name='pauses'");
    if (version < 3)
        ask("DROP INDEX %s.jobs_parked");
    if (version < 3)
        ask("ALTER TABLE %s.jobs DROP needs");
    if (version < 2) {
        ask("DROP TABLE %s.shards, %s.void");
        ask("DROP INDEX %s.jobs_runs, %s.jobs_falls_due, %s.jobs_cancel");
        ask("CREATE INDEX jobs_member ON %s.jobs(member) WHERE member IS NOT NULL");
        ask("ALTER TABLE %s.jobs DROP cancel");
        ask("ALTER TABLE %s.beats DROP running, DROP workers");
        ask("ALTER TABLE %s.members DROP config, DROP alone, DROP draining, DROP gone_at, DROP "
            "batch, DROP lease_ms");
        ask("DELETE FROM %s.meta WHERE name<>'schema'");
    }
    ask(version == 1   ? "UPDATE %s.meta SET value='1' WHERE name='schema'"
        : version == 2 ? "UPDATE %s.meta SET value='2' WHERE name='schema'"
        : version == 3 ? "UPDATE %s.meta SET value='3' WHERE name='schema'"
                       : "UPDATE %s.meta SET value='4' WHERE name='schema'");
}

#endif
