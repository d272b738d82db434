/* Words for other members: which are kept, which are one, and to whom they go. */
#include "pg_inside.h"
#include "store/postgresql/pg_tell.h"

#define OTHER 8
#define THIRD 9

/* "8 h a.test; 9 a" */
static const char *text_of(const struct hints *h)
{
    static char text[4096];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < h->count && len < sizeof text - 64; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld %c%s%s", i ? "; " : "",
                                (long long)h->list[i].member, (char)h->list[i].kind,
                                h->list[i].text ? " " : "", h->list[i].text ? h->list[i].text : "");
    return text;
}

#define NOTED(in)  text_of(&(in)->pg.fleet->noted)
#define OUTBOX(in) text_of(&(in)->pg.fleet->outbox)

/* --- what waits to be sent -------------------------------------------------------------------- */

static void a_word_is_said_once(void **state)
{
    struct hints h = {.list = NULL};
    (void)state;
    for (int i = 0; i < 2; i++) {
        hints_add(&h, 1, HINT_HOST, "a");
        hints_add(&h, 2, HINT_HOST, "a"); /* to another */
        hints_add(&h, 1, HINT_HOST, "b");
        hints_add(&h, 1, HINT_CANCEL, "a"); /* of another kind */
        hints_add(&h, 1, HINT_SCHEDULES, NULL);
    }
    assert_string_equal(text_of(&h), "1 h a; 2 h a; 1 h b; 1 c a; 1 s");
    hints_clear(&h);
    assert_int_equal(h.count, 0);
    hints_clear(&h);
}

/* Whoever is to look at all of its hosts needs no word of one of them; of a cancel it does. */
static void all_hosts_are_each_host(void **state)
{
    struct hints h = {.list = NULL};
    (void)state;
    hints_add(&h, 1, HINT_HOST, "a");
    hints_add(&h, 1, HINT_ALL, NULL);
    hints_add(&h, 1, HINT_HOST, "b");
    hints_add(&h, 2, HINT_HOST, "b");
    hints_add(&h, 1, HINT_CANCEL, "5");
    hints_add(&h, 1, HINT_ALL, NULL);
    assert_string_equal(text_of(&h), "1 h a; 1 a; 2 h b; 1 c 5");
    hints_clear(&h);
}

/* So many hosts that nobody counts them become one word; a cancel is none of them. */
static void beyond_the_limit_all_are_looked_at(void **state)
{
    struct hints h = {.list = NULL};
    char host[24];
    (void)state;
    for (int i = 0; i < HINTS_MAX; i++) {
        snprintf(host, sizeof host, "h%d", i);
        hints_add(&h, 1, HINT_HOST, host);
    }
    assert_int_equal(h.count, HINTS_MAX);
    hints_add(&h, 1, HINT_HOST, "h0"); /* even one that is there */
    hints_add(&h, 1, HINT_HOST, "more");
    assert_int_equal(h.count, HINTS_MAX + 1);
    assert_int_equal(h.list[HINTS_MAX].kind, HINT_ALL);
    assert_null(h.list[HINTS_MAX].text);
    hints_add(&h, 2, HINT_HOST, "more");
    assert_int_equal(h.list[HINTS_MAX + 1].member, 2);
    assert_int_equal(h.list[HINTS_MAX + 1].kind, HINT_ALL);
    hints_add(&h, 1, HINT_CANCEL, "17");
    assert_int_equal(h.count, HINTS_MAX + 3);
    assert_string_equal(h.list[HINTS_MAX + 2].text, "17");
    hints_clear(&h);
}

/* --- what a transaction is to tell ------------------------------------------------------------ */

static void own(struct inside *in, const char *host, int64_t owner)
{
    struct fleet *f = in->pg.fleet;
    unsigned shard = store_shard(host);
    f->owners[shard] = owner;
    if (owner == ME)
        shards_set(&f->mine, shard);
}

static void add_members(struct inside *in)
{
    static const int64_t ids[] = {ME, OTHER, THIRD};
    struct fleet *f = in->pg.fleet;
    f->members = calloc(3, sizeof *f->members);
    assert_non_null(f->members);
    for (; f->member_count < 3; f->member_count++)
        f->members[f->member_count].id = ids[f->member_count];
}

static void a_host_is_told_to_its_owner(void **state)
{
    struct inside *in = *state;
    own(in, "mine.test", ME);
    own(in, "other.test", OTHER);
    tell_host(&in->pg, "mine.test"); /* ours: the loop knows it */
    tell_host(&in->pg, "other.test");
    tell_host(&in->pg, "nobodys.test");
    tell_host(&in->pg, NULL);
    assert_string_equal(NOTED(in), "0 h other.test; 0 h nobodys.test");
    assert_string_equal(OUTBOX(in), ""); /* it may come to nothing yet */
    tell_all(&in->pg);
    assert_string_equal(NOTED(in), "");
    assert_string_equal(OUTBOX(in), "8 h other.test");
    assert_true(was_woken(in->pg.fleet->wake_fd));
}

/* The owner is who has the host when the transaction stands, not when it was begun. */
static void whoever_has_it_by_then_is_told(void **state)
{
    struct inside *in = *state;
    own(in, "moving.test", OTHER);
    tell_host(&in->pg, "moving.test");
    own(in, "moving.test", THIRD);
    tell_all(&in->pg);
    assert_string_equal(OUTBOX(in), "9 h moving.test");
}

static void what_does_not_stand_is_told_to_nobody(void **state)
{
    struct inside *in = *state;
    own(in, "other.test", OTHER);
    (void)was_woken(in->pg.fleet->wake_fd);
    tell_host(&in->pg, "other.test");
    tell_none(&in->pg);
    tell_all(&in->pg);
    assert_string_equal(OUTBOX(in), "");
    assert_false(was_woken(in->pg.fleet->wake_fd));
}

static void a_cancel_goes_to_who_runs_the_job(void **state)
{
    struct inside *in = *state;
    tell_cancel(&in->pg, OTHER, 12);
    tell_cancel(&in->pg, THIRD, UINT64_C(9007199254740993));
    tell_all(&in->pg);
    assert_string_equal(OUTBOX(in), "8 c 12; 9 c 9007199254740993");
}

static void schedules_are_everybody_elses_news(void **state)
{
    struct inside *in = *state;
    add_members(in);
    tell_schedules(&in->pg);
    tell_all(&in->pg);
    assert_string_equal(OUTBOX(in), "8 s; 9 s");
}

static void so_many_hosts_are_told_to_all(void **state)
{
    struct inside *in = *state;
    char host[32];
    add_members(in);
    for (int i = 0; i <= HINTS_MAX; i++) {
        snprintf(host, sizeof host, "h%d.test", i);
        tell_host(&in->pg, host);
    }
    tell_all(&in->pg); /* their owners are not known, so each but ourselves looks at all */
    assert_string_equal(OUTBOX(in), "8 a; 9 a");
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        assert_true(in->pg.fleet->told_at[i] != 0);
}

/* Of a submission: what was stored just now, and waits to be run by somebody. */
static void a_submission_tells_what_waits(void **state)
{
    struct inside *in = *state;
    struct store_job jobs[] = {{.host = (char *)(uintptr_t) "new.test"},
                               {.host = (char *)(uintptr_t) "known.test"},
                               {.host = (char *)(uintptr_t) "refused.test"},
                               {.host = (char *)(uintptr_t) "claimed.test", .state = JOB_RUNNING},
                               {.host = (char *)(uintptr_t) "new2.test"}};
    struct store_submit_item items[] = {{.job = &jobs[0]},
                                        {.job = &jobs[1], .existing = true},
                                        {.job = &jobs[2], .result = -EEXIST},
                                        {.job = &jobs[3]},
                                        {.job = &jobs[4]}};
    struct store_submit call = {.items = items, .count = 5};
    tell_submit(&in->pg, &call);
    assert_string_equal(NOTED(in), "0 h new.test; 0 h new2.test");
}

/* --- owners that are new ---------------------------------------------------------------------- */

/* A job was stored while nobody, or another one, was known to own its shard. */
static void who_is_new_there_is_told_to_look(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    int64_t owners[STORE_SHARDS];
    own(in, "a.test", 0);
    tell_host(&in->pg, "a.test");
    tell_all(&in->pg);
    memcpy(owners, f->owners, sizeof owners);
    tell_new_owners(f, owners); /* all is as it was */
    assert_string_equal(OUTBOX(in), "");
    owners[store_shard("a.test")] = ME; /* ours: we have it read anyway */
    tell_new_owners(f, owners);
    assert_string_equal(OUTBOX(in), "");
    owners[store_shard("a.test")] = OTHER;
    owners[store_shard("b.test")] = THIRD; /* where nothing was stored */
    tell_new_owners(f, owners);
    assert_string_equal(OUTBOX(in), "8 a");
}

static void what_was_stored_long_ago_is_no_news(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    int64_t owners[STORE_SHARDS] = {0};
    owners[3] = owners[4] = OTHER;
    f->told_at[3] = lease_clock() - LEASE_NS - 1;
    tell_new_owners(f, owners);
    assert_string_equal(OUTBOX(in), "");
    f->told_at[4] = lease_clock() - LEASE_NS / 2;
    tell_new_owners(f, owners);
    assert_string_equal(OUTBOX(in), "8 a");
}

static void a_daemon_that_is_alone_tells_nobody(void **state)
{
    struct inside *in = *state;
    struct store_job job = {.host = (char *)(uintptr_t) "a.test"};
    struct store_submit_item item = {.job = &job};
    struct store_submit call = {.items = &item, .count = 1};
    tell_host(&in->pg, "a.test");
    tell_cancel(&in->pg, OTHER, 1);
    tell_schedules(&in->pg);
    tell_submit(&in->pg, &call);
    tell_all(&in->pg);
    tell_none(&in->pg);
    assert_int_equal(inside_deliver(in), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_is_said_once),
        cmocka_unit_test(all_hosts_are_each_host),
        cmocka_unit_test(beyond_the_limit_all_are_looked_at),
        FLEET(a_host_is_told_to_its_owner),
        FLEET(whoever_has_it_by_then_is_told),
        FLEET(what_does_not_stand_is_told_to_nobody),
        FLEET(a_cancel_goes_to_who_runs_the_job),
        FLEET(schedules_are_everybody_elses_news),
        FLEET(so_many_hosts_are_told_to_all),
        FLEET(a_submission_tells_what_waits),
        FLEET(who_is_new_there_is_told_to_look),
        FLEET(what_was_stored_long_ago_is_no_news),
        ALONE(a_daemon_that_is_alone_tells_nobody),
    };
    return cmocka_run_group_tests_name("words for others", tests, NULL, NULL);
}
