#include "reload.h"

#include "base/log.h"
#include "parse/process.h"
#include "parse/process_host.h"
#include "record/switch.h"
#include "storage.h"
#include "terms/settings_diff.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHANGES_MAX 1000 /* that an answer tells */

struct reload {
    struct reload_config config;
    struct list waiting; /* struct api_reload: for the reading under way */
    struct list next;    /* for the one after it */
    bool again;          /* a signal wants that one, too */
    bool reading, stopped;
    bool dry;     /* nobody wants the reading under way to take effect */
    bool compare; /* somebody wants to know what it changes */

    /* The reading thread's, until its mail has come. */
    pthread_t thread;
    const struct settings *now; /* what the sinks are at the moment */
    struct loaded fresh;
    struct sink_targets *sinks;
    json_t *changes; /* against `now` */
    size_t more;     /* that do not fit into `changes` */
    struct error error;
    int result;
    struct mail mail;

    pthread_mutex_t lock; /* of `abandoned` */
    bool abandoned;
};

/* --- what needs a restart --------------------------------------------------------------------- */

static bool differ(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) != 0 : a != b;
}

/* By name, so that nobody wonders why nothing happens. `aloud`: in the log as well. NULL: no
 * memory. */
static json_t *name_restarts(const struct settings *a, const struct settings *b, bool aloud)
{
    const struct {
        const char *name;
        bool changed;
    } keys[] = {
        {"control.socket", differ(a->socket, b->socket)},
        {"control.mode", a->socket_mode != b->socket_mode},
        {"control.group", differ(a->socket_group, b->socket_group)},
        {"control.max_clients", a->max_clients != b->max_clients},
        {"control.memory_max", a->memory_max != b->memory_max},
        {"store.engine", differ(a->store_engine, b->store_engine)},
        {"store.path", differ(a->store_path, b->store_path)},
        {"store.dsn", differ(a->store_dsn, b->store_dsn)},
        {"store.direct", differ(a->store_direct, b->store_direct)},
        {"store.password_file", differ(a->store_password_file, b->store_password_file)},
        {"store.schema", differ(a->store_schema, b->store_schema)},
        {"store.lease", a->store_lease != b->store_lease},
        {"fleet.name", differ(a->fleet_name, b->fleet_name)},
        {"store.keep_finished", a->keep_finished != b->keep_finished},
        {"store.keep_finished_count", a->keep_finished_count != b->keep_finished_count},
        {"queue.max_jobs", a->max_jobs != b->max_jobs},
        {"queue.max_bytes", a->max_bytes != b->max_bytes},
        {"fetch.threads", a->fetch_threads != b->fetch_threads},
        {"fetch.proxy", differ(a->proxy, b->proxy)},
        {"fetch.ca_file", differ(a->ca_file, b->ca_file)},
        {"fetch.max_header", a->max_header != b->max_header},
        {"fetch.resume_delay", a->resume_delay != b->resume_delay},
        {"fetch.splice_min", a->splice_min != b->splice_min},
        {"flow.pipe_size", a->pipe_size != b->pipe_size},
        {"flow.pipe_budget", a->pipe_budget != b->pipe_budget},
        {"flow.decode_ratio", a->decode_ratio != b->decode_ratio},
        {"flow.decode_window", a->decode_window != b->decode_window},
        {"flow.spool_dir", strcmp(a->spool_dir, b->spool_dir) != 0},
        {"flow.spool_max", a->spool_max != b->spool_max},
        {"results.path", differ(a->results_path, b->results_path)},
        {"parse.max_abandoned", a->max_abandoned != b->max_abandoned},
        {"parse.max_record", a->max_record != b->max_record},
        {"metrics.listen", differ(a->metrics_listen, b->metrics_listen)},
        {"metrics.page", a->metrics_page != b->metrics_page},
    };
    json_t *names = json_array();
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!keys[i].changed)
            continue;
        if (aloud)
            log_warning("%s has changed: that needs a restart", keys[i].name);
        json_array_append_new(names, json_string(keys[i].name));
    }
    return names;
}

/* --- the thread ------------------------------------------------------------------------------- */

static void drop(struct reload *reload)
{
    loaded_free(&reload->fresh);
    sink_targets_free(reload->sinks);
    json_decref(reload->changes);
    reload->sinks = NULL;
    reload->changes = NULL;
}

/* The sinks' files are left alone if nothing is to take effect: opening them makes them. */
static int read_all(struct reload *reload)
{
    int r = loaded_read(reload->config.options, &reload->fresh, &reload->error);
    if (r < 0)
        return r;
    if (reload->compare)
        reload->changes =
            settings_diff(reload->now, reload->fresh.settings, CHANGES_MAX, &reload->more);
    r = storage_check_table(reload->fresh.settings, reload->config.started, reload->now,
                            &reload->error);
    if (r == 0 && reload->dry)
        return 0;
    if (r == 0)
        r = outlet_targets(reload->config.outlet, reload->fresh.settings, reload->now,
                           &reload->sinks, &reload->error);
    if (r < 0)
        drop(reload);
    return r;
}

static void *read_config(void *arg)
{
    struct reload *reload = arg;
    pthread_setname_np(pthread_self(), "reload");
    reload->result = read_all(reload);
    pthread_mutex_lock(&reload->lock);
    if (!reload->abandoned)
        mailbox_post(reload->config.mailbox, &reload->mail);
    pthread_mutex_unlock(&reload->lock);
    return NULL;
}

/* The process's signals are the control loop's. */
static int start_thread(struct reload *reload)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&reload->thread, NULL, read_config, reload);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

/* --- on the control loop ---------------------------------------------------------------------- */

/* Whoever is answered may ask again at once: that is not in `list` any more. */
static void answer(struct list *list, int result, const json_t *found, const struct error *err)
{
    struct list mine;
    list_init(&mine);
    for (struct list *e; (e = list_pop(list));)
        list_add_tail(&mine, e);
    for (struct list *e; (e = list_pop(&mine));) {
        struct api_reload *request = container_of(e, struct api_reload, link);
        request->done(request, result, found, err);
    }
}

static void refuse(struct reload *reload, int result, const struct error *err)
{
    if (!reload->dry) {
        log_error("reload: %s; nothing has changed", err->text);
        reload->config.end(reload->config.arg, false);
    }
    answer(&reload->waiting, result, NULL, err);
}

static void begin(struct reload *reload)
{
    struct error err;
    reload->dry = !reload->again;
    reload->compare = false;
    for (struct list *e; (e = list_pop(&reload->next));) {
        const struct api_reload *request = container_of(e, struct api_reload, link);
        list_add_tail(&reload->waiting, e);
        if (request->dry_run)
            reload->compare = true;
        else
            reload->dry = false;
    }
    reload->again = false;
    if (!reload->dry)
        reload->config.begin(reload->config.arg);
    int r = start_thread(reload);
    if (r < 0) {
        error_set(&err, r, "no thread to read the config: %s", strerror(-r));
        refuse(reload, r, &err);
        return;
    }
    reload->reading = true;
}

static void take_effect(struct reload *reload)
{
    loaded_warn(&reload->fresh);
    reload->now = reload->fresh.settings;
    reload->config.apply(reload->config.arg, &reload->fresh, reload->sinks);
    reload->sinks = NULL; /* the sink's, as the rest is the daemon's */
    json_decref(reload->changes);
    reload->changes = NULL;
    log_info("reload: done");
    reload->config.end(reload->config.arg, true);
}

static void accept_fresh(struct reload *reload)
{
    json_t *restart = name_restarts(reload->config.started, reload->fresh.settings, !reload->dry);
    json_t *found = json_pack("{s:o, s:O*, s:I}", "restart", restart, "changes", reload->changes,
                              "more", (json_int_t)reload->more);
    if (reload->dry)
        drop(reload);
    else
        take_effect(reload);
    answer(&reload->waiting, 0, found, NULL);
    json_decref(found);
}

static void on_read(struct mail *mail)
{
    struct reload *reload = container_of(mail, struct reload, mail);
    pthread_join(reload->thread, NULL); /* posting was its last but one act */
    reload->reading = false;
    if (reload->result < 0 && !reload->stopped)
        refuse(reload, reload->result, &reload->error);
    else if (reload->result == 0 && reload->stopped)
        drop(reload);
    else if (reload->result == 0)
        accept_fresh(reload);
    if (!reload->stopped && (reload->again || !list_empty(&reload->next)))
        begin(reload);
}

static void tell_stopping(struct list *list)
{
    struct error err;
    error_set(&err, -ESHUTDOWN, "the daemon is stopping");
    answer(list, -ESHUTDOWN, NULL, &err);
}

void reload_request(struct reload *reload, struct api_reload *request)
{
    if (request)
        list_add_tail(&reload->next, &request->link);
    else
        reload->again = true;
    if (reload->stopped)
        tell_stopping(&reload->next);
    else if (!reload->reading)
        begin(reload);
}

/* --- life ------------------------------------------------------------------------------------- */

struct reload *reload_new(const struct reload_config *config)
{
    struct reload *reload = calloc(1, sizeof *reload);
    if (!reload)
        return NULL;
    reload->config = *config;
    reload->now = config->started;
    list_init(&reload->waiting);
    list_init(&reload->next);
    mail_init(&reload->mail, on_read);
    pthread_mutex_init(&reload->lock, NULL);
    return reload;
}

void reload_stop(struct reload *reload)
{
    if (reload->stopped)
        return;
    reload->stopped = true;
    process_stop_asking(); /* a plug-in that hangs would hold the end up */
    tell_stopping(&reload->waiting);
    tell_stopping(&reload->next);
}

void reload_abandon(struct reload *reload)
{
    pthread_mutex_lock(&reload->lock);
    reload->abandoned = true;
    pthread_mutex_unlock(&reload->lock);
}

/* What it waits for at most: enough for process_stop_asking to be noticed, and for what was asked
 * to be killed. */
static bool ended_in_time(struct reload *reload)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    return pthread_timedjoin_np(reload->thread, NULL, &until) == 0;
}

bool reload_free(struct reload *reload)
{
    if (!reload)
        return true;
    if (reload->reading && !ended_in_time(reload))
        return false;
    if (reload->reading && reload->result == 0)
        drop(reload);
    pthread_mutex_destroy(&reload->lock);
    free(reload);
    return true;
}
