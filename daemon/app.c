/* clang-format off */
/* Read this first. The daemon is built bottom up, each part knowing only those below it, and torn down top down:
 *
 *   control, api, schedules, jobs   on the control loop, in main's thread: clients; operations; what comes again; admission
 *   fetch                           the fetch loops: threads, a uv loop and a curl multi each
 *   pool                            the workers: threads, one blocking parser each
 *   store, sink                     where jobs live, and where lines go; a thread each
 *   settings, registry, policy      what the config says; immutable, replaced as a whole by a reload
 */
/* clang-format on */
#include "app.h"

#include "api/api.h"
#include "api/follower.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/reserve.h"
#include "control/control.h"
#include "control/exposer.h"
#include "fetch/fetch.h"
#include "job/drain.h"
#include "job/jobs.h"
#include "job/membership.h"
#include "parse/pool.h"
#include "record/line.h"
#include "record/notice.h"
#include "record/sink.h"
#include "outlet.h"
#include "record/switch.h"
#include "reload.h"
#include "schedule/schedules.h"
#include "service.h"
#include "storage.h"
#include "store/shared.h"
#include "store/store.h"
#include "terms/settings_paths.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { SIGNAL_TERM, SIGNAL_INT, SIGNAL_HUP, SIGNAL_COUNT };

struct app {
    const struct load_options *options;
    struct loaded first;   /* as it started: what only a restart changes is read from here */
    struct loaded current; /* as last reloaded; what `first` does not own */
    const struct settings *settings; /* first's */
    char instance[33];
    uv_loop_t loop;
    struct mailbox mailbox;
    struct outlet outlet;
    struct sink *sink;
    struct store *store;
    struct pool *pool;
    struct fetch *fetch;
    struct jobs *jobs;
    struct schedules *schedules;
    struct api *api;
    struct control *control;
    struct reload *reload;
    struct exposer *exposer; /* NULL without metrics.listen */
    struct service service;
    uv_signal_t signals[SIGNAL_COUNT];
    uv_timer_t drain_timer;
    struct mail stdout_mail, trouble_mail;
    bool mailbox_open, stopping;
    unsigned stuck;            /* abandoned workers that never came back */
    bool urged;                /* it was told to stop a second time */
    uint64_t stop_by, written; /* clock_now; by the sink, at the last look */
    int status;
};

/* --- bottom up -------------------------------------------------------------------------------- */

static void on_stdout_gone(void *arg)
{
    struct app *app = arg;
    mailbox_post(&app->mailbox, &app->stdout_mail);
}

static void on_sink_trouble(void *arg, const char *target, int error)
{
    struct app *app = arg;
    if (error)
        log_error("sink %s: %s; it is tried again every second, and no new job starts until then",
                  target, strerror(error));
    else
        log_info("sink %s: works again", target);
    mailbox_post(&app->mailbox, &app->trouble_mail);
}

static void on_lines_written(void *arg, struct sink_chunk *chunk)
{
    struct app *app = arg;
    followers_take_chunk(app->api, chunk);
}

/* Which of them fail may have changed. */
static void on_sinks_switched(void *arg)
{
    struct app *app = arg;
    mailbox_post(&app->mailbox, &app->trouble_mail);
}

static int make_sink(struct app *app, struct error *err)
{
    struct sink_config config = {.record_bytes = app->settings->max_record,
                                 .sync = strcmp(app->settings->store_engine, "memory") != 0,
                                 .stdout_gone = on_stdout_gone,
                                 .trouble = on_sink_trouble,
                                 .switched = on_sinks_switched,
                                 .tap = on_lines_written,
                                 .arg = app};
    int r = outlet_open(&app->outlet, err);
    return r < 0 ? r : outlet_sink(&app->outlet, app->settings, &config, &app->sink, err);
}

static void on_trouble(struct mail *mail)
{
    struct app *app = container_of(mail, struct app, trouble_mail);
    if (app->jobs)
        jobs_trouble_changed(app->jobs); /* what may start is to be looked at again */
    service_changed(&app->service);
}

static void on_store_trouble(void *arg, const char *why)
{
    struct app *app = arg;
    if (why)
        log_error("store: %s; it is tried again every second, and no job is accepted or started "
                  "until then",
                  why);
    else
        log_info("store: works again");
    mailbox_post(&app->mailbox, &app->trouble_mail);
}

static void on_store_event(struct mail *mail)
{
    struct store_event *event = container_of(mail, struct store_event, mail);
    membership_take(((struct app *)event->arg)->jobs, event);
}

static int make_store(struct app *app, struct error *err)
{
    struct store_config config;
    storage_config(app->settings, &config);
    config.on_event = on_store_event;
    config.trouble = on_store_trouble;
    config.arg = app;
    return storage_open(app->settings, &config, &app->mailbox, &app->store, err);
}

static int make_workers(struct app *app, struct error *err)
{
    const struct settings *s = app->settings;
    int r = pool_new((unsigned)s->workers, (unsigned)s->max_abandoned, &app->pool);
    if (r < 0)
        return error_set(err, r, "no memory for the workers");
    struct fetch_config config = {
        .threads = (unsigned)s->fetch_threads, .splice_min = s->splice_min, .ca_file = s->ca_file};
    return fetch_new(&config, &app->fetch, err);
}

static void on_reload_request(void *arg, struct api_reload *request);

static int make_jobs(struct app *app, struct error *err)
{
    struct jobs_config config = {.loop = &app->loop,
                                 .mailbox = &app->mailbox,
                                 .settings = app->settings,
                                 .fetch = app->fetch,
                                 .pool = app->pool,
                                 .store = app->store,
                                 .sink = app->sink,
                                 .registry = app->first.registry,
                                 .policy = app->first.policy};
    int r = jobs_new(&config, &app->jobs, err);
    return r < 0 ? r : schedules_new(app->jobs, &app->schedules, err);
}

static int make_api(struct app *app, struct error *err)
{
    struct api_config config = {.mailbox = &app->mailbox,
                                .jobs = app->jobs,
                                .schedules = app->schedules,
                                .instance = app->instance,
                                .reload = on_reload_request,
                                .arg = app};
    return api_new(&config, &app->api, err);
}

static int make_control(struct app *app, struct error *err)
{
    const struct settings *s = app->settings;
    int inherited;
    int r = service_socket(err, &inherited);
    if (r < 0)
        return r;
    struct control_config config = {.loop = &app->loop,
                                    .api = app->api,
                                    .path = s->socket,
                                    .mode = s->socket_mode,
                                    .group = s->socket_group,
                                    .dir_mode = geteuid() == 0 ? 0755 : 0700,
                                    .inherited_fd = inherited,
                                    .max_clients = (unsigned)s->max_clients,
                                    .memory_max = s->memory_max,
                                    .instance = app->instance,
                                    .version = PENSTOCK_VERSION};
    r = control_new(&config, &app->control, err);
    if (r == 0)
        log_info("penstockd " PENSTOCK_VERSION " listens on %s",
                 inherited < 0 ? s->socket : "the socket of its unit");
    return r;
}

/* --- lines about the daemon itself ------------------------------------------------------------ */

/* The daemon's own lines carry nothing that was acknowledged: without memory there is none. */
static void post_line(struct app *app, enum event event)
{
    struct sink_line *line = notice_new(event);
    if (!line)
        return;
    line_str(&line->text, "instance", app->instance);
    line_str(&line->text, "version", PENSTOCK_VERSION);
    if (event == EVENT_START)
        line_str(&line->text, "ids", app->store->engine->keeps ? "kept" : "restarted");
    if (app->jobs) /* in a fleet: who that is */
        line_str(&line->text, "by", jobs_member(app->jobs));
    notice_post(app->sink, line);
}

/* --- top down --------------------------------------------------------------------------------- */

static void on_jobs_closed(void *arg)
{
    struct app *app = arg;
    app->jobs = NULL;
    app->store->engine->free(app->store);
    app->store = NULL;
    fetch_free(app->fetch);
    app->fetch = NULL;
    app->stuck = pool_free(app->pool);
    app->pool = NULL;
    post_line(app, EVENT_STOP);
    size_t lost = sink_free(app->sink, NS_PER_SEC); /* jobs' lines are out: only ours are left */
    if (lost == SINK_STUCK) {
        log_error("a write to the log does not return: the last lines are not written");
        _exit(1);
    }
    if (lost > 0)
        log_error("%zu lines could not be written before the end", lost);
    app->sink = NULL;
    reload_abandon(app->reload);
    mailbox_close(&app->mailbox, NULL, NULL);
}

static void on_schedules_closed(void *arg)
{
    struct app *app = arg;
    app->schedules = NULL;
    jobs_close(app->jobs, on_jobs_closed, app);
}

static void on_api_closed(void *arg)
{
    struct app *app = arg;
    app->api = NULL;
    schedules_close(app->schedules, on_schedules_closed, app);
}

static void on_control_closed(void *arg)
{
    struct app *app = arg;
    app->control = NULL;
    api_close(app->api, on_api_closed, app);
}

static void on_drained(void *arg)
{
    struct app *app = arg;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL); /* one that nobody watches any more would kill us */
    service_stop(&app->service);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&app->signals[i], NULL);
    uv_close((uv_handle_t *)&app->drain_timer, NULL);
    exposer_stop(app->exposer);
    control_free(app->control, on_control_closed, app);
}

static void on_jobs_drained(void *arg)
{
    struct app *app = arg;
    api_drain(app->api, on_drained, app);
}

/* Stopped jobs end within parse.abort_grace; what is left after that waits for a sink (or a store)
 * that takes nothing. Their verdicts are not given, so with a store that keeps they run again. If
 * we were urged, a second in which a sink takes nothing is enough. */
static void on_patience(uv_timer_t *timer)
{
    struct app *app = timer->data;
    uint64_t before = app->written;
    app->written = sink_written(app->sink);
    bool stalls = app->urged && app->written == before && sink_queued(app->sink) > 0;
    if (!stalls && clock_now() < app->stop_by)
        return;
    log_error("the log takes nothing, and we are to stop: the last lines are not written");
    control_stop_accepting(app->control); /* removes the socket */
    _exit(1);
}

static void stop_jobs(struct app *app, uint64_t patience)
{
    drain_stop(app->jobs);
    app->stop_by = clock_now() + app->current.settings->abort_grace + patience;
    app->written = sink_written(app->sink);
    uv_timer_start(&app->drain_timer, on_patience, NS_PER_SEC / NS_PER_MS, NS_PER_SEC / NS_PER_MS);
}

static void on_drain_over(uv_timer_t *timer)
{
    struct app *app = timer->data;
    log_info("the drain is over: running jobs are stopped");
    stop_jobs(app, 10 * NS_PER_SEC);
}

static void stop(struct app *app, const char *why)
{
    if (app->stopping) {
        if (!app->urged && !uv_is_closing((uv_handle_t *)&app->drain_timer)) {
            log_info("%s, again: running jobs are stopped", why);
            app->urged = true;
            stop_jobs(app, NS_PER_SEC);
        }
        return;
    }
    unsigned running;
    uint64_t pending;
    app->stopping = true;
    jobs_figures(app->jobs, &running, &pending);
    log_info("%s: no new jobs; %u running ones have up to %llu s", why, running,
             (unsigned long long)(app->current.settings->drain / NS_PER_SEC));
    service_stopping(&app->service);
    reload_stop(app->reload);
    uv_timer_start(&app->drain_timer, on_drain_over, app->current.settings->drain / NS_PER_MS, 0);
    drain_begin(app->jobs, on_jobs_drained, app);
}

static void on_stdout_mail(struct mail *mail)
{
    struct app *app = container_of(mail, struct app, stdout_mail);
    app->status = 1;
    if (!app->stopping)
        stop(app, "nobody reads standard output any more");
}

/* --- reload ----------------------------------------------------------------------------------- */

static void on_reload_begin(void *arg)
{
    struct app *app = arg;
    service_reloading(&app->service);
}

static void on_reload_end(void *arg, bool good)
{
    struct app *app = arg;
    api_reloaded(app->api, good);
    service_reloaded(&app->service);
}

static void on_reload_apply(void *arg, const struct loaded *fresh, struct sink_targets *sinks)
{
    struct app *app = arg;
    sink_switch(app->sink, sinks);
    storage_use_table(app->store, fresh->settings);
    jobs_reconfigure(app->jobs, fresh->settings, fresh->registry, fresh->policy);
    fetch_renew_trust(app->fetch);
    log_set_level(fresh->settings->log_level);
    if (app->current.settings != app->settings)
        loaded_free(&app->current);
    app->current = *fresh;
}

static void on_reload_request(void *arg, struct api_reload *request)
{
    struct app *app = arg;
    reload_request(app->reload, request);
}

static int make_exposer(struct app *app, struct error *err)
{
    const struct settings *s = app->settings;
    struct exposer_config config = {.mailbox = &app->mailbox,
                                    .api = app->api,
                                    .loop = &app->loop,
                                    .listen = s->metrics_listen,
                                    .page = (enum metrics_page)s->metrics_page,
                                    .mode = s->socket_mode,
                                    .group = s->socket_group,
                                    .dir_mode = geteuid() == 0 ? 0755 : 0700};
    return s->metrics_listen ? exposer_new(&config, &app->exposer, err) : 0;
}

static int make_reload(struct app *app, struct error *err)
{
    struct reload_config config = {.options = app->options,
                                   .mailbox = &app->mailbox,
                                   .started = app->settings,
                                   .outlet = &app->outlet,
                                   .begin = on_reload_begin,
                                   .apply = on_reload_apply,
                                   .end = on_reload_end,
                                   .arg = app};
    app->reload = reload_new(&config);
    return app->reload ? 0 : error_set(err, -ENOMEM, "no memory");
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct app *app = signal->data;
    if (number != SIGHUP) {
        stop(app, number == SIGTERM ? "SIGTERM" : "SIGINT");
        return;
    }
    sink_reopen(app->sink);
    if (app->api)
        api_signalled(app->api, "SIGHUP");
    reload_request(app->reload, NULL);
}

/* --- run -------------------------------------------------------------------------------------- */

static int watch_signals(struct app *app, struct error *err)
{
    static const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT, SIGHUP};
    int r = uv_timer_init(&app->loop, &app->drain_timer);
    app->drain_timer.data = app;
    for (int i = 0; r == 0 && i < SIGNAL_COUNT; i++) {
        r = uv_signal_init(&app->loop, &app->signals[i]);
        app->signals[i].data = app;
        if (r == 0)
            r = uv_signal_start(&app->signals[i], on_signal, numbers[i]);
    }
    return r < 0 ? error_set(err, r, "signals cannot be watched: %s", uv_strerror(r)) : 0;
}

static void do_nothing(uv_work_t *work)
{
}

static void done_nothing(uv_work_t *work, int status)
{
}

/* libuv makes its pool of threads at the first work, and they have the signal mask of whoever asks
 * for that. All threads but this one leave signals alone: at the end nobody watches them any more,
 * and one would kill the daemon that is ending well. */
static int make_uv_pool(uv_loop_t *loop)
{
    uv_work_t work;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = uv_queue_work(loop, &work, do_nothing, done_nothing);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0)
        uv_run(loop, UV_RUN_DEFAULT);
    return r;
}

static int make_loop(struct app *app, struct error *err)
{
    unsigned char random[16];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return error_set(err, -EIO, "no random numbers: %s", strerror(errno));
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(app->instance + 2 * i, 3, "%02x", random[i]);
    int r = uv_loop_init(&app->loop);
    if (r == 0)
        r = make_uv_pool(&app->loop);
    if (r == 0)
        r = mailbox_init(&app->mailbox, &app->loop);
    app->mailbox_open = r == 0;
    mail_init(&app->stdout_mail, on_stdout_mail);
    mail_init(&app->trouble_mail, on_trouble);
    return r < 0 ? error_set(err, r, "the loop cannot be made: %s", uv_strerror(r)) : 0;
}

static int tell_manager(struct app *app, struct error *err)
{
    struct service_parts parts = {.loop = &app->loop,
                                  .mailbox = &app->mailbox,
                                  .fetch = app->fetch,
                                  .store = app->store,
                                  .jobs = app->jobs,
                                  .sink = app->sink};
    return service_start(&app->service, &parts, err);
}

static int start(struct app *app, struct error *err)
{
    int r = loaded_read(app->options, &app->first, err);
    if (r < 0)
        return r;
    app->current = app->first;
    app->settings = app->first.settings;
    log_set_level(app->settings->log_level);
    loaded_warn(&app->first);
    r = settings_check_places(app->settings, err);
    if (r == 0)
        r = make_loop(app, err);
    if (r == 0)
        r = make_sink(app, err);
    if (r == 0)
        r = make_store(app, err);
    if (r == 0)
        r = make_workers(app, err);
    if (r == 0)
        r = make_reload(app, err);
    if (r == 0)
        r = make_jobs(app, err);
    if (r == 0)
        r = make_api(app, err);
    if (r == 0)
        r = make_control(app, err);
    if (r == 0)
        r = make_exposer(app, err);
    if (r == 0)
        r = watch_signals(app, err);
    if (r == 0)
        r = tell_manager(app, err);
    return r;
}

int app_run(const struct load_options *options)
{
    struct app app = {.options = options};
    struct error err = {""};

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error of write(2), and is told as one */
    /* A thread that has run keeps its arena: few of them keep a thousand waiting downloads
     * small. */
    mallopt(M_ARENA_MAX, 4);
    (void)reserve_for_libuv(); /* it refuses a function that is NULL, and nothing else */
    if (fd_raise_limit() < 0)
        log_warning("the limit of descriptors could not be raised");
    if (start(&app, &err) < 0) {
        /* Nothing has been acknowledged: what was built, threads and all, goes with the process. */
        log_error("%s", err.text);
        _exit(1);
    }
    post_line(&app, EVENT_START);
    uv_run(&app.loop, UV_RUN_DEFAULT);
    bool read = reload_free(app.reload);
    int r = uv_loop_close(&app.loop);
    if (r < 0)
        log_error("the control loop did not close clean: %s", uv_strerror(r));
    service_deinit(&app.service);
    if (app.stuck > 0) {
        /* Their threads still hold what we would free. */
        log_warning("%u parsers never returned; they end with the process", app.stuck);
        _exit(app.status);
    }
    exposer_free(app.exposer);
    if (!read) {
        log_warning("the config is still being read again; that ends with the process");
        _exit(app.status);
    }
    if (app.current.settings != app.settings)
        loaded_free(&app.current);
    loaded_free(&app.first);
    outlet_close(&app.outlet);
    return app.status;
}
