#include "terms/settings.h"

#include "base/clock.h"
#include "base/config_tree.h"
#include "base/log.h"
#include "terms/access.h"
#include "settings_text.h"
#include "terms/params.h"
#include "terms/settings_digest.h"
#include "terms/settings_load.h"
#include "terms/settings_paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void refuse(const char *text, const char *sentence)
{
    struct settings *s = NULL;
    struct error err = {""};
    int r = load_text(text, &s, &err);
    assert_string_equal(err.text, sentence);
    assert_int_equal(r, -EINVAL);
    assert_null(s);
}

static void assert_list(const struct strings *list, const char *joined)
{
    char text[1024] = "";
    for (size_t i = 0; i < list->count; i++)
        strcat(strcat(text, i ? "|" : ""), list->items[i]);
    assert_string_equal(text, joined);
}

static void test_defaults(void **state)
{
    struct settings *s = load("");
    assert_int_equal(s->drain, 30 * NS_PER_SEC);
    assert_int_equal(s->log_level, LOG_LEVEL_INFO);
    assert_int_equal(s->socket_mode, 0660);
    assert_null(s->socket_group);
    assert_string_equal(s->store_engine, "sqlite");
    assert_int_equal(s->keep_finished, 7 * 86400 * NS_PER_SEC);
    assert_int_equal(s->max_jobs, 1000000);
    assert_int_equal(s->fetch_threads, 1);
    assert_null(s->proxy);
    assert_null(s->ca_file);
    assert_int_equal(s->host_connections, 6);
    assert_int_equal(s->pipe_size, 65536);
    assert_non_null(strstr(s->spool_dir, "/spool"));
    assert_int_equal(s->spool_max, 1 << 30);
    assert_int_equal(s->workers, 64);
    assert_non_null(s->plugin_dir);
    assert_list(&s->allow, "");
    assert_list(&s->redact, "token|*key|sig*|X-Amz-*|X-Goog-*");
    assert_int_equal(s->sink_count, 1);
    assert_int_equal(s->sinks[0].type, SINK_STDOUT);
    assert_int_equal(s->sinks[0].events, EVENT_ALL);
    settings_free(s);
    settings_free(NULL);
}

static void test_default_params(void **state)
{
    struct settings *s = load("");
    const struct job_params *d = &s->defaults;
    assert_int_equal(d->set, (UINT64_C(1) << PARAM_COUNT_) - 1);
    assert_string_equal(d->parser, "count");
    assert_int_equal(d->deliver, DELIVER_STREAM);
    assert_int_equal(d->commit_max, 1 << 30);
    assert_int_equal(d->unverified, UNVERIFIED_FAIL);
    assert_int_equal(d->max_attempts, 5);
    assert_int_equal(d->connect_timeout, 10 * NS_PER_SEC);
    assert_int_equal(d->first_byte_timeout, 60 * NS_PER_SEC);
    assert_int_equal(d->stall_timeout, 60 * NS_PER_SEC);
    assert_int_equal(d->parse_timeout, 3600 * NS_PER_SEC);
    assert_int_equal(d->timeout, 86400 * NS_PER_SEC);
    assert_int_equal(d->max_body, UINT64_C(1) << 40); /* none, lowered to the ceiling */
    assert_int_equal(d->max_redirects, 10);
    assert_null(d->digest);
    assert_null(d->expect_type);
    assert_null(d->credential);
    assert_int_equal(d->accept_status.count, 0);
    assert_memory_equal(d->user_agent, "penstock/", 9);
    settings_free(s);
}

static void test_values(void **state)
{
    struct settings *s = load("[daemon]\ndrain = 1.5s\nlog_level = debug\n"
                              "[control]\nsocket = /s\nmode = 0600\ngroup = www-data\n"
                              "[store]\nengine = memory\npath = /p\n"
                              "[fetch]\nproxy = http://p:3128\nthreads = 2\nthreads = 3\n"
                              "[policy]\nallow = 127.0.0.0/8  ::1\nallow = intranet.example.org\n"
                              "redact =\ntrust_proxy = yes\n"
                              "[parse]\nworkers = 1\nplugin_dir = /x\nplugin_dir =\n"
                              "[defaults]\ntimeout = none\naccept_status = 404 5xx\n"
                              "[ceilings]\nmax_body = none\nmax_attempts = 3\n");
    assert_int_equal(s->drain, 1500 * NS_PER_MS);
    assert_int_equal(s->log_level, LOG_LEVEL_DEBUG);
    assert_string_equal(s->socket, "/s");
    assert_int_equal(s->socket_mode, 0600);
    assert_string_equal(s->socket_group, "www-data");
    assert_string_equal(s->store_engine, "memory");
    assert_string_equal(s->proxy, "http://p:3128");
    assert_int_equal(s->fetch_threads, 3); /* the last counts */
    assert_list(&s->allow, "127.0.0.0/8|::1|intranet.example.org");
    assert_list(&s->redact, "");
    assert_int_equal(s->workers, 1);
    assert_string_not_equal(s->plugin_dir, "/x"); /* cleared: the default again */
    assert_int_equal(s->defaults.timeout, 0);
    assert_list(&s->defaults.accept_status, "404|5xx");
    assert_int_equal(s->defaults.max_body, 0);
    assert_int_equal(s->defaults.max_attempts, 3); /* lowered to the ceiling */
    settings_free(s);
}

static void test_sinks(void **state)
{
    struct settings *s =
        load("[sink \"records\"]\ntype = file\npath = /r.jsonl\nevents = record verdict\n"
             "[sink \"j\"]\ntype = journal\nevents = attempt\nevents = verdict\n"
             "[sink \"all\"]\ntype = stdout\n");
    assert_int_equal(s->sink_count, 3);
    assert_string_equal(s->sinks[0].name, "records");
    assert_int_equal(s->sinks[0].type, SINK_FILE);
    assert_string_equal(s->sinks[0].path, "/r.jsonl");
    assert_int_equal(s->sinks[0].events, EVENT_RECORD | EVENT_VERDICT);
    assert_int_equal(s->sinks[1].type, SINK_JOURNAL);
    assert_int_equal(s->sinks[1].events, EVENT_ATTEMPT | EVENT_VERDICT);
    assert_int_equal(s->sinks[2].events, EVENT_ALL);
    settings_free(s);

    s = load("[store]\nengine = postgresql\n[sink \"db\"]\ntype = postgresql\n");
    assert_string_equal(settings_stored_sink(s)->name, "db");
    assert_int_equal(s->sink_count, 2); /* and the one of lines that there is without a section */
    assert_int_equal(s->sinks[1].type, SINK_STDOUT);
    settings_free(s);
    refuse(
        "[sink \"db\"]\ntype = postgresql\n",
        "sink \"db\": type = postgresql goes with store.engine = postgresql alone, as records and "
        "verdict are one transaction");
    refuse("[store]\nengine = postgresql\n[sink \"db\"]\ntype = postgresql\nevents = record\n",
           "f.conf:3: [sink \"db\"]: events is not of type postgresql");
    refuse("[store]\nengine = postgresql\n[sink \"a\"]\ntype = postgresql\n"
           "[sink \"b\"]\ntype = postgresql\n",
           "f.conf:5: [sink \"b\"]: another sink writes to the same place");
    refuse("[sink \"a\"]\nevents = all\n",
           "f.conf:1: [sink \"a\"]: type is missing; type = file, stdout, journal or postgresql");
    refuse("\n[sink \"a\"]\ntype = file\n",
           "f.conf:2: [sink \"a\"]: path is missing; a sink of type file needs one");
    refuse("[sink \"a\"]\ntype = stdout\npath = /x\n",
           "f.conf:1: [sink \"a\"]: path is of type file only");
    refuse("[sink \"a\"]\ntype = fiel\n",
           "f.conf:2: sink \"a\".type: 'fiel' is not file, stdout, journal or postgresql; did you "
           "mean file?");
    refuse("[sink \"a\"]\ntype = stdout\nevents = record\nevents = verdicts\n",
           "f.conf:4: sink \"a\".events: 'verdicts' is no event; did you mean verdict? (there are "
           "start, "
           "record, attempt, verdict, stop, revoke, all and audit)");
    refuse("[sink \"a\"]\ntype = file\npath = /x\n[sink \"b\"]\ntype = file\npath = /x\n",
           "f.conf:4: [sink \"b\"]: another sink writes to the same place");
    refuse("[sink]\ntype = file\n",
           "f.conf:1: [sink]: a name is missing; write [sink \"records\"]");
}

static void test_hosts(void **state)
{
    struct settings *s =
        load("[host \"*\"]\ntimeout = 1h\n"
             "[host \"*.example.org\"]\nconnections = 2\nrequests_per_second = 0.5\n"
             "bytes_per_second = 10M\ncredential = c\n"
             "[credential \"c\"]\ntype = bearer\nhosts = *.example.org\n"
             "[host \"WWW.Example.ORG.\"]\nconnections = 1\n"
             "[host \"*.b.example.org\"]\nparser = csv\n"
             "[host \"[::1]\"]\nconnections = 9\n");
    assert_string_equal(settings_host_match(s, "www.example.org", 0)->pattern, "www.example.org");
    assert_string_equal(settings_host_match(s, "www.example.org", 1)->pattern, "*.example.org");
    assert_string_equal(settings_host_match(s, "www.example.org", 2)->pattern, "*");
    assert_null(settings_host_match(s, "www.example.org", 3));
    assert_string_equal(settings_host_match(s, "a.b.example.org", 0)->pattern, "*.b.example.org");
    assert_string_equal(settings_host_match(s, "a.b.example.org", 1)->pattern, "*.example.org");
    assert_string_equal(settings_host_match(s, "example.org", 0)->pattern, "*");
    assert_string_equal(settings_host_match(s, "notexample.org", 0)->pattern, "*");
    assert_int_equal(settings_host_match(s, "::1", 0)->connections, 9);
    const struct settings_host *h = settings_host_match(s, "x.example.org", 0);
    assert_int_equal(h->connections, 2);
    assert_true(h->requests_per_second > 0.49 && h->requests_per_second < 0.51);
    assert_int_equal(h->bytes_per_second, 10 << 20);
    assert_string_equal(h->params.credential, "c");
    assert_int_equal(h->params.set, UINT64_C(1) << PARAM_CREDENTIAL);
    settings_free(s);

    refuse("[host \"a b\"]\n", "f.conf:1: [host \"a b\"]: 'a b' is no host; write example.org, "
                               "*.example.org or *");
    refuse("[host \"a.*\"]\n", "f.conf:1: [host \"a.*\"]: 'a.*' is no host; write example.org, "
                               "*.example.org or *");
    refuse("[host \"a\"]\n[host \"A\"]\n",
           "f.conf:2: [host \"A\"]: another section is for the same host");
    refuse("[host \"a\"]\nrequests_per_second = 1e3\n",
           "f.conf:2: host \"a\".requests_per_second: '1e3' is not a number a second, as 5 or 0.5, "
           "above 0 and up to 1000000");
}

static void test_parsers(void **state)
{
    struct settings *s = load("[parser \"csv\"]\nparse_timeout = 2h\ntimeout =\n"
                              "\n[parser \"fx\"]\ntype = exec\nstage = a --b 'c d' ; e\n"
                              "stage = sort -u\noutput = json\n"
                              "[parser \"tsv\"]\ntype = csv\noption.delimiter = ;\n"
                              "option.delimiter = tab\noption.header = no\n");
    const struct settings_parser *csv = settings_parser_find(s, "csv");
    assert_null(csv->type);
    assert_int_equal(csv->params.set, UINT64_C(1)
                                          << PARAM_PARSE_TIMEOUT); /* `timeout =` sets none */
    assert_int_equal(csv->params.parse_timeout, 7200 * NS_PER_SEC);
    const struct settings_parser *fx = settings_parser_find(s, "fx");
    assert_string_equal(fx->type, "exec");
    assert_list(&fx->stages, "a --b 'c d' ; e|sort -u");
    assert_int_equal(fx->output, OUTPUT_JSON);
    assert_string_equal(fx->file, "f.conf");
    assert_int_equal(fx->line, 5);
    const struct settings_parser *tsv = settings_parser_find(s, "tsv");
    assert_int_equal(tsv->option_count, 2);
    assert_string_equal(tsv->options[0].name, "delimiter");
    assert_string_equal(tsv->options[0].value, "tab");
    assert_string_equal(tsv->options[1].value, "no");
    assert_null(settings_parser_find(s, "ndjson"));
    settings_free(s);

    refuse(
        "[parser \"x\"]\nparser = csv\n",
        "f.conf:2: parser \"x\".parser: unknown key; [parser] has type, stage, output, "
        "isolation, sandbox, on_abort, grace, memory, cpu_time, file_size, open_files, "
        "option.NAME, deliver, unverified, max_attempts, connect_timeout, first_byte_timeout, "
        "stall_timeout, parse_timeout, timeout, max_body, max_redirects, min_bytes, min_records, "
        "expect_type, accept_status, digest, priority, keep_body, user_agent, credential, decode, "
        "max_decoded, compress, commit_max, ip, digest_headers, allow_downgrade, "
        "charset, charset_errors");
    refuse("[parser \"x\"]\noption. = csv\n",
           "f.conf:2: parser \"x\".option.: the option's name is missing: option.NAME");
    refuse("[parser \"x\"]\ntype = exec\n",
           "f.conf:1: [parser \"x\"]: stage is missing; type exec needs at least one");
    refuse("[parser \"x\"]\nstage = sort\n",
           "f.conf:1: [parser \"x\"]: stage and output are of type exec only");
    refuse("[parser \"a b\"]\n",
           "f.conf:1: [parser \"a b\"]: 'a b' is no name; it has 1 to 64 of A-Z "
           "a-z 0-9 _ - .");
}

static void test_credentials(void **state)
{
    struct settings *s = load("[credential \"c\"]\ntype = basic\nuser = me\n"
                              "hosts = example.org *.example.org\nsecret_file = /s\n");
    assert_int_equal(s->credential_count, 1);
    assert_string_equal(s->credentials[0].name, "c");
    assert_int_equal(s->credentials[0].type, CREDENTIAL_BASIC);
    assert_string_equal(s->credentials[0].user, "me");
    assert_list(&s->credentials[0].hosts, "example.org|*.example.org");
    settings_free(s);
    s = load("[credential \"c\"]\ntype = header\nheader = Cookie\nhosts = A.example.org\n"
             "[defaults]\ncredential = c\n");
    assert_string_equal(s->credentials[0].header, "Cookie");
    assert_list(&s->credentials[0].hosts, "a.example.org");
    assert_null(s->credentials[0].secret_file);
    settings_free(s);
    refuse("[credential \"c\"]\ntype = basic\nhosts = a\n",
           "f.conf:1: [credential \"c\"]: user is missing; this type needs it");
    refuse("[credential \"c\"]\ntype = basic\nuser = a:b\nhosts = a\n",
           "f.conf:3: credential \"c\".user: a user's name has no colon and at most 256 bytes");
    refuse("[credential \"c\"]\ntype = header\nhosts = a\n",
           "f.conf:1: [credential \"c\"]: header is missing; this type needs it");
    refuse("[credential \"c\"]\ntype = header\nheader = Host\nhosts = a\n",
           "f.conf:3: credential \"c\".header: Host is refused: it follows from `url`");
    refuse("[credential \"c\"]\ntype = query\nhosts = a\n",
           "f.conf:1: [credential \"c\"]: query is missing; this type needs it");
    refuse("[credential \"c\"]\ntype = bearer\n",
           "f.conf:1: [credential \"c\"]: hosts is missing; it says where the secret may be sent");
    refuse("[defaults]\ncredential = d\n",
           "[defaults]: credential: there is no [credential \"d\"]");
    refuse("[host \"a\"]\ncredential = d\n",
           "[host \"a\"]: credential: there is no [credential \"d\"]");
    refuse("[parser \"a\"]\ntype = csv\ncredential = d\n",
           "[parser \"a\"]: credential: there is no [credential \"d\"]");
    refuse("[credential \"c\"]\nuser = me\n",
           "f.conf:1: [credential \"c\"]: type is missing; type = basic, bearer, header, query or "
           "netrc");
}

static struct peer peer(uint32_t uid, uint32_t gid)
{
    return (struct peer){.uid = uid, .gid = gid};
}

static void test_access(void **state)
{
    struct peer root = peer(0, 0), own = peer(geteuid(), 1), other = peer(77701, 77701);
    struct settings *s = load("");
    assert_true(access_may_submit(s->access, &other));
    assert_true(access_may_administer(s->access, &other));
    assert_true(access_may_see(s->access, &other, 1));
    settings_free(s);

    s = load("[control]\nsubmit_users = 77702\nsubmit_groups = 77710 root\n");
    uint32_t groups[] = {77709, 77710};
    struct peer user = peer(77702, 1), member = peer(77703, 77710), second = peer(77704, 1);
    second.groups = groups;
    second.group_count = 2;
    assert_false(access_may_submit(s->access, &other));
    assert_true(access_may_administer(s->access, &other));
    assert_true(access_may_submit(s->access, &user));
    assert_true(access_may_submit(s->access, &member));
    assert_true(access_may_submit(s->access, &second));
    assert_true(access_may_submit(s->access, &root));
    assert_true(access_may_submit(s->access, &own));
    settings_free(s);

    s = load("[control]\nsubmit_users = 77702\nadmin_groups = 77710\n");
    assert_false(access_may_submit(s->access, &other));
    assert_true(access_may_submit(s->access, &second)); /* an administrator */
    assert_true(access_may_see(s->access, &second, 77702));
    assert_false(access_may_administer(s->access, &user));
    assert_true(access_may_see(s->access, &user, 77702));
    assert_false(access_may_see(s->access, &user, 77701));
    assert_true(access_may_see(s->access, &root, 77702));
    assert_true(access_may_see(s->access, &own, 77702));
    settings_free(s);
    refuse("[control]\nadmin_users = no_such_user\n",
           "control.admin_users: there is no user no_such_user");
    refuse("[control]\nsubmit_groups = no_such_group\n",
           "control.submit_groups: there is no group no_such_group");
}

static void test_several_sections(void **state)
{
    refuse(
        "[fetch]\nproxy = env\n",
        "fetch.proxy: a proxy connects where [policy] cannot see it: only host names and addresses "
        "in URLs would be judged; to live with that, say trust_proxy = yes in [policy]");
    refuse("[host \"a\"]\nclient_key = /k\n",
           "f.conf:1: [host \"a\"]: client_cert is missing; client_key goes with it");
}

static void test_unknown_names(void **state)
{
    refuse("[daemon]\ndrian = 1\n", "f.conf:2: daemon.drian: unknown key; did you mean drain?");
    refuse("[daemon]\ncolour = 1\n",
           "f.conf:2: daemon.colour: unknown key; [daemon] has drain, log_level");
    refuse("[daemon]\ncolour =\n",
           "f.conf:1: daemon.colour: unknown key; [daemon] has drain, log_level");
    refuse("\n[deamon]\n", "f.conf:2: [deamon]: unknown section; did you mean daemon?");
    refuse("[zzz]\n", "f.conf:1: [zzz]: unknown section; the sections are daemon, control, store, "
                      "fleet, queue, fetch, flow, results, parse, policy, metrics, defaults, "
                      "ceilings, sink, host, "
                      "credential, parser, user, group");
    refuse("[daemon \"x\"]\n", "f.conf:1: [daemon \"x\"]: this section has no name");
    refuse("[defaults]\nconect_timeout = 1\n",
           "f.conf:2: defaults.conect_timeout: unknown key; did you mean connect_timeout?");
    refuse("[ceilings]\nparser = x\n",
           "f.conf:2: ceilings.parser: unknown key; [ceilings] has max_attempts, connect_timeout, "
           "first_byte_timeout, stall_timeout, parse_timeout, timeout, max_body, max_redirects, "
           "priority, max_decoded, commit_max");
}

static void test_bad_values(void **state)
{
    refuse("[daemon]\ndrain = 30 parsecs\n",
           "f.conf:2: daemon.drain: '30 parsecs' is not a duration; write 90 or 90s, 500ms, 5min, "
           "1h, 7d");
    refuse("[daemon]\nlog_level = loud\n",
           "f.conf:2: daemon.log_level: 'loud' is not error, warning, info or debug");
    refuse("[control]\nsocket = control.sock\n",
           "f.conf:2: control.socket: 'control.sock' is not a path from the root, as "
           "/var/lib/penstock");
    refuse("[control]\nmode = rw\n",
           "f.conf:2: control.mode: 'rw' is not a mode; write it octal, as 0660");
    refuse("[control]\nmode = 1777\n",
           "f.conf:2: control.mode: '1777' is not a mode; write it octal, as 0660");
    refuse("[store]\nengine = postgres\n",
           "f.conf:2: store.engine: 'postgres' is not sqlite, postgresql or memory");
    refuse("[fetch]\nthreads = 0\n",
           "f.conf:2: fetch.threads: '0' is not a whole number from 1 to 64");
    refuse("[fetch]\nproxy = p:3128\n",
           "f.conf:2: fetch.proxy: it is not none, env or a URL as http://proxy:3128");
    refuse("[fetch]\nproxy = http://me:secret@p\n",
           "f.conf:2: fetch.proxy: a proxy's URL holds no user and password here; use "
           "`proxy_credential`");
    refuse("[flow]\npipe_size = 1K\n",
           "f.conf:2: flow.pipe_size: 1024 bytes; from 4096 to 67108864");
    refuse("[defaults]\nconnect_timeout = 0\n",
           "f.conf:2: defaults.connect_timeout: it is too short; at least 0.001s");
    refuse("[defaults]\nconnect_timeout = 2d\n",
           "f.conf:2: defaults.connect_timeout: it is too long; at most 86400s");
    refuse("[defaults]\npriority = -1001\n",
           "f.conf:2: defaults.priority: '-1001' is not a whole number from -1000 to 1000");
    refuse("[defaults]\naccept_status = 404\naccept_status = 206\n",
           "f.conf:3: defaults.accept_status: 206 is a part of a body, which no parser gets for a "
           "whole");
    refuse("[defaults]\naccept_status = 1xx\n",
           "f.conf:2: defaults.accept_status: '1xx' is no status; write 404 or 5xx, from 200 on");
    refuse("[defaults]\nexpect_type = text\n",
           "f.conf:2: defaults.expect_type: 'text' is no media type; write text/csv or text/*");
    refuse("[defaults]\ndigest = sha256:abc\n",
           "f.conf:2: defaults.digest: sha256 has 64 hexadecimal digits in lower case");
    refuse(
        "[defaults]\ndigest = md5\n",
        "f.conf:2: defaults.digest: 'md5' is no digest; write sha256, or sha256:HEX to demand it "
        "(sha384 and sha512 are known too)");
}

static void test_policy_items(void **state)
{
    struct settings *s = NULL;
    struct error err = {""};
    assert_int_equal(load_text("[policy]\ndeny = 10.0.0.0/8\ndeny = 10.0.0.0/99\n", &s, &err),
                     -EINVAL);
    assert_memory_equal(err.text, "f.conf:3: policy.deny: ", 23);
    assert_non_null(strstr(err.text, "10.0.0.0/99"));
}

static void test_set_is_told_as_its_place(void **state)
{
    struct config config = {0};
    struct settings *s = NULL;
    struct error err;
    assert_int_equal(config_set(&config, "parse.workers=none", &err), 0);
    assert_int_equal(settings_load(&config, &s, &err), -EINVAL);
    assert_string_equal(err.text,
                        "--set: parse.workers: 'none' is not a whole number from 1 to 100000");
    config_deinit(&config);
}

static void test_paths(void **state)
{
    setenv("RUNTIME_DIRECTORY", "/run/a:/run/b", 1);
    setenv("STATE_DIRECTORY", "/state/a", 1);
    struct settings *s = load("");
    assert_string_equal(s->socket, "/run/a/control.sock");
    assert_string_equal(s->store_path, "/state/a/penstock.db");
    settings_free(s);
    begin(NULL);
    char *socket = settings_default_socket(), *store = settings_default_store();
    assert_string_equal(socket, geteuid() == 0 ? "/run/penstock/control.sock"
                                               : "/run/user/7/penstock/control.sock");
    assert_string_equal(store, geteuid() == 0 ? "/var/lib/penstock/penstock.db"
                                              : "/home/u/.local/state/penstock/penstock.db");
    free(socket);
    free(store);
    unsetenv("XDG_RUNTIME_DIR");
    char own[64];
    snprintf(own, sizeof own, "/tmp/penstock-%u/control.sock", (unsigned)geteuid());
    socket = settings_default_socket();
    assert_string_equal(socket, geteuid() == 0 ? "/run/penstock/control.sock" : own);
    free(socket);
    setenv("RUNTIME_DIRECTORY", "relative", 1);
    errno = 0;
    assert_null(settings_default_socket());
    assert_int_equal(errno, ENOENT);
}

/* A config can be read and checked where no daemon could start. */
static void test_no_places(void **state)
{
    struct error err;
    setenv("RUNTIME_DIRECTORY", "", 1);
    setenv("STATE_DIRECTORY", "", 1);
    struct settings *s = load("");
    assert_null(s->socket);
    assert_null(s->store_path);
    assert_non_null(s->spool_dir);
    assert_int_equal(settings_check_places(s, &err), -EINVAL);
    assert_memory_equal(err.text, "control.socket: ", 16);
    settings_free(s);
    s = load("[control]\nsocket = /s\n");
    assert_int_equal(settings_check_places(s, &err), -EINVAL);
    assert_memory_equal(err.text, "store.path: ", 12);
    settings_free(s);
    s = load("[control]\nsocket = /s\n[store]\nengine = memory\n");
    assert_int_equal(settings_check_places(s, &err), 0);
    settings_free(s);
}

static void test_params(void **state)
{
    struct job_params p = {0}, q = {0};
    struct error err;
    assert_int_equal(params_set(&p, "no_such", "1", &err), -ENOENT);
    assert_int_equal(params_set(&p, "timeout", "5min", &err), 0);
    assert_int_equal(params_set(&p, "timeout", "5 years", &err), -EINVAL);
    assert_int_equal(p.timeout, 300 * NS_PER_SEC);
    assert_int_equal(params_set(&p, "accept_status", "404 410", &err), 0);
    assert_int_equal(params_set(&p, "digest", "sha256", &err), 0);
    assert_int_equal(params_set(&q, "timeout", "1s", &err), 0);
    assert_int_equal(params_set(&q, "priority", "-3", &err), 0);
    assert_int_equal(params_inherit(&q, &p), 0);
    assert_int_equal(q.timeout, NS_PER_SEC); /* its own wins */
    assert_int_equal(q.priority, -3);
    assert_list(&q.accept_status, "404|410");
    assert_string_equal(q.digest, "sha256");
    assert_ptr_not_equal(q.digest, p.digest);
    assert_int_equal(q.set, UINT64_C(1) << PARAM_TIMEOUT | UINT64_C(1) << PARAM_PRIORITY |
                                UINT64_C(1) << PARAM_ACCEPT_STATUS | UINT64_C(1) << PARAM_DIGEST);
    params_deinit(&p);
    params_deinit(&p);
    params_deinit(&q);
}

static void ceiling(const char *name, const char *limit, const char *value, const char *sentence)
{
    struct job_params p = {0}, ceilings = {0};
    struct error err = {""};
    assert_int_equal(params_set(&ceilings, name, limit, &err), 0);
    assert_int_equal(params_set(&p, name, value, &err), 0);
    int r = params_check_ceilings(&p, &ceilings, &err);
    assert_string_equal(err.text, sentence);
    assert_int_equal(r, *sentence ? -EINVAL : 0);
    params_deinit(&p);
    params_deinit(&ceilings);
}

static void test_ceilings(void **state)
{
    ceiling("timeout", "1h", "1h", "");
    ceiling("timeout", "1h", "1.1h", "timeout: at most 3600s here (ceilings.timeout)");
    ceiling("timeout", "1h", "none", "timeout: at most 3600s here (ceilings.timeout)");
    ceiling("timeout", "none", "none", "");
    ceiling("max_body", "1M", "2M", "max_body: at most 1048576 bytes here (ceilings.max_body)");
    ceiling("max_redirects", "0", "1", "max_redirects: at most 0 here (ceilings.max_redirects)");
    ceiling("priority", "-5", "-4", "priority: at most -5 here (ceilings.priority)");
    ceiling("priority", "-5", "-6", "");
    ceiling("parser", "csv", "count", ""); /* nothing that can be bounded */
}

/* What members of a fleet should have alike. */
static void test_digest(void **state)
{
    static const char *const texts[] = {"",
                                        "[host \"a\"]\nconnections = 1\n",
                                        "[host \"a\"]\nconnections = 2\n",
                                        "[host \"b\"]\nconnections = 2\n",
                                        "[parser \"p\"]\ntype = csv\n",
                                        "[parser \"p\"]\ntype = csv\noption.delimiter = ;\n",
                                        "[fetch]\nhost_connections = 3\n"};
    enum { COUNT = sizeof texts / sizeof texts[0] };
    char digests[COUNT][SETTINGS_DIGEST_SIZE], again[SETTINGS_DIGEST_SIZE];
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        struct settings *s = load(texts[i]);
        settings_digest(s, digests[i]);
        settings_free(s);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(digests[k], digests[i]);
    }
    struct settings *s = load("[fleet]\nname = another\n[parse]\nworkers = 3\n");
    settings_digest(s, again);
    settings_free(s);
    assert_string_equal(again, digests[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, begin),
        cmocka_unit_test_setup(test_default_params, begin),
        cmocka_unit_test_setup(test_values, begin),
        cmocka_unit_test_setup(test_sinks, begin),
        cmocka_unit_test_setup(test_hosts, begin),
        cmocka_unit_test_setup(test_parsers, begin),
        cmocka_unit_test_setup(test_credentials, begin),
        cmocka_unit_test_setup(test_access, begin),
        cmocka_unit_test_setup(test_several_sections, begin),
        cmocka_unit_test_setup(test_unknown_names, begin),
        cmocka_unit_test_setup(test_bad_values, begin),
        cmocka_unit_test_setup(test_policy_items, begin),
        cmocka_unit_test_setup(test_set_is_told_as_its_place, begin),
        cmocka_unit_test_setup(test_paths, begin),
        cmocka_unit_test_setup(test_no_places, begin),
        cmocka_unit_test_setup(test_params, begin),
        cmocka_unit_test_setup(test_ceilings, begin),
        cmocka_unit_test_setup(test_digest, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
