/* One connection of the store's, at a server: what a session is left with, and when it is left. */
#include "base/clock.h"
#include "base/log.h"
#include "pg_support.h"
#include "store/postgresql/pg_channel.h"

struct line {
    struct target target;
    struct sqls sqls;
    struct channel ch;
    char value[32]; /* the last one that was asked for */
};

static void line_connect(struct line *l)
{
    channel_connect(&l->ch);
    enum channel_event event;
    while ((event = channel_turn(&l->ch)) == CHANNEL_NOTHING) {
        struct pollfd p = channel_poll(&l->ch);
        poll(&p, 1, -1);
    }
    if (event != CHANNEL_CONNECTED)
        fail_msg("%s", l->ch.fault.text);
}

static struct line *line_new(const char *options)
{
    struct line *l = calloc(1, sizeof *l);
    struct error err = {""};
    char with[256];
    assert_non_null(l);
    snprintf(with, sizeof with, "%s %s", dsn, options);
    if (target_init(&l->target, &(struct store_config){.dsn = with}, &err) < 0)
        fail_msg("%s", err.text);
    l->target.connect_ns = 60 * NS_PER_SEC;
    assert_int_equal(sqls_init(&l->sqls, "public"), 0);
    channel_init(&l->ch, &l->target, &l->sqls);
    line_connect(l);
    return l;
}

static void line_free(struct line *l)
{
    channel_deinit(&l->ch);
    sqls_deinit(&l->sqls);
    target_deinit(&l->target);
    free(l);
}

/* Sends what was added, and waits for what comes of it. */
static enum channel_event line_end(struct line *l)
{
    enum channel_event event;
    channel_sync(&l->ch);
    while ((event = channel_turn(&l->ch)) == CHANNEL_NOTHING) {
        struct pollfd p = channel_poll(&l->ch);
        poll(&p, 1, -1);
    }
    return event;
}

static void take_value(void *arg, const PGresult *result)
{
    struct line *l = arg;
    snprintf(l->value, sizeof l->value, "%s", PQgetvalue(result, 0, 0));
}

static const char *line_ask(struct line *l, const char *text)
{
    channel_step_text(&l->ch, text, NULL, take_value, l);
    assert_int_equal(line_end(l), CHANNEL_DONE);
    if (l->ch.fault_code != 0)
        fail_msg("%s: %s", text, l->ch.fault.text);
    return l->value;
}

/* --- tests ------------------------------------------------------------------------------------ */

/* How a session plans is no part of the first batch, which may be undone. */
static void a_rollback_leaves_the_plans_as_they_are(void **state)
{
    struct line *l = line_new("");
    (void)state;
    channel_step(&l->ch, SQL_BEGIN, NULL, NULL, NULL);
    assert_int_equal(line_end(l), CHANNEL_DONE);
    assert_int_equal(l->ch.fault_code, 0);
    channel_step(&l->ch, SQL_ROLLBACK, NULL, NULL, NULL);
    assert_int_equal(line_end(l), CHANNEL_DONE);
    assert_int_equal(l->ch.fault_code, 0);
    assert_string_equal(line_ask(l, "SHOW enable_seqscan"), "off");
    assert_string_equal(line_ask(l, "SHOW jit"), "off");
    line_free(l);
}

/* Nor does it come before a BEGIN that says how the transaction is isolated. */
static void another_isolation_may_be_the_servers(void **state)
{
    struct line *l = line_new("options='-c default_transaction_isolation=serializable'");
    (void)state;
    channel_step(&l->ch, SQL_BEGIN, NULL, NULL, NULL);
    channel_step_text(&l->ch, "SHOW transaction_isolation", NULL, take_value, l);
    channel_step(&l->ch, SQL_COMMIT, NULL, NULL, NULL);
    assert_int_equal(line_end(l), CHANNEL_DONE);
    if (l->ch.fault_code != 0)
        fail_msg("%s", l->ch.fault.text);
    assert_string_equal(l->value, "read committed");
    assert_string_equal(line_ask(l, "SHOW enable_seqscan"), "off");
    line_free(l);
}

static void set_text(struct line *l, enum sql sql, const char *text)
{
    free(l->sqls.text[sql]);
    l->sqls.text[sql] = strdup(text);
    assert_non_null(l->sqls.text[sql]);
}

/* What is prepared fits no more: a new session has it anew. What the server cannot do, which has
 * the same state, is no matter of the session. */
static void a_session_is_left_for_what_it_has_prepared(void **state)
{
    struct line *l = line_new("");
    (void)state;
    set_text(l, SQL_GET, "SELECT count(*) FROM pg_class FOR UPDATE");
    channel_step(&l->ch, SQL_GET, NULL, NULL, NULL);
    assert_int_equal(line_end(l), CHANNEL_DONE);
    assert_string_equal(l->ch.sqlstate, "0A000");
    ask("CREATE TABLE changing(a int)");
    set_text(l, SQL_OLDEST, "SELECT count(*),c.* FROM changing c GROUP BY c.a");
    for (int i = 0; i < 2; i++) {
        channel_step(&l->ch, SQL_OLDEST, NULL, NULL, NULL);
        assert_int_equal(line_end(l), CHANNEL_DONE);
        assert_int_equal(l->ch.fault_code, 0);
    }
    ask("ALTER TABLE changing ALTER a TYPE text");
    channel_step(&l->ch, SQL_OLDEST, NULL, NULL, NULL);
    assert_int_equal(line_end(l), CHANNEL_LOST);
    line_connect(l);
    channel_step(&l->ch, SQL_OLDEST, NULL, NULL, NULL);
    assert_int_equal(line_end(l), CHANNEL_DONE);
    assert_int_equal(l->ch.fault_code, 0);
    line_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rollback_leaves_the_plans_as_they_are),
        cmocka_unit_test(another_isolation_may_be_the_servers),
        cmocka_unit_test(a_session_is_left_for_what_it_has_prepared),
    };
    log_set_level(LOG_LEVEL_ERROR);
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed = cmocka_run_group_tests_name("postgresql, one connection", tests, NULL, NULL);
    pg_end();
    return failed;
}
