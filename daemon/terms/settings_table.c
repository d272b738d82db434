/* Every section and key but the job parameters, which are in params.c. */
#include "terms/settings_table.h"

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/log.h"
#include "fetch/libcurl.h"
#include "fetch/policy.h"
#include "store/table_name.h"
#include "terms/params.h"
#include "terms/proxy.h"
#include "terms/spec_headers.h"
#include "terms/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DAY (86400 * NS_PER_SEC)
#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)

/* --- checks ----------------------------------------------------------------------------------- */

static int check_path(const char *text, struct error *err)
{
    if (text[0] == '/')
        return 0;
    return error_set(err, -EINVAL, "'%.80s' is not a path from the root, as /var/lib/penstock",
                     text);
}

static int check_table(const char *text, struct error *err)
{
    struct table_name name;
    return table_name_parse(text, &name, err);
}

static int check_http(const char *text, struct error *err)
{
    if (strcmp(text, "3") != 0 || libcurl_speaks_http3())
        return 0;
    return error_set(err, -EINVAL, "libcurl %s here does not speak HTTP/3: use 1.1 or 2",
                     curl_version_info(CURLVERSION_NOW)->version);
}

/* None of it is shown: it may hold a password wherever somebody has put it. */
static int check_proxy(const char *text, struct error *err)
{
    static const char *const schemes[] = {"http://",   "https://",   "socks4://",
                                          "socks5://", "socks4a://", "socks5h://"};
    char *host = NULL;
    if (strcmp(text, "none") == 0 || strcmp(text, "env") == 0)
        return 0;
    if (strchr(text, '@'))
        return error_set(err, -EINVAL,
                         "a proxy's URL holds no user and password here; use `proxy_credential`");
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strncmp(text, schemes[i], strlen(schemes[i])) != 0)
            continue;
        int r = proxy_host(text, &host);
        free(host);
        if (r == -ENOMEM)
            return error_set(err, r, "out of memory");
        if (r == 0)
            return 0;
    }
    return error_set(err, -EINVAL, "it is not none, env or a URL as http://proxy:3128");
}

static int check_engine(const char *text, struct error *err)
{
    static const char *const engines[] = {"sqlite", "postgresql", "memory"};
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
        if (strcmp(text, engines[i]) == 0)
            return 0;
    return error_set(err, -EINVAL, "'%.40s' is not sqlite, postgresql or memory", text);
}

/* By the module that will read it, item by item, so that a bad one is told with its place. */
static int check_policy(const char *text, struct error *err)
{
    struct policy *policy = NULL;
    int r = policy_new(&text, 1, NULL, 0, &policy, err);
    if (r == 0)
        policy_unref(policy);
    return r;
}

static int check_translator(const char *text, struct error *err)
{
    struct policy *policy = NULL;
    int r = policy_new(NULL, 0, NULL, 0, &policy, err);
    if (r == 0)
        r = policy_set_translators(policy, &text, 1, err);
    policy_unref(policy);
    return r;
}

int check_pattern(const char *text, struct error *err)
{
    const char *p = strncmp(text, "*.", 2) == 0 ? text + 2 : text;
    if (strcmp(text, "*") == 0 ||
        (*p && *p != '.' &&
         strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") ==
             strlen(p)))
        return 0;
    return error_set(err, -EINVAL, "'%.80s' is no host; write example.org, *.example.org or *",
                     text);
}

static int check_user(const char *text, struct error *err)
{
    if (strlen(text) <= 256 && !strpbrk(text, ":\r\n"))
        return 0;
    return error_set(err, -EINVAL, "a user's name has no colon and at most 256 bytes");
}

/* It may carry a secret, as no job's header may; the rest is refused alike. */
static int check_header(const char *text, struct error *err)
{
    return spec_check_header_name(text, strlen(text), true, err);
}

/* --- sections --------------------------------------------------------------------------------- */

static const struct field_choice log_levels[] = {{"error", LOG_LEVEL_ERROR},
                                                 {"warning", LOG_LEVEL_WARNING},
                                                 {"info", LOG_LEVEL_INFO},
                                                 {"debug", LOG_LEVEL_DEBUG},
                                                 {NULL, 0}};
static const struct field_choice sink_types[] = {{"file", SINK_FILE},
                                                 {"stdout", SINK_STDOUT},
                                                 {"journal", SINK_JOURNAL},
                                                 {"postgresql", SINK_STORED},
                                                 {NULL, 0}};
static const struct field_choice outputs[] = {
    {"lines", OUTPUT_LINES}, {"json", OUTPUT_JSON}, {NULL, 0}};
static const struct field_choice isolations[] = {
    {"thread", ISOLATE_THREAD}, {"process", ISOLATE_PROCESS}, {NULL, 0}};
static const struct field_choice sandboxes[] = {{"strict", 1}, {"off", 0}, {NULL, 0}};
static const struct field_choice abort_ways[] = {
    {"kill", ON_ABORT_KILL}, {"error", ON_ABORT_ERROR}, {NULL, 0}};
static const struct field_choice credential_types[] = {
    {"basic", CREDENTIAL_BASIC}, {"bearer", CREDENTIAL_BEARER}, {"header", CREDENTIAL_HEADER},
    {"query", CREDENTIAL_QUERY}, {"netrc", CREDENTIAL_NETRC},   {NULL, 0}};

static const struct field_choice yes_no[] = {{"no", 0}, {"yes", 1}, {NULL, 0}};
static const struct field_choice https[] = {
    {"1.1", HTTP_1}, {"2", HTTP_2}, {"3", HTTP_3}, {NULL, 0}};
static const struct field_choice http2s[] = {{"no", HTTP_1}, {"yes", HTTP_2}, {NULL, 0}};

static const struct field_choice metrics_pages[] = {{"off", METRICS_PAGE_OFF},
                                                    {"totals", METRICS_PAGE_TOTALS},
                                                    {"all", METRICS_PAGE_ALL},
                                                    {NULL, 0}};

#define AT(member) .offset = offsetof(struct settings, member)

static const struct field daemon_fields[] = {
    {"drain", FIELD_DURATION, AT(drain), "30s", .max = DAY,
     .help = "How long SIGTERM lets running jobs go on."},
    {"log_level", FIELD_CHOICE, AT(log_level), "info", .choices = log_levels,
     .help = "Diagnostics on standard error: error, warning, info or debug."},
};

static const struct field control_fields[] = {
    {"socket", FIELD_STRING, AT(socket), "", .shown = "/run/penstock/control.sock",
     .check = check_path,
     .help = "Where clients connect. Without this key: control.sock in $RUNTIME_DIRECTORY,\n"
             "for root in /run/penstock, for others in $XDG_RUNTIME_DIR/penstock."},
    {"mode", FIELD_MODE, AT(socket_mode), "0660",
     .help = "The socket's mode and group: who may connect."},
    {"group", FIELD_STRING, AT(socket_group), "", .check = check_name,
     .help = "Empty: the group of whoever started the daemon."},
    {"max_clients", FIELD_U64, AT(max_clients), "1000", .min = 1, .max = 100000,
     .help = "Connections at once; further ones are refused. Beyond it 8 more of the daemon's own\n"
             "user get in, and 16 of root."},
    {"memory_max", FIELD_SIZE, AT(memory_max), "256M", .min = 4 * MIB,
     .help =
         "Memory that all connections may take together, with what they do not read or have not\n"
         "finished sending. Whoever holds most of it must go if that is not enough."},
    {"submit_users", FIELD_LIST, AT(submit_users), "", .check = check_name,
     .help = "Users, by name or number, who may submit and retry jobs, and"},
    {"submit_groups", FIELD_LIST, AT(submit_groups), "", .check = check_name,
     .help = "groups whose members may. Both empty: whoever can connect."},
    {"admin_users", FIELD_LIST, AT(admin_users), "", .check = check_name,
     .help = "Users who may do all of that, see and cancel other users' jobs, pause, resume and\n"
             "reload, and"},
    {"admin_groups", FIELD_LIST, AT(admin_groups), "", .check = check_name,
     .help = "groups whose members may. Both empty: whoever can connect. Root and the daemon's\n"
             "own user always may."},
};

static const struct field store_fields[] = {
    {"engine", FIELD_STRING, AT(store_engine), "sqlite", .check = check_engine,
     .help = "sqlite, postgresql (by the module of the package penstock-postgresql), or memory\n"
             "(lost at exit). Daemons with the same schema in PostgreSQL share one queue: see\n"
             "penstock-fleet(7)."},
    {"path", FIELD_STRING, AT(store_path), "", .shown = "/var/lib/penstock/penstock.db",
     .check = check_path,
     .help = "The database. Without this key: penstock.db in $STATE_DIRECTORY, for root in\n"
             "/var/lib/penstock, for others in ${XDG_STATE_HOME:-~/.local/state}/penstock. With\n"
             "postgresql only a lock is there, in PATH.lock."},
    {"dsn", FIELD_STRING, AT(store_dsn), "",
     .help = "postgresql: where the database is, as libpq writes it: host=db.example.org\n"
             "dbname=penstock user=penstock. Never a password. The server's certificate must be\n"
             "right for its name (sslmode=verify-full), unless a unix socket leads there. The\n"
             "environment's PG... variables have no say. Empty: the user's own database, by the\n"
             "socket in /run/postgresql."},
    {"direct", FIELD_STRING, AT(store_direct), "",
     .help = "postgresql: the same for signs of life and for hints between daemons, which need a\n"
             "connection of their own, where `dsn` leads to a pooler (pgbouncer). With it,\n"
             "statements are not prepared; a pooler that shares sessions out by transactions is\n"
             "refused without it. Empty: as dsn."},
    {"password_file", FIELD_STRING, AT(store_password_file), "", .check = check_path,
     .help = "postgresql: a file with the password alone. Empty: $CREDENTIALS_DIRECTORY/store, if\n"
             "it is there."},
    {"schema", FIELD_STRING, AT(store_schema), "penstock",
     .help = "postgresql: where the tables are; made and brought up by penstockd --migrate."},
    {"lease", FIELD_DURATION, AT(store_lease), "60s", .min = 5 * NS_PER_SEC, .max = DAY,
     .help = "postgresql: a daemon that gives no sign of life is taken for dead after it, and\n"
             "others take its jobs over; it ends them itself before that. Alike for all of a\n"
             "fleet. A connection whose server gives no sign is given up after a third of it."},
    {"keep_finished", FIELD_DURATION, AT(keep_finished), "7d", .max = 3650 * DAY,
     .help = "How long jobs that have ended can be shown."},
    {"keep_finished_count", FIELD_U64, AT(keep_finished_count), "1000000", .min = 1,
     .max = 1000000000, .help = "How many of them at most; the oldest go first."},
};

static const struct field fleet_fields[] = {
    {"name", FIELD_STRING, AT(fleet_name), "",
     .help = "What this daemon is called among those that share its store; each has another name.\n"
             "Empty: the machine's."},
    {"guest_connections", FIELD_U64, AT(guest_connections), "1", .min = 1, .max = 1000,
     .help =
         "Of a host whose jobs another daemon starts: so many connections may this one have to\n"
         "it for redirects that lead there and for commands of penstockctl run."},
};

static const struct field queue_fields[] = {
    {"max_jobs", FIELD_U64, AT(max_jobs), "1000000", .min = 1, .max = 1000000000,
     .help = "Jobs that have not ended; further ones are refused."},
    {"max_bytes", FIELD_SIZE, AT(max_bytes), "1G", .min = MIB,
     .help = "Bytes of what they ask for, with the bodies that they send, as they are stored."},
    {"window_max", FIELD_U64, AT(window_max), "4096", .min = 64, .max = 1000000,
     .help = "Jobs that are next, of all hosts, and are kept in memory; the others are in the "
             "store\nalone."},
};

static const struct field fetch_fields[] = {
    {"threads", FIELD_U64, AT(fetch_threads), "1", .min = 1, .max = 64,
     .help = "Download loops; a host always has the same one."},
    {"proxy", FIELD_STRING, AT(proxy), "none", .check = check_proxy,
     .help = "none, env (http_proxy and friends) or a URL. Needs policy.trust_proxy."},
    {"proxy_credential", FIELD_STRING, AT(proxy_credential), "", .check = check_name,
     .help = "The [credential \"…\"], of type basic, that a proxy gets which wants a user and a\n"
             "password; the proxy's host must be one of its hosts."},
    {"ca_file", FIELD_STRING, AT(ca_file), "", .check = check_path,
     .help = "Certificates to trust. Empty: the system's. A file that changes counts within "
             "seconds, or\n"
             "from a reload on."},
    {"host_connections", FIELD_U64, AT(host_connections), "6", .min = 1, .max = 100000,
     .help = "Jobs at once from one host that has no section of its own."},
    {"max_header", FIELD_SIZE, AT(max_header), "256K", .min = KIB, .max = 16 * MIB,
     .help = "Bytes of one response's header."},
    {"splice_min", FIELD_SIZE, AT(splice_min), "4M",
     .help =
         "From so many bytes on what is left of a plain HTTP body of known length goes through "
         "the\n"
         "kernel alone (splice), if nothing here has to look at it. Its connection is not used\n"
         "again. 0: never."},
    {"retry_delay", FIELD_DURATION, AT(retry_delay), "1s", .max = DAY,
     .help = "Before a second attempt, at most: a random part of it, and twice as much each time."},
    {"retry_delay_max", FIELD_DURATION, AT(retry_delay_max), "5min", .max = 7 * DAY,
     .help = "Where that growth ends."},
    {"resume_delay", FIELD_DURATION, AT(resume_delay), "200ms", .max = DAY,
     .help =
         "Before a body that was cut is resumed; twice as much after each that brought nothing."},
    {"breaker_failures", FIELD_U64, AT(breaker_failures), "10", .max = 1000000,
     .help = "Failures of a host in a row after which nothing starts there for a while. 0: never."},
    {"breaker_cooldown", FIELD_DURATION, AT(breaker_cooldown), "30s", .min = NS_PER_MS, .max = DAY,
     .help = "That while; then one job goes first, to see."},
};

static const struct field flow_fields[] = {
    {"pipe_size", FIELD_SIZE, AT(pipe_size), "64K", .min = 4 * KIB, .max = 64 * MIB,
     .help = "The pipe between a download and its parser. The kernel may give less."},
    {"pipe_budget", FIELD_SIZE, AT(pipe_budget), "16M", .max = 1024 * MIB,
     .help =
         "Bytes by which pipes may grow, all together: to 1M each where the body is spliced and\n"
         "its parser fast. Users other than root have fs.pipe-user-pages-soft besides."},
    {"decode_ratio", FIELD_U64, AT(decode_ratio), "1000", .max = 1000000000,
     .help = "Bytes that a decoder may make of one byte of the body, beyond the first 16 MiB.\n"
             "0: any number."},
    {"decode_window", FIELD_SIZE, AT(decode_window), "128M", .min = MIB, .max = 4096 * MIB,
     .help = "The largest window (zstd) or dictionary (xz) of a decoder: memory of a job."},
    {"spool_dir", FIELD_STRING, AT(spool_dir), "", .shown = "/var/lib/penstock/spool",
     .check = check_path,
     .help = "Where records are held back (deliver = commit) and bodies are kept (keep_body);\n"
             "made if only its last part is missing. Without this key: spool beside the store's\n"
             "database; with the memory store, penstock-spool-UID in $TMPDIR or /var/tmp.\n"
             "One that is a symbolic link, another user's, or open to others' writing is refused."},
    {"spool_max", FIELD_SIZE, AT(spool_max), "1G", .min = KIB,
     .help = "Bytes of all bodies that are kept; the oldest go first."},
};

static const struct field results_fields[] = {
    {"path", FIELD_STRING, AT(results_path), "", .shown = "/var/lib/penstock/results.db",
     .check = check_path,
     .help =
         "The database of the records that jobs keep (keep_records = yes), made with the first\n"
         "of them. Without this key: results.db beside the store's database; with the memory\n"
         "store, a file without a name in $TMPDIR or /var/tmp."},
    {"keep", FIELD_DURATION, AT(results_keep), "1d", .min = NS_PER_SEC, .max = 3650 * DAY,
     .help = "How long they can be read. Not longer than the job itself (store.keep_finished)."},
    {"max_size", FIELD_SIZE, AT(results_max), "1G",
     .help = "Bytes of all of them; the oldest go first. A job with more by itself keeps none.\n"
             "0: nothing is kept."},
};

static const struct field parse_fields[] = {
    {"workers", FIELD_U64, AT(workers), "64", .min = 1, .max = 100000,
     .help = "How many jobs run at once: a worker waits for its origin as well."},
    {"max_abandoned", FIELD_U64, AT(max_abandoned), "64", .max = 100000,
     .help = "Parsers that outlived their time and are stuck. Beyond it no job starts."},
    {"max_record", FIELD_SIZE, AT(max_record), "1M", .min = KIB, .max = 256 * MIB,
     .help = "Bytes of one record."},
    {"abort_grace", FIELD_DURATION, AT(abort_grace), "5s", .max = DAY,
     .help = "What a parser gets to return in, once its body has been aborted."},
    {"plugin_dir", FIELD_STRING, AT(plugin_dir), PENSTOCK_PLUGINDIR, .shown = "",
     .check = check_path,
     .help = "Where plug-ins are. Empty: penstock/parsers in the library directory."},
};

static const struct field policy_fields[] = {
    {"allow", FIELD_LIST, AT(allow), "", .check = check_policy,
     .help = "Private, loopback and link-local addresses are refused unless allowed here:\n"
             "10.0.0.0/8, [::1]:8080, intranet.example.org, :8080 (a port everywhere)."},
    {"deny", FIELD_LIST, AT(deny), "", .check = check_policy,
     .help = "Refused in any case; written in the same way."},
    {"nat64", FIELD_LIST, AT(nat64), "", .check = check_translator,
     .help =
         "Prefixes by which the network translates to IPv4, as 2001:db8:64::/96 (64:ff9b::/96 is\n"
         "known): addresses below are judged by the IPv4 addresses that they carry."},
    {"allow_downgrade", FIELD_CHOICE, AT(allow_downgrade), "no", .choices = yes_no,
     .help =
         "Follow redirects from https to http, for jobs that say nothing of it themselves: yes\n"
         "is as defaults.allow_downgrade = yes."},
    {"trust_proxy", FIELD_CHOICE, AT(trust_proxy), "no", .choices = yes_no,
     .help =
         "Through fetch.proxy it is the proxy that looks names up and connects: what is judged\n"
         "here is host names and addresses in URLs, and nothing more. Say yes to live with that."},
    {"redact", FIELD_LIST, AT(redact), "token *key sig* X-Amz-* X-Goog-*",
     .help = "Query parameters whose values print as ***: patterns, without case. *token, *secret\n"
             "and *passw* always do."},
};

static const struct field metrics_fields[] = {
    {"listen", FIELD_STRING, AT(metrics_listen), "", .check = endpoint_check,
     .help = "Serve the figures at http://127.0.0.1:9469/metrics, as 127.0.0.1:9469 or [::1]:9469\n"
             "say, or on a unix socket (a path), with control.mode and control.group. Empty: no."},
    {"page", FIELD_CHOICE, AT(metrics_page), "totals", .choices = metrics_pages,
     .help = "What / shows there to a browser: off, totals, or all: jobs with their URLs, hosts,\n"
             "schedules and errors as well, to whoever can connect, whatever his uid is."},
};

#undef AT
#define AT(member) .offset = offsetof(struct settings_sink, member)

static const struct field_choice sink_formats[] = {
    {"json", SINK_FORMAT_JSON}, {"text", SINK_FORMAT_TEXT}, {NULL, 0}};

static const struct field sink_fields[] = {
    {"type", FIELD_CHOICE, AT(type), "", .choices = sink_types,
     .help = "file, stdout or journal; or postgresql, of the store in PostgreSQL: the records of\n"
             "each job that is done go into its table `records`, in one transaction with the\n"
             "verdict, besides what the other sinks get."},
    {"table", FIELD_STRING, AT(table), "", .check = check_table,
     .help =
         "Of postgresql: another table for the records, NAME (in store.schema) or SCHEMA.NAME,\n"
         "with job bigint, attempt integer, seq bigint, data text; made by\n"
         "--migrate. Empty: the store's own, `records`."},
    {"path", FIELD_STRING, AT(path), "", .check = check_path, .help = "Of a file."},
    {"events", FIELD_EVENTS, AT(events), "all",
     .help = "What goes there: start record attempt verdict stop, or all; and audit, which is not\n"
             "among all: who has submitted, cancelled, paused, reloaded, changed schedules."},
    {"format", FIELD_CHOICE, AT(format), "json", .choices = sink_formats,
     .help =
         "Of the journal: the line as the entry's message (json), or a sentence, with the line\n"
         "in PENSTOCK_JSON (text)."},
    {"max_size", FIELD_SIZE, AT(max_size), "none", .min = 64 * KIB, .none_ok = true,
     .help = "Of a file: from so many bytes on it becomes PATH.1, PATH.1 becomes PATH.2 and so\n"
             "on, and another is begun, between two lines."},
    {"keep", FIELD_U64, AT(keep), "7", .min = 1, .max = 1000,
     .help = "So many of the old ones stay."},
};

#undef AT
#define AT(member) .offset = offsetof(struct settings_host, member)

static const struct field host_fields[] = {
    {"connections", FIELD_U64, AT(connections), "", .min = 1, .max = 100000,
     .help = "Jobs at once, in place of fetch.host_connections."},
    {"requests_per_second", FIELD_RATE, AT(requests_per_second), "", .max = 1000000,
     .help = "Requests started a second. Empty: no limit."},
    {"bytes_per_second", FIELD_SIZE, AT(bytes_per_second), "", .min = KIB,
     .help = "Bytes of bodies a second, of all jobs from one host. Empty: no limit."},
    {"breaker_failures", FIELD_U64, AT(breaker_failures), "", .min = 1, .max = 1000000,
     .help = "In place of fetch.breaker_failures."},
    {"breaker_cooldown", FIELD_DURATION, AT(breaker_cooldown), "", .min = NS_PER_MS, .max = DAY,
     .help = "In place of fetch.breaker_cooldown."},
    {"http", FIELD_CHOICE, AT(http), "", .choices = https, .check = check_http,
     .help =
         "1.1, 2 or 3: the version to be spoken over TLS at most, one transfer a connection; what\n"
         "the host does not speak is the next lower one. 3 needs a libcurl that has it. Empty: "
         "1.1."},
    {"http2", FIELD_CHOICE, AT(http2), "", .choices = http2s,
     .help = "The older way to write http = 2 (yes) and 1.1 (no)."},
    {"client_cert", FIELD_STRING, AT(client_cert), "", .check = check_path,
     .help = "PEM file with the certificate that is shown to the host, and"},
    {"client_key", FIELD_STRING, AT(client_key), "", .check = check_path,
     .help = "its key, without a passphrase, as secret as a credential's file. Empty: in the same\n"
             "file."},
};

#undef AT
#define AT(member) .offset = offsetof(struct settings_credential, member)

static const struct field credential_fields[] = {
    {"type", FIELD_CHOICE, AT(type), "", .choices = credential_types,
     .help = "basic, bearer, header, query or netrc."},
    {"user", FIELD_STRING, AT(user), "", .check = check_user, .help = "Of type basic."},
    {"header", FIELD_STRING, AT(header), "", .check = check_header,
     .help = "Of type header: its name."},
    {"query", FIELD_STRING, AT(query), "", .check = check_name,
     .help = "Of type query: the parameter's name."},
    {"hosts", FIELD_LIST, AT(hosts), "", .check = check_pattern,
     .help = "The only hosts it is sent to; and to the origin of the job's URL alone."},
    {"secret_file", FIELD_STRING, AT(secret_file), "", .check = check_path,
     .help =
         "A file with the secret (of type netrc: the whole file), root's or the daemon's, mode\n"
         "0640 or stricter; read at each use. Empty: the credential of the section's name\n"
         "in systemd's $CREDENTIALS_DIRECTORY."},
};

#undef AT
#define AT(member) .offset = offsetof(struct settings_parser, member)

static const struct field parser_fields[] = {
    {"type", FIELD_STRING, AT(type), "", .check = check_name,
     .help = "The built-in parser that this is another name of, or exec for a pipeline of\n"
             "processes. Empty: the built-in of the section's own name."},
    {"stage", FIELD_LINES, AT(stages), "",
     .help = "Of type exec: a command, quoted as in systemd's ExecStart. Repeat it for a\n"
             "pipeline, from first to last."},
    {"output", FIELD_CHOICE, AT(output), "lines", .choices = outputs,
     .help = "Of type exec: what a line of the last stage is: lines (text) or json."},
    {"isolation", FIELD_CHOICE, AT(isolation), "", .choices = isolations,
     .help = "thread, or process: a plug-in or built-in parser that cannot bring the daemon\n"
             "down. Empty: process for plug-ins, thread for built-in parsers."},
    {"sandbox", FIELD_CHOICE, AT(sandbox), "strict", .choices = sandboxes,
     .help = "An isolated parser can open nothing and run nothing (strict), or what the daemon's\n"
             "user can (off)."},
    {"on_abort", FIELD_CHOICE, AT(on_abort), "kill", .choices = abort_ways,
     .help = "What an isolated parser gets when its body is aborted: it is killed (kill), or has\n"
             "a read error and so long to return (error)."},
    {"grace", FIELD_DURATION, AT(grace), "2s", .min = NS_PER_MS, .max = DAY,
     .help = "With on_abort = error; shorter than parse.abort_grace."},
    {"memory", FIELD_SIZE, AT(memory), "none", .none_ok = true, .min = MIB,
     .help = "Address space of each process."},
    {"cpu_time", FIELD_DURATION, AT(cpu_time), "none", .none_ok = true, .min = NS_PER_SEC,
     .help = "Time on a CPU of each process."},
    {"file_size", FIELD_SIZE, AT(file_size), "none", .none_ok = true,
     .help = "Bytes of each file that a process writes."},
    {"open_files", FIELD_U64, AT(open_files), "", .min = 8, .max = 1000000,
     .help = "Files that each process has open at once. Empty: as the daemon was started with."},
};

#undef AT
#define AT(member) .offset = offsetof(struct settings_quota, member)

static const struct field quota_fields[] = {
    {"max_jobs", FIELD_U64, AT(max_jobs), "", .min = 1,
     .help = "Jobs of the user that have not ended; more are refused. Empty: no limit."},
    {"max_running", FIELD_U64, AT(max_running), "", .min = 1,
     .help = "Jobs of the user that run at once; others of his wait. Empty: no limit."},
    {"max_priority", FIELD_I64, AT(max_priority), "1000", .max = 1000,
     .help = "The highest `priority` that the user's jobs may ask for; what [defaults], [host] or\n"
             "[parser] gives is lowered to it."},
};

#define FIELDS(array) .fields = (array), .count = sizeof(array) / sizeof(array)[0]

const struct section settings_sections[SECTION_COUNT_] = {
    [SECTION_DAEMON] = {"daemon", FIELDS(daemon_fields)},
    [SECTION_CONTROL] = {"control", FIELDS(control_fields)},
    [SECTION_STORE] = {"store", FIELDS(store_fields)},
    [SECTION_FLEET] = {"fleet", FIELDS(fleet_fields)},
    [SECTION_QUEUE] = {"queue", FIELDS(queue_fields)},
    [SECTION_FETCH] = {"fetch", FIELDS(fetch_fields)},
    [SECTION_FLOW] = {"flow", FIELDS(flow_fields)},
    [SECTION_RESULTS] = {"results", FIELDS(results_fields)},
    [SECTION_PARSE] = {"parse", FIELDS(parse_fields)},
    [SECTION_POLICY] = {"policy", FIELDS(policy_fields)},
    [SECTION_METRICS] = {"metrics", FIELDS(metrics_fields)},
    [SECTION_DEFAULTS] = {"defaults", .takes = TAKES_PARAMS},
    [SECTION_CEILINGS] = {"ceilings", .takes = TAKES_CEILINGS},
    [SECTION_SINK] = {"sink", "records", FIELDS(sink_fields)},
    [SECTION_HOST] = {"host", "*.example.org", FIELDS(host_fields), .takes = TAKES_PARAMS},
    [SECTION_CREDENTIAL] = {"credential", "example", FIELDS(credential_fields)},
    [SECTION_USER] = {"user", "1000", FIELDS(quota_fields)},
    [SECTION_GROUP] = {"group", "100", FIELDS(quota_fields)},
    [SECTION_PARSER] = {"parser", "fx", FIELDS(parser_fields), .takes = TAKES_OPTIONS},
};

/* --- rows ------------------------------------------------------------------------------------- */

static void fill_row(const struct section *section, const struct field *field,
                     struct settings_row *ret_row)
{
    const char *standard = field->shown ? field->shown : field->standard;
    if (section->takes == TAKES_CEILINGS)
        standard = field == &params_fields[PARAM_MAX_BODY] ? CEILING_MAX_BODY : "";
    *ret_row = (struct settings_row){
        .section = section->kind,
        .name = section->example,
        .key = field->name,
        .standard = standard,
        .help = field->help,
    };
}

/* The i-th row of one section. False past its end, and *left = rows still to skip. */
static bool row_of(const struct section *section, size_t i, size_t *left,
                   struct settings_row *ret_row)
{
    *left = i - section->count;
    if (i < section->count) {
        fill_row(section, &section->fields[i], ret_row);
        return true;
    }
    if (section->example || section->takes == TAKES_FIELDS)
        return false;
    for (size_t p = 0; p < PARAM_COUNT_; p++) {
        if (section->takes == TAKES_CEILINGS && !params_has_ceiling(p))
            continue;
        if ((*left)-- == 0) {
            fill_row(section, &params_fields[p], ret_row);
            return true;
        }
    }
    return false;
}

bool settings_row(size_t i, struct settings_row *ret_row)
{
    for (size_t s = 0; s < SECTION_COUNT_; s++)
        if (row_of(&settings_sections[s], i, &i, ret_row))
            return true;
    return false;
}
