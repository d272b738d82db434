/* Every key of the config: what it takes, down to its least and up to its most, and what it
 * refuses, told with its place. */
#include "base/buf.h"
#include "fetch/libcurl.h"
#include "settings_text.h"
#include "terms/settings_table.h"
#include "terms/settings_walk.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* --- numbers ---------------------------------------------------------------------------------- */

struct range {
    const char *section, *key;
    const char *least, *most; /* NULL: no bound there */
    const char *under, *over; /* the next ones, which are refused */
};

static const struct range ranges[] = {
    {"daemon", "drain", "0", "1d", "-1s", "86401s"},
    {"control", "max_clients", "1", "100000", "0", "100001"},
    {"control", "memory_max", "4M", NULL, "4095K", NULL},
    {"store", "lease", "5s", "1d", "4999ms", "86401s"},
    {"store", "keep_finished", "0", "3650d", "-1", "3651d"},
    {"store", "keep_finished_count", "1", "1000000000", "0", "1000000001"},
    {"fleet", "guest_connections", "1", "1000", "0", "1001"},
    {"queue", "max_jobs", "1", "1000000000", "0", "1000000001"},
    {"queue", "max_bytes", "1M", NULL, "1023K", NULL},
    {"queue", "window_max", "64", "1000000", "63", "1000001"},
    {"fetch", "threads", "1", "64", "0", "65"},
    {"fetch", "host_connections", "1", "100000", "0", "100001"},
    {"fetch", "max_header", "1K", "16M", "1023", "16777217"},
    {"fetch", "splice_min", "0", "1T", "-1", NULL},
    {"fetch", "retry_delay", "0", "1d", "-1", "86401s"},
    {"fetch", "retry_delay_max", "0", "7d", "-1", "8d"},
    {"fetch", "resume_delay", "0", "1d", "-1", "86401s"},
    {"fetch", "breaker_failures", "0", "1000000", "-1", "1000001"},
    {"fetch", "breaker_cooldown", "1ms", "1d", "999us", "86401s"},
    {"flow", "pipe_size", "4K", "64M", "4095", "67108865"},
    {"flow", "pipe_budget", "0", "1G", "-1", "1073741825"},
    {"flow", "decode_ratio", "0", "1000000000", "-1", "1000000001"},
    {"flow", "decode_window", "1M", "4G", "1023K", "4097M"},
    {"flow", "spool_max", "1K", NULL, "1023", NULL},
    {"results", "keep", "1s", "3650d", "999ms", "3651d"},
    {"results", "max_size", "0", "1T", "-1", NULL},
    {"parse", "workers", "1", "100000", "0", "100001"},
    {"parse", "max_abandoned", "0", "100000", "-1", "100001"},
    {"parse", "max_record", "1K", "256M", "1023", "268435457"},
    {"parse", "abort_grace", "0", "1d", "-1", "86401s"},
    {"sink \"records\"", "max_size", "64K", "none", "65535", NULL},
    {"sink \"records\"", "keep", "1", "1000", "0", "1001"},
    {"host \"*.example.org\"", "connections", "1", "100000", "0", "100001"},
    {"host \"*.example.org\"", "requests_per_second", "0.001", "1000000", "0", "1000000.1"},
    {"host \"*.example.org\"", "bytes_per_second", "1K", NULL, "1023", NULL},
    {"host \"*.example.org\"", "breaker_failures", "1", "1000000", "0", "1000001"},
    {"host \"*.example.org\"", "breaker_cooldown", "1ms", "1d", "999us", "86401s"},
    {"parser \"fx\"", "grace", "1ms", "1d", "999us", "86401s"},
    {"parser \"fx\"", "memory", "1M", "none", "1023K", NULL},
    {"parser \"fx\"", "cpu_time", "1s", "none", "999ms", NULL},
    {"parser \"fx\"", "file_size", "1", "none", "-1", NULL},
    {"parser \"fx\"", "open_files", "8", "1000000", "7", "1000001"},
    {"user \"1000\"", "max_jobs", "1", "18446744073709551615", "0", "18446744073709551616"},
    {"user \"1000\"", "max_running", "1", NULL, "0", NULL},
    {"user \"1000\"", "max_priority", "-1000", "1000", "-1001", "1001"},
    {"group \"100\"", "max_jobs", "1", NULL, "0", NULL},
    {"group \"100\"", "max_running", "1", NULL, "0", NULL},
    {"group \"100\"", "max_priority", "-1000", "1000", "-1001", "1001"},
    {"defaults", "max_attempts", "1", "1000", "0", "1001"},
    {"defaults", "connect_timeout", "1ms", "1d", "999us", "86401s"},
    {"defaults", "first_byte_timeout", "1ms", "1d", "999us", "86401s"},
    {"defaults", "stall_timeout", "1ms", "1d", "999us", "86401s"},
    {"defaults", "parse_timeout", "1ms", "none", "999us", "366d"},
    {"defaults", "timeout", "1ms", "365d", "999us", "366d"},
    {"defaults", "max_body", "1", "1T", "-1", NULL},
    {"defaults", "max_redirects", "0", "100", "-1", "101"},
    {"defaults", "min_bytes", "0", NULL, "-1", NULL},
    {"defaults", "min_records", "0", "18446744073709551615", "-1", "18446744073709551616"},
    {"defaults", "priority", "-1000", "1000", "-1001", "1001"},
    {"defaults", "max_decoded", "1", "none", "-1", NULL},
    {"defaults", "commit_max", "1K", NULL, "1023", NULL},
};
#define RANGES (sizeof ranges / sizeof ranges[0])

/* What a section needs besides. */
static const char *needs(const char *section, const char *key)
{
    if (strncmp(section, "sink ", 5) == 0)
        return "type = file\npath = /r\n";
    if (strncmp(section, "parser ", 7) == 0)
        return "type = exec\nstage = cat\n";
    if (strncmp(section, "credential ", 11) != 0)
        return "";
    return strcmp(key, "hosts") == 0 ? "type = basic\nuser = u\n"
                                     : "type = basic\nuser = u\nhosts = a.test\n";
}

struct told {
    const char *section, *key;
    char text[512];
};

static void on_value(void *arg, const struct settings_value *value)
{
    struct told *told = arg;
    if (strcmp(value->key, told->key) == 0 &&
        strncmp(value->section, told->section, strlen(value->section)) == 0)
        snprintf(told->text, sizeof told->text, "%s", value->text);
}

static int try_key(const char *section, const char *key, const char *value, struct settings **ret,
                   struct error *err)
{
    char text[1024];
    /* Of a key that comes twice the last one counts. */
    snprintf(text, sizeof text, "[%s]\n%s%s = %s\n", section, needs(section, key), key, value);
    return load_text(text, ret, err);
}

/* Loads it, and returns how the settings tell it, into a buffer of the caller's. */
static void takes(const char *section, const char *key, const char *value, struct told *told)
{
    struct settings *s = NULL;
    struct error err = {""};
    if (try_key(section, key, value, &s, &err) < 0)
        fail_msg("[%s] %s = %s: %s", section, key, value, err.text);
    *told = (struct told){.section = section, .key = key};
    assert_int_equal(settings_walk(s, on_value, told), 0);
    settings_free(s);
}

static void refuses(const char *section, const char *key, const char *value, const char *sentence)
{
    struct settings *s = NULL;
    struct error err = {""};
    char place[256];
    int r = try_key(section, key, value, &s, &err);
    if (r != -EINVAL || s)
        fail_msg("[%s] %s = %s is taken", section, key, value);
    unsigned line = 2;
    for (const char *p = needs(section, key); *p; p++)
        line += *p == '\n';
    int len = snprintf(place, sizeof place, "f.conf:%u: %s.%s: ", line, section, key);
    assert_true(len > 0);
    if (strncmp(err.text, place, (size_t)len) != 0 || strlen(err.text) <= (size_t)len ||
        (sentence && strcmp(err.text + len, sentence) != 0))
        fail_msg("%s", err.text);
}

/* How a value is told is a text that means the same. */
static void takes_and_tells(const char *section, const char *key, const char *value)
{
    struct told told, again;
    if (!value)
        return;
    takes(section, key, value, &told);
    if (!told.text[0])
        fail_msg("[%s] %s = %s is not told", section, key, value);
    takes(section, key, told.text, &again);
    assert_string_equal(again.text, told.text);
}

static void numbers_have_their_bounds(void **state)
{
    for (size_t i = 0; i < RANGES; i++) {
        const struct range *r = &ranges[i];
        struct told least, most;
        takes_and_tells(r->section, r->key, r->least);
        takes_and_tells(r->section, r->key, r->most);
        if (r->under)
            refuses(r->section, r->key, r->under, NULL);
        if (r->over)
            refuses(r->section, r->key, r->over, NULL);
        if (!r->most)
            continue;
        takes(r->section, r->key, r->least, &least);
        takes(r->section, r->key, r->most, &most);
        assert_string_not_equal(least.text, most.text);
    }
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const others[] = {"x",   "1x",  "1 2", "1,5", "0x10",
                                         "1e3", "--1", "+1",  "inf"};
    for (size_t i = 0; i < RANGES; i++)
        for (size_t k = 0; k < sizeof others / sizeof others[0]; k++)
            refuses(ranges[i].section, ranges[i].key, others[k], NULL);
}

/* --- words ------------------------------------------------------------------------------------ */

struct words {
    const char *section, *key;
    const char *good[7];
    const char *bad;
    const char *sentence; /* NULL: whatever it is */
};

#define NO_PATH "'relative/x' is not a path from the root, as /var/lib/penstock"
#define NO_NAME "'a b' is no name; it has 1 to 64 of A-Z a-z 0-9 _ - ."

static const struct words words[] = {
    {"daemon",
     "log_level",
     {"error", "warning", "info", "debug"},
     "Info",
     "'Info' is not error, warning, info or debug; did you mean info?"},
    {"control", "socket", {"/s"}, "relative/x", NO_PATH},
    {"control", "mode", {"0600", "660", "0777", "0000"}, "0778", NULL},
    {"control", "group", {"www-data", "12"}, "a b", NO_NAME},
    {"control",
     "submit_users",
     {"0", "1 2"},
     "a/b",
     "'a/b' is no name; it has 1 to 64 of A-Z a-z 0-9 _ - ."},
    {"control", "submit_groups", {"0", "1,2"}, "a/b", NULL},
    {"control", "admin_users", {"0"}, "a/b", NULL},
    {"control", "admin_groups", {"0"}, "a/b", NULL},
    {"store",
     "engine",
     {"sqlite", "postgresql", "memory"},
     "SQLite",
     "'SQLite' is not sqlite, postgresql or memory"},
    {"store", "path", {"/p"}, "relative/x", NO_PATH},
    {"store", "dsn", {"host=db.example.org dbname=penstock"}, NULL, NULL},
    {"store", "direct", {"host=db.example.org"}, NULL, NULL},
    {"store", "password_file", {"/p"}, "relative/x", NO_PATH},
    {"store", "schema", {"penstock"}, NULL, NULL},
    {"fleet", "name", {"anna"}, NULL, NULL},
    {"fetch", "ca_file", {"/ca.pem"}, "relative/x", NO_PATH},
    {"flow", "spool_dir", {"/spool"}, "relative/x", NO_PATH},
    {"results", "path", {"/r.db"}, "relative/x", NO_PATH},
    {"parse", "plugin_dir", {"/plugins"}, "relative/x", NO_PATH},
    {"policy",
     "allow",
     {"10.0.0.0/8", "[::1]:8080", "intranet.example.org", ":8080"},
     "10.0.0.0/33",
     "10.0.0.0/33: the prefix length is 0 to 32"},
    {"policy", "deny", {"10.0.0.0/8", "*.example.org"}, "10.0.0.1/8", NULL},
    {"policy", "nat64", {"2001:db8:64::/96"}, "10.0.0.0/8", NULL},
    {"policy", "allow_downgrade", {"yes", "no"}, "true", "'true' is not no or yes"},
    {"policy", "trust_proxy", {"yes", "no"}, "maybe", "'maybe' is not no or yes"},
    {"policy", "redact", {"token", "a* b*"}, NULL, NULL},
    {"metrics", "listen", {"127.0.0.1:9469", "[::1]:9469", "/run/m.sock"}, "9469", NULL},
    {"metrics", "page", {"off", "totals", "all"}, "none", "'none' is not off, totals or all"},
    {"sink \"records\"",
     "events",
     {"record", "all", "record verdict", "all audit"},
     "records",
     NULL},
    {"sink \"records\"", "path", {"/r"}, "relative/x", NO_PATH},
    {"host \"*.example.org\"",
     "http",
     {"1.1", "2"},
     "1.0",
     "'1.0' is not 1.1, 2 or 3; did you mean 1.1?"},
    {"host \"*.example.org\"", "http2", {"yes", "no"}, "2", "'2' is not no or yes"},
    {"host \"*.example.org\"", "client_cert", {"/c"}, "relative/x", NO_PATH},
    {"credential \"example\"",
     "user",
     {"me", "me@here"},
     "a:b",
     "a user's name has no colon and at most 256 bytes"},
    {"credential \"example\"",
     "header",
     {"X-Key", "Cookie"},
     "X Key",
     "'X Key' is no header's name"},
    {"credential \"example\"", "query", {"key"}, "a b", NO_NAME},
    {"credential \"example\"", "secret_file", {"/s"}, "relative/x", NO_PATH},
    {"credential \"example\"",
     "hosts",
     {"a.test", "*.a.test", "*", "::1"},
     "a.*",
     "'a.*' is no host; write example.org, *.example.org or *"},
    {"parser \"fx\"", "output", {"lines", "json"}, "text", "'text' is not lines or json"},
    {"parser \"fx\"",
     "isolation",
     {"thread", "process"},
     "none",
     "'none' is not thread or process"},
    {"parser \"fx\"", "sandbox", {"strict", "off"}, "on", NULL},
    {"parser \"fx\"", "on_abort", {"kill", "error"}, "term", "'term' is not kill or error"},
    {"parser \"fx\"", "type", {"exec"}, "a b", NO_NAME},
    {"parser \"fx\"", "stage", {"cat", "a --b 'c d'"}, NULL, NULL},
    {"defaults", "parser", {"csv", "my-own"}, "a b", NO_NAME},
    {"defaults", "deliver", {"stream", "commit"}, "batch", "'batch' is not stream or commit"},
    {"defaults", "unverified", {"fail", "accept"}, "ok", "'ok' is not fail or accept"},
    {"defaults",
     "expect_type",
     {"text/csv", "text/*", "application/atom+xml"},
     "text/csv; charset=x",
     NULL},
    {"defaults",
     "accept_status",
     {"404", "5xx", "2xx 404,410"},
     "600",
     "'600' is no status; write 404 or 5xx, from 200 on"},
    {"defaults", "digest", {"sha256", "sha384", "sha512"}, "sha1", NULL},
    {"defaults", "keep_body", {"never", "failed"}, "always", "'always' is not never or failed"},
    {"defaults", "user_agent", {"x", "a (b; c)"}, "\xc3\xbc", "it is printable ASCII"},
    {"defaults", "decode", {"auto", "gzip", "bzip2", "xz", "zstd", "none"}, "br", NULL},
    {"defaults", "compress", {"yes", "no"}, "gzip", "'gzip' is not no or yes"},
    {"defaults", "ip", {"any", "4", "6"}, "5", NULL},
    {"defaults",
     "digest_headers",
     {"verify", "ignore"},
     "check",
     "'check' is not verify or ignore"},
    {"defaults", "allow_downgrade", {"yes", "no"}, "1", "'1' is not no or yes"},
    {"defaults", "charset", {"utf-8", "windows-1252!", "Shift_JIS"}, "klingon", NULL},
    {"defaults", "charset_errors", {"fail", "replace"}, "drop", "'drop' is not fail or replace"},
    {"defaults", "keep_records", {"yes", "no"}, "all", "'all' is not no or yes"},
};
#define WORDS (sizeof words / sizeof words[0])

static void words_are_those_of_the_key(void **state)
{
    for (size_t i = 0; i < WORDS; i++) {
        for (size_t k = 0; k < 7 && words[i].good[k]; k++)
            takes_and_tells(words[i].section, words[i].key, words[i].good[k]);
        if (words[i].bad)
            refuses(words[i].section, words[i].key, words[i].bad, words[i].sentence);
    }
}

/* These go with another key. */
static const char *const elsewhere[][2] = {
    {"fetch", "proxy"},     {"fetch", "proxy_credential"},
    {"sink", "type"},       {"sink", "format"},
    {"sink", "table"},      {"host", "client_key"},
    {"credential", "type"}, {"defaults", "credential"},
};

static bool is_tested(const struct settings_row *row)
{
    size_t len = strlen(row->section);
    for (size_t i = 0; i < RANGES; i++)
        if (strncmp(ranges[i].section, row->section, len) == 0 &&
            strcmp(ranges[i].key, row->key) == 0)
            return true;
    for (size_t i = 0; i < WORDS; i++)
        if (strncmp(words[i].section, row->section, len) == 0 &&
            strcmp(words[i].key, row->key) == 0)
            return true;
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
        if (strcmp(elsewhere[i][0], row->section) == 0 && strcmp(elsewhere[i][1], row->key) == 0)
            return true;
    return strcmp(row->section, "ceilings") == 0; /* they are as the defaults */
}

static void no_key_is_left_out(void **state)
{
    struct settings_row row;
    for (size_t i = 0; settings_row(i, &row); i++)
        if (!is_tested(&row))
            fail_msg("[%s] %s is in no table here", row.section, row.key);
}

static void http3_takes_a_libcurl_that_has_it(void **state)
{
    if (libcurl_speaks_http3())
        takes_and_tells("host \"a\"", "http", "3");
    else
        refuses("host \"a\"", "http", "3", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_their_bounds),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(words_are_those_of_the_key),
        cmocka_unit_test(no_key_is_left_out),
        cmocka_unit_test(http3_takes_a_libcurl_that_has_it),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
