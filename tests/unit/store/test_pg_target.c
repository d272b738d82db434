/* What connects to the database: which words of a connection string are taken, what stands in for
 * those that are missing, and where the password comes from. No server is asked. */
#include "pg_inside.h"
#include "support/testlib.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

static struct target target;
static struct error err;

static int setup(void **state)
{
    (void)state;
    unsetenv("CREDENTIALS_DIRECTORY");
    memset(&target, 0, sizeof target);
    err.text[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    target_deinit(&target);
    return 0;
}

static const char *value(const char *name)
{
    for (size_t i = 0; target.names[i]; i++)
        if (strcmp(target.names[i], name) == 0)
            return target.values[i];
    return NULL;
}

static size_t count(void)
{
    size_t n = 0;
    while (target.names[n])
        n++;
    return n;
}

static int init(const struct store_config *config)
{
    target_deinit(&target);
    return target_init(&target, config, &err);
}

static int init_dsn(const char *dsn)
{
    return init(&(struct store_config){.dsn = dsn});
}

#define EXPECT(name, expected) assert_string_equal(value(name), expected)

/* --- the words -------------------------------------------------------------------------------- */

static void without_a_word_it_is_the_local_server(void **state)
{
    const struct passwd *me = getpwuid(geteuid());
    (void)state;
    assert_int_equal(init(&(struct store_config){.dsn = NULL}), 0);
    EXPECT("host", "/run/postgresql");
    if (me)
        EXPECT("user", me->pw_name);
    EXPECT("client_encoding", "UTF8");
    EXPECT("target_session_attrs", "read-write");
    EXPECT("connect_timeout", "10");
    EXPECT("application_name", "penstock");
    EXPECT("passfile", "/nonexistent/penstock"); /* nobody's .pgpass */
    assert_null(value("sslmode"));               /* nobody is between */
    assert_null(value("password"));
    assert_false(target.pooled);
}

static void what_is_given_is_taken(void **state)
{
    (void)state;
    assert_int_equal(init_dsn("host=db.test port=6432 dbname=q user=u options='-c x=y' "
                              "sslmode=require sslrootcert=/ca channel_binding=require"),
                     0);
    EXPECT("host", "db.test");
    EXPECT("port", "6432");
    EXPECT("dbname", "q");
    EXPECT("user", "u");
    EXPECT("options", "-c x=y");
    EXPECT("sslmode", "require");
    EXPECT("sslrootcert", "/ca");
    EXPECT("channel_binding", "require");
}

static void a_url_does_as_well(void **state)
{
    (void)state;
    assert_int_equal(init_dsn("postgresql://u@db.test:6432/q"), 0);
    EXPECT("host", "db.test");
    EXPECT("port", "6432");
    EXPECT("user", "u");
    EXPECT("dbname", "q");
}

/* Whatever is not a socket of this machine's is encrypted, and the server proves who it is. */
static void what_is_elsewhere_is_verified(void **state)
{
    static const struct {
        const char *dsn, *mode;
    } cases[] = {
        {"host=db.test", "verify-full"},
        {"host=localhost", "verify-full"},
        {"hostaddr=127.0.0.1", "verify-full"},
        {"host=/run/postgresql hostaddr=10.0.0.1", "verify-full"},
        {"host=/run/postgresql,db.test", "verify-full"},
        {"host=db.test sslmode=disable", "disable"},
        {"host=/tmp", NULL},
        {"host=@abstract", NULL},
        {"dbname=q", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(init_dsn(cases[i].dsn), 0);
        if (cases[i].mode)
            EXPECT("sslmode", cases[i].mode);
        else
            assert_null(value("sslmode"));
    }
}

/* An empty value is none: libpq's own standard, or ours, stands in for it. */
static void an_empty_value_is_none(void **state)
{
    (void)state;
    assert_int_equal(init_dsn("host='' password='' application_name=''"), 0);
    EXPECT("host", "/run/postgresql");
    assert_null(value("password"));
    EXPECT("application_name", "penstock");
}

/* --- what is refused -------------------------------------------------------------------------- */

static void a_password_stands_in_no_config(void **state)
{
    static const char *const texts[] = {"password=hush", "host=a password='hush hush'",
                                        "postgresql://u:hush@db.test/q"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(init_dsn(texts[i]), -EINVAL);
        assert_non_null(strstr(err.text, "store.password_file"));
        assert_null(strstr(err.text, "hush"));
        assert_int_equal(count(), 0);
    }
}

/* What libpq cannot read may be a password, too: it is not repeated. */
static void what_cannot_be_read_is_not_quoted(void **state)
{
    static const char *const texts[] = {"hush", "host='hush", "nonsense=hush", "=hush",
                                        "host hush"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(init_dsn(texts[i]), -EINVAL);
        assert_non_null(strstr(err.text, "store.dsn: libpq cannot read it"));
        assert_null(strstr(err.text, "hush"));
    }
}

/* What would change what the store relies on is for nobody to set. */
static void words_that_are_ours_are_refused(void **state)
{
    static const char *const words[] = {
        "application_name", "client_encoding", "target_session_attrs",
        "connect_timeout",  "passfile",        "tcp_user_timeout",
        "keepalives",       "keepalives_idle", "fallback_application_name",
        "replication"};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char dsn[64], message[96];
        snprintf(dsn, sizeof dsn, "host=/tmp %s=1", words[i]);
        snprintf(message, sizeof message, "store.dsn: %s is not a word for here; leave it out",
                 words[i]);
        assert_int_equal(init_dsn(dsn), -EINVAL);
        assert_string_equal(err.text, message);
        assert_int_equal(count(), 0);
    }
}

/* What a shell happens to have set sends the queue nowhere else. */
static void the_environment_has_no_say(void **state)
{
    static const char *const names[] = {
        "PGHOST",    "PGPORT",        "PGDATABASE",      "PGUSER",     "PGPASSWORD",
        "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR",    "PGPASSFILE", "PGSSLMODE",
        "PGOPTIONS", "PGAPPNAME",     "PGCLIENTENCODING"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        setenv(names[i], "elsewhere", 1);
    assert_int_equal(init_dsn("dbname=q"), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_null(getenv(names[i]));
    EXPECT("host", "/run/postgresql");
    assert_null(value("port"));
    assert_null(value("password"));
}

/* --- patience --------------------------------------------------------------------------------- */

/* A silent peer is lost within a third of a lease, whoever waits for whom. */
static void patience_is_a_third_of_a_lease(void **state)
{
    (void)state;
    assert_int_equal(init(&(struct store_config){.lease_ns = 60 * NS_PER_SEC}), 0);
    EXPECT("keepalives", "1");
    EXPECT("keepalives_idle", "11");
    EXPECT("keepalives_interval", "5");
    EXPECT("keepalives_count", "3");
    EXPECT("tcp_user_timeout", "20000");
    assert_true(target.connect_ns == 20 * NS_PER_SEC);
    assert_int_equal(init(&(struct store_config){.lease_ns = 2 * NS_PER_SEC}), 0);
    EXPECT("keepalives_idle", "1");
    EXPECT("keepalives_interval", "1");
    EXPECT("tcp_user_timeout", "666");
    assert_int_equal(init(&(struct store_config){.lease_ns = 0}), 0); /* the standard */
    EXPECT("tcp_user_timeout", "20000");
}

/* Each server that may be tried has as long. */
static void each_server_has_its_time(void **state)
{
    static const struct {
        const char *dsn;
        unsigned servers;
    } cases[] = {{"host=a", 1},
                 {"host=a,b,c", 3},
                 {"host=a,b hostaddr=10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4", 4},
                 {"hostaddr=10.0.0.1,10.0.0.2", 2},
                 {"dbname=a,b", 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct store_config config = {.dsn = cases[i].dsn, .lease_ns = 3 * NS_PER_SEC};
        assert_int_equal(init(&config), 0);
        assert_true(target.connect_ns == cases[i].servers * NS_PER_SEC);
    }
}

/* --- the password ----------------------------------------------------------------------------- */

static int init_password(const void *data, size_t len)
{
    const char *path = test_path("password");
    test_write_file(path, data, len);
    return init(&(struct store_config){.password_file = path});
}

static void the_file_is_the_password_without_its_line_end(void **state)
{
    static const char *const texts[][2] = {
        {"hush", "hush"},
        {"hush\n", "hush"},
        {"hush\r\n", "hush"},
        {"hush\n\n\r\n", "hush"},
        {" hush ", " hush "},
        {"two\nlines\n", "two\nlines"},
        {"\xc3\xbc'\"\\", "\xc3\xbc'\"\\"},
        {"\n", ""},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(init_password(texts[i][0], strlen(texts[i][0])), 0);
        EXPECT("password", texts[i][1]);
    }
}

static void a_password_may_be_so_long(void **state)
{
    char text[1025];
    (void)state;
    memset(text, 'p', sizeof text);
    assert_int_equal(init_password(text, 1024), 0);
    assert_int_equal(strlen(value("password")), 1024);
    assert_int_equal(init_password(text, 1025), -EINVAL);
    assert_non_null(strstr(err.text, "is longer than 1024 bytes"));
    assert_null(strstr(err.text, "ppp"));
    assert_int_equal(count(), 0);
}

static void a_file_that_is_named_must_be_there(void **state)
{
    struct store_config missing = {.password_file = test_path("none")};
    struct store_config directory = {.password_file = test_dir()};
    (void)state;
    assert_int_equal(init(&missing), -ENOENT);
    assert_non_null(strstr(err.text, "store.password_file: "));
    assert_non_null(strstr(err.text, "/none: No such file"));
    assert_int_equal(init(&directory), -EISDIR);
    assert_int_equal(count(), 0);
}

/* systemd's LoadCredential=store:…; a file that the config names goes before it. */
static void a_credential_is_found_by_its_name(void **state)
{
    const char *dir = test_path("credentials"), *other = test_path("other");
    (void)state;
    assert_int_equal(mkdir(dir, 0700), 0);
    setenv("CREDENTIALS_DIRECTORY", dir, 1);
    assert_int_equal(init(&(struct store_config){.dsn = NULL}), 0);
    assert_null(value("password")); /* there is none of that name */
    test_write_file(test_path("credentials/store"), "secret\n", 7);
    test_write_file(other, "other\n", 6);
    assert_int_equal(init(&(struct store_config){.dsn = NULL}), 0);
    EXPECT("password", "secret");
    assert_int_equal(init(&(struct store_config){.password_file = other}), 0);
    EXPECT("password", "other");
}

/* --- names ------------------------------------------------------------------------------------ */

static void a_name_replaces_the_one_before(void **state)
{
    (void)state;
    assert_int_equal(init_dsn("dbname=q"), 0);
    size_t before = count();
    assert_int_equal(target_call(&target, "penstock/f/1"), 0);
    assert_int_equal(target_call(&target, "penstock/f/2"), 0);
    EXPECT("application_name", "penstock/f/2");
    assert_int_equal(count(), before);
}

static void a_pooler_is_where_another_way_is_direct(void **state)
{
    (void)state;
    assert_int_equal(init(&(struct store_config){.direct = "host=/tmp"}), 0);
    assert_true(target.pooled);
    assert_int_equal(init(&(struct store_config){.direct = ""}), 0);
    assert_false(target.pooled);
}

/* One line that says what libpq says. */
static void nobody_there_is_an_error_of_one_line(void **state)
{
    PGconn *conn = NULL;
    char dsn[128];
    (void)state;
    snprintf(dsn, sizeof dsn, "host=%.80s dbname=q user=u", test_path("nobody"));
    assert_int_equal(init_dsn(dsn), 0);
    assert_int_equal(session_open(&target, &conn, &err), -EIO);
    assert_null(conn);
    assert_int_equal(strncmp(err.text, "PostgreSQL: ", 12), 0);
    assert_null(strchr(err.text, '\n'));
    assert_non_null(strstr(err.text, "nobody"));
}

/* It has no connection to lose, and is no crash. */
static void a_channel_to_nowhere_is_lost_at_once(void **state)
{
    struct channel ch;
    struct sqls sqls = {.text = {NULL}};
    char dsn[128];
    enum channel_event event;
    (void)state;
    snprintf(dsn, sizeof dsn, "host=%.80s dbname=q user=u", test_path("nobody"));
    assert_int_equal(init_dsn(dsn), 0);
    channel_init(&ch, &target, &sqls);
    assert_int_equal(channel_turn(&ch), CHANNEL_NOTHING);
    assert_int_equal(channel_poll(&ch).fd, -1);
    channel_connect(&ch);
    while ((event = channel_turn(&ch)) == CHANNEL_NOTHING) {
        struct pollfd p = channel_poll(&ch);
        poll(&p, 1, -1);
    }
    assert_int_equal(event, CHANNEL_LOST);
    assert_int_equal(ch.state, CHANNEL_DOWN);
    assert_int_equal(ch.fault_code, -EIO);
    assert_int_equal(ch.lost_count, 0);
    channel_deinit(&ch);
    channel_deinit(&ch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_word_it_is_the_local_server),
        TEST(what_is_given_is_taken),
        TEST(a_url_does_as_well),
        TEST(what_is_elsewhere_is_verified),
        TEST(an_empty_value_is_none),
        TEST(a_password_stands_in_no_config),
        TEST(what_cannot_be_read_is_not_quoted),
        TEST(words_that_are_ours_are_refused),
        TEST(the_environment_has_no_say),
        TEST(patience_is_a_third_of_a_lease),
        TEST(each_server_has_its_time),
        TEST(the_file_is_the_password_without_its_line_end),
        TEST(a_password_may_be_so_long),
        TEST(a_file_that_is_named_must_be_there),
        TEST(a_credential_is_found_by_its_name),
        TEST(a_name_replaces_the_one_before),
        TEST(a_pooler_is_where_another_way_is_direct),
        TEST(nobody_there_is_an_error_of_one_line),
        TEST(a_channel_to_nowhere_is_lost_at_once),
    };
    return cmocka_run_group_tests_name("what connects", tests, NULL, NULL);
}
