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
                                        .name = s->fleet_name,
                                        .lease_ns = s->store_lease,
                                        .workers = (unsigned)s->workers};
}

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
    return open_module(engine, &with, mailbox, ret_store, err);
}

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
