/* The audit: which calls have a line, what it says of them, and that none is lost unnoticed. */
#include "api/audit.h"
#include "api/call.h"
#include "api_world.h"

#include <fcntl.h>

#define AUDITED "[sink \"audit\"]\ntype = stdout\nevents = audit\n"

static const char mark[] = "\"event\":\"audit\"";

/* The n-th line of the audit, from 0 on, which has to come. */
static json_t *audit_line(struct api_world *a, unsigned n)
{
    struct buf log = BUF_INIT;
    WORLD_WAIT(a->w, world_logged(a->w, mark) > n);
    assert_true(test_read_file(a->w->log, &log));
    buf_putc(&log, '\0');
    char *line = log.data;
    for (;; line = strchr(line, '\n') + 1) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        char *found = strstr(line, mark);
        if (found && found < end && n-- == 0) {
            *end = '\0';
            break;
        }
    }
    json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    buf_deinit(&log);
    return json;
}

/* It has these members, and no others but those that every line has. */
static void assert_line(struct api_world *a, unsigned n, json_t *members)
{
    json_t *line = audit_line(a, n);
    assert_non_null(json_object_get(line, "ts"));
    json_object_del(line, "ts");
    json_object_del(line, "event");
    if (json_object_get(line, "uid")) {
        assert_int_equal(int_in(line, "uid"), a->peer.uid);
        assert_int_equal(int_in(line, "gid"), a->peer.gid);
        json_object_del(line, "uid");
        json_object_del(line, "gid");
    }
    if (!json_equal(line, members)) {
        char *is = json_dumps(line, JSON_COMPACT), *wanted = json_dumps(members, JSON_COMPACT);
        fail_msg("line %u: %s in place of %s", n, is, wanted);
    }
    json_decref(line);
    json_decref(members);
}

/* A reload that comes to what the test says. */
static int reload_result;

static void on_reload(void *arg, struct api_reload *request)
{
    struct error err;
    (void)arg;
    error_set(&err, 0, "x.conf:1: no");
    json_t *found = json_of("{'restart':[],'changes':[],'more':0}");
    request->done(request, reload_result, reload_result ? NULL : found, &err);
    json_decref(found);
}

/* What is done is told with what it was done to; one line for a call. */
static void test_what_is_done(void **state)
{
    static const struct {
        enum api_method method;
        const char *params, *line;
    } cases[] = {
        {API_PAUSE, "{}", "{'action':'pause','all':true}"},
        {API_SUBMIT, "{'url':'http://h.test/','key':'k'}",
         "{'action':'submit','jobs':1,'first':1}"},
        {API_SUBMIT, "{'url':'http://h.test/','key':'k'}",
         "{'action':'submit','jobs':0,'existing':1}"},
        {API_SUBMIT, "[{'url':'http://h.test/','key':'k'},{'url':3},{'url':'http://h.test/2'}]",
         "{'action':'submit','jobs':1,'first':2,'existing':1}"},
        {API_CANCEL, "{'ids':[99,2,1]}", "{'action':'cancel','jobs':2,'first':2}"},
        {API_RETRY, "{'ids':[98,1]}", "{'action':'retry','jobs':1,'first':3,'retry_of':1}"},
        {API_PAUSE, "{'host':'h.test'}", "{'action':'pause','host':'h.test'}"},
        {API_RESUME, "{'parser':'csv'}", "{'action':'resume','parser':'csv'}"},
        {API_SCHEDULE_ADD, "{'name':'a','url':'http://h.test/','every':'365d'}",
         "{'action':'schedule_add','created':1,'schedule':'a'}"},
        {API_SCHEDULE_APPLY,
         "{'schedules':[{'name':'b','url':'http://h.test/b','every':'365d'},"
         "{'name':'a','url':'http://h.test/a','every':'365d'}]}",
         "{'action':'schedule_apply','created':1,'updated':1,'schedule':'b'}"},
        {API_SCHEDULE_APPLY,
         "{'schedules':[{'name':'b','url':'http://h.test/b','every':'365d'}],'prune':true}",
         "{'action':'schedule_apply','removed':1,'schedule':'a'}"},
        {API_PAUSE, "{'schedule':'b'}", "{'action':'pause','schedule':'b'}"},
        {API_SCHEDULE_RUN, "{'name':'b'}",
         "{'action':'schedule_run','schedule':'b','jobs':1,'first':4}"},
        {API_SCHEDULE_REMOVE, "{'name':'b'}", "{'action':'schedule_remove','schedule':'b'}"},
        {API_RELOAD, "{}", "{'action':'reload'}"},
    };
    struct api_world *a = api_world_new(AUDITED, false);
    a->api->config.reload = on_reload;
    reload_result = 0;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_decref(ask_well(a, cases[i].method, json_of("%s", cases[i].params)));
        assert_line(a, i, json_of("%s", cases[i].line));
    }
    api_world_free(a);
}

/* What asks, what is refused and what comes to nothing has no line: the next that has one follows
 * the one before. */
static void test_what_is_not_told(void **state)
{
    static const struct {
        enum api_method method;
        const char *params;
    } cases[] = {
        {API_LIST, "{}"},
        {API_STATS, "{}"},
        {API_SCHEDULE_LIST, "{}"},
        {API_CANCEL, "{'ids':[98]}"},
        {API_RETRY, "{'state':'done'}"},
        {API_SUBMIT, "{'url':3}"},
        {API_SUBMIT, "[{'url':3}]"},
        {API_PAUSE, "{'parser':'none'}"},
        {API_SCHEDULE_REMOVE, "{'name':'none'}"},
        {API_SCHEDULE_APPLY, "{'schedules':[]}"},
        {API_SCHEDULE_APPLY,
         "{'schedules':[{'name':'a','url':'http://h.test/','every':'365d'}],'dry_run':true}"},
        {API_RELOAD, "{'dry_run':true}"},
    };
    struct api_world *a = api_world_new(AUDITED, false);
    a->api->config.reload = on_reload;
    reload_result = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        asked_free(ask(a, cases[i].method, json_of("%s", cases[i].params)));
    json_decref(ask_well(a, API_PAUSE, json_object()));
    assert_line(a, 0, json_of("{'action':'pause','all':true}"));
    api_world_free(a);
}

static void test_the_forbidden_is_not_told(void **state)
{
    struct api_world *a =
        api_world_new(AUDITED "[control]\nadmin_users = 4242\nsubmit_users = 4242\n", false);
    api_world_peer(a, 4243);
    ask_ill(a, API_PAUSE, json_object(), API_FORBIDDEN, "");
    ask_ill(a, API_SUBMIT, json_of("{'url':'http://h.test/'}"), API_FORBIDDEN, "");
    api_world_peer(a, 4242);
    a->peer.pid = 77;
    json_decref(ask_well(a, API_PAUSE, json_object()));
    assert_line(a, 0, json_of("{'action':'pause','all':true,'pid':77}"));
    api_world_free(a);
}

/* A part of it may have been done. */
static void test_what_the_store_broke_off(void **state)
{
    struct api_world *a = api_world_new(AUDITED, false);
    json_decref(ask_well(a, API_PAUSE, json_object()));
    a->w->gate.refuse[GATE_SUBMIT] = -EDQUOT; /* nothing was */
    ask_ill(a, API_SUBMIT, json_of("{'url':'http://h.test/'}"), API_QUEUE_FULL, "");
    a->w->gate.refuse[GATE_SUBMIT] = a->w->gate.refuse[GATE_LIST] = -EIO;
    ask_ill(a, API_SUBMIT, json_of("{'url':'http://h.test/'}"), API_UNAVAILABLE, "");
    ask_ill(a, API_CANCEL, json_of("{'state':'queued'}"), API_UNAVAILABLE, "");
    ask_ill(a, API_LIST, json_object(), API_UNAVAILABLE, ""); /* it would have done nothing */
    a->api->config.reload = on_reload;
    reload_result = -ESHUTDOWN;
    ask_ill(a, API_RELOAD, json_object(), API_DRAINING, "");
    reload_result = -EINVAL;
    ask_ill(a, API_RELOAD, json_object(), API_BAD_CONFIG, "");
    static const char error[] = "the store says: refused by the test";
    assert_line(a, 1, json_pack("{s:s, s:s}", "action", "submit", "error", error));
    assert_line(a, 2, json_pack("{s:s, s:s}", "action", "cancel", "error", error));
    assert_line(a, 3, json_of("{'action':'reload','error':'x.conf:1: no; nothing has changed'}"));
    api_world_free(a);
}

/* A part of what was asked for is told as that. */
static void test_a_part(void **state)
{
    char settings[200];
    snprintf(settings, sizeof settings, AUDITED "[user \"%u\"]\nmax_jobs = 2\n",
             (unsigned)getuid());
    struct api_world *a = api_world_new(settings, false);
    json_decref(ask_well(a, API_PAUSE, json_object()));
    for (int i = 0; i < 2; i++)
        json_decref(ask_well(a, API_SUBMIT, json_of("{'url':'http://h.test/'}")));
    json_decref(ask_well(a, API_CANCEL, json_of("{'ids':[1,2]}")));
    WORLD_WAIT(a->w, a->w->end_count == 2);
    json_decref(ask_well(a, API_SUBMIT, json_of("{'url':'http://h.test/'}")));
    json_decref(ask_well(a, API_RETRY, json_of("{'ids':[1,2]}")));
    json_t *line = audit_line(a, 5);
    assert_string_equal(text_in(line, "action"), "retry");
    assert_int_equal(int_in(line, "jobs"), 1);
    assert_true(json_is_true(json_object_get(line, "more")));
    assert_non_null(strstr(text_in(line, "error"), "max_jobs"));
    json_decref(line);
    api_world_free(a);
}

static void test_a_signal(void **state)
{
    struct api_world *a = api_world_new(AUDITED, false);
    api_signalled(a->api, "SIGHUP");
    assert_line(a, 0, json_of("{'action':'reload','signal':'SIGHUP'}"));
    api_world_free(a);
}

static void test_nobody_wants_it(void **state)
{
    struct api_world *a = api_world_new("[sink \"rest\"]\ntype = stdout\nevents = all\n", false);
    api_signalled(a->api, "SIGHUP");
    json_decref(ask_well(a, API_PAUSE, json_object()));
    json_decref(ask_well(a, API_RESUME, json_object()));
    world_wait_end(a->w, ask_submit(a, "/bytes?n=1"), JOB_DONE);
    WORLD_WAIT(a->w, world_logged(a->w, "\"event\":\"verdict\"") == 1);
    assert_int_equal(world_logged(a->w, mark), 0);
    api_world_free(a);
}

/* --- a sink that takes nothing ---------------------------------------------------------------- */

/* Reads what is in the pipe: how many lines, and the sum of what they say was missed. */
static void count_lines(int fd, unsigned *lines, unsigned *missed)
{
    static char text[1 << 16];
    static char line[1024];
    static size_t len;
    for (ssize_t n; (n = read(fd, text, sizeof text)) > 0;) {
        for (ssize_t i = 0; i < n; i++) {
            assert_true(len < sizeof line - 1);
            line[len++] = text[i];
            if (text[i] != '\n')
                continue;
            line[len] = '\0';
            const char *told = strstr(line, "\"missed\":");
            *missed += told ? (unsigned)strtoul(told + strlen("\"missed\":"), NULL, 10) : 0;
            ++*lines;
            len = 0;
        }
    }
}

/* Lines beyond ten thousand that wait are left out, and the next one says how many. */
static void test_missed_lines_are_counted(void **state)
{
    enum { LINES = 15000 };
    unsigned lines = 0, missed = 0;
    int ends[2];
    struct error err;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fd_set_nonblock(ends[0], true), 0);
    struct sink_target target = {
        .name = "pipe", .type = SINK_STDOUT, .fd = ends[1], .events = EVENT_AUDIT};
    struct sink_config config = {.targets = &target, .target_count = 1};
    struct jobs *jobs = calloc(1, sizeof *jobs);
    assert_non_null(jobs);
    struct api api = {.jobs = jobs};
    struct settings *settings = world_settings(AUDITED);
    jobs->settings = settings;
    assert_int_equal(sink_new(&config, &jobs->config.sink, &err), 0);
    assert_int_equal(audit_new(&api.audit), 0);
    for (int i = 0; i < LINES; i++)
        audit_signal(&api, "SIGHUP");
    TEST_WAIT((count_lines(ends[0], &lines, &missed), sink_queued(jobs->config.sink) == 0),
              20000 * test_patience());
    assert_in_range(lines, 10000, LINES - 1);
    assert_int_equal(missed, 0);
    audit_signal(&api, "SIGHUP");
    TEST_WAIT((count_lines(ends[0], &lines, &missed), missed > 0), 20000 * test_patience());
    assert_int_equal(lines + missed, LINES + 1);
    audit_signal(&api, "SIGHUP"); /* which says nothing of them any more */
    TEST_WAIT((count_lines(ends[0], &lines, &missed), lines + missed == LINES + 2),
              20000 * test_patience());
    audit_free(api.audit);
    assert_int_equal(sink_free(jobs->config.sink, 30 * NS_PER_SEC), 0);
    settings_free(settings);
    free(jobs);
    close(ends[0]); /* the other one was the sink's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_done),
        cmocka_unit_test(test_what_is_not_told),
        cmocka_unit_test(test_the_forbidden_is_not_told),
        cmocka_unit_test(test_what_the_store_broke_off),
        cmocka_unit_test(test_a_part),
        cmocka_unit_test(test_a_signal),
        cmocka_unit_test(test_nobody_wants_it),
        cmocka_unit_test(test_missed_lines_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
