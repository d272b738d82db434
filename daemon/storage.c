#include "storage.h"

#include "base/log.h"
#include "load.h"
#include "store/memory.h"
#include "store/module.h"
#include "store/sqlite.h"
#include "terms/settings_digest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *stored_table(const struct settings *s)
{
    const struct settings_sink *sink = settings_stored_sink(s);
    return sink ? sink->table : NULL;
}

void storage_config(const struct settings *s, struct store_config *ret_config)
{
    *ret_config = (struct store_config){.path = s->store_path,
                                        .max_jobs = s->max_jobs,
                                        .max_bytes = s->max_bytes,
                                        .keep_finished_us = (int64_t)(s->keep_finished / 1000),
                                        .keep_finished_count = s->keep_finished_count,
                                        .make_dir = load_default_place(s),
                                        .dsn = s->store_dsn,
                                        .direct = s->store_direct,
                                        .password_file = s->store_password_file,
                                        .schema = s->store_schema,
                                        .table = stored_table(s),
                                        .name = s->fleet_name,
                                        .lease_ns = s->store_lease,
                                        .workers = (unsigned)s->workers};
}

/* --- the table for records -------------------------------------------------------------------- */

static bool is_same_table(const struct settings *a, const struct settings *b)
{
    const char *mine = stored_table(a), *other = stored_table(b);
    return settings_stored_sink(a) && settings_stored_sink(b) &&
           (mine && other ? strcmp(mine, other) == 0 : mine == other);
}

int storage_check_table(const struct settings *settings, const struct settings *started,
                        const struct settings *now, struct error *err)
{
    const struct store_module *module;
    struct store_config config;
    if (strcmp(started->store_engine, "postgresql") != 0) /* what it is to be needs a restart */
        return 0;
    if (!settings_stored_sink(settings) || (now && is_same_table(settings, now)))
        return 0;
    storage_config(started, &config);
    config.table = stored_table(settings);
    int r = store_module_load(started->store_engine, &module, err);
    return r < 0 ? r : module->check_table(&config, err);
}

void storage_use_table(struct store *store, const struct settings *settings)
{
    if (store->engine->records_into && settings_stored_sink(settings))
        store->engine->records_into(store, stored_table(settings));
}

/* --- opening it ------------------------------------------------------------------------------- */

/* Its place is what it locks; a database of SQLite's may lie there from before. */
static int open_module(const char *engine, const struct store_config *config,
                       struct mailbox *mailbox, struct store **ret_store, struct error *err)
{
    const struct store_module *module;
    struct store_config with = *config;
    char lock[4096];
    int r = store_module_load(engine, &module, err);
    if (r < 0)
        return r;
    if (snprintf(lock, sizeof lock, "%s.lock", config->path) >= (int)sizeof lock)
        return error_set(err, -ENAMETOOLONG, "store.path: it is too long");
    with.path = lock;
    return module->open(&with, mailbox, ret_store, err);
}

int storage_open(const struct settings *settings, const struct store_config *config,
                 struct mailbox *mailbox, struct store **ret_store, struct error *err)
{
    const char *engine = settings->store_engine;
    struct store_config with = *config;
    char digest[SETTINGS_DIGEST_SIZE];
    if (strcmp(engine, "memory") == 0)
        return store_memory_new(config, mailbox, ret_store, err);
    if (strcmp(engine, "sqlite") == 0)
        return store_sqlite_new(config, mailbox, ret_store, err);
    settings_digest(settings, digest);
    with.digest = digest;
    /* First: who joins a fleet and goes no further holds hosts until its lease is over. */
    int r = storage_check_table(settings, settings, NULL, err);
    return r < 0 ? r : open_module(engine, &with, mailbox, ret_store, err);
}

/* --- bringing it up --------------------------------------------------------------------------- */

int storage_migrate(const struct settings *settings, struct error *err)
{
    const struct store_module *module;
    struct store_config config;
    if (strcmp(settings->store_engine, "postgresql") != 0) {
        log_info("store.engine is %s: there is nothing to migrate beforehand",
                 settings->store_engine);
        return 0;
    }
    storage_config(settings, &config);
    int r = store_module_load(settings->store_engine, &module, err);
    return r < 0 ? r : module->migrate(&config, err);
}
