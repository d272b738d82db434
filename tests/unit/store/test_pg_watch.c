/* What a beat's answer says of this member, of the server and of the others; and what is measured
 * of the fleet by it. */
#include "pg_inside.h"
#include "store/postgresql/pg_health.h"
#include "store/postgresql/pg_watch.h"

#define OTHER 8
#define THIRD 9

/* A beat's answer about ourselves. */
static bool hear(struct inside *in, int64_t n, const char *timeline, bool copied)
{
    struct pulse *p = &in->pulse;
    p->sent = lease_clock();
    p->answer.n = n;
    p->answer.now = NOW;
    p->answer.copied = copied;
    snprintf(p->answer.timeline, sizeof p->answer.timeline, "%s", timeline);
    return watch_self(p);
}

static uint64_t lost_commits(struct inside *in)
{
    struct store_health health;
    health_read(in->pg.fleet, &health);
    return health.lost_commits;
}

static const char *fenced_why(struct inside *in)
{
    static struct error why;
    assert_true(fleet_is_fenced(in->pg.fleet, &why));
    return why.text;
}

/* --- ourselves -------------------------------------------------------------------------------- */

static void a_beat_that_counts_on_extends_the_lease(void **state)
{
    struct inside *in = *state;
    atomic_store(&in->pg.fleet->lease_until, lease_clock() + NS_PER_SEC * 600);
    assert_true(hear(in, 1, "1", false));
    assert_true(atomic_load(&in->pg.fleet->lease_until) == lease_end(in->pulse.sent, LEASE_NS));
    assert_true(hear(in, 2, "1", false));
    assert_int_equal(in->pulse.n, 2);
    assert_int_equal(lost_commits(in), 0);
    int64_t now = fleet_now(in->pg.fleet);
    assert_true(now >= NOW - 1 && now < NOW + INT64_C(600000000));
}

/* A row that counts backwards is of a server that knows less than it has answered. */
static void a_count_that_stands_still_fences(void **state)
{
    struct inside *in = *state;
    assert_true(hear(in, 5, "1", false));
    assert_false(hear(in, 5, "1", false));
    assert_string_equal(fenced_why(in), "the server has lost commits that were answered");
    assert_int_equal(lost_commits(in), 1);
    assert_int_equal(in->pulse.n, 5);
}

/* The row of ours is not there at all, so there is no time either that a clock could be set by:
 * however well the server before copied its commits. */
static void a_row_that_is_gone_fences(void **state)
{
    struct inside *in = *state;
    assert_true(hear(in, 5, "1", true));
    in->pulse.answer = (struct answer){.n = 0};
    assert_false(watch_self(&in->pulse));
    assert_true(fleet_is_fenced(in->pg.fleet, NULL));
    assert_int_equal(lost_commits(in), 1);
    assert_true(fleet_now(in->pg.fleet) >= NOW);
}

/* One that took over may lack the last of what the one before has answered, … */
static void another_server_puts_all_in_doubt(void **state)
{
    struct inside *in = *state;
    assert_true(hear(in, 5, "1", false));
    assert_false(hear(in, 6, "2", false));
    assert_string_equal(fenced_why(in), "another server has taken over, and commits may be lost");
    assert_int_equal(lost_commits(in), 1);
}

/* … unless that had its commits copied before it answered; but beats wait for no copy. */
static void a_server_that_has_all_goes_on(void **state)
{
    struct inside *in = *state;
    assert_true(hear(in, 5, "1", true));
    assert_true(hear(in, 5, "2", true));
    assert_int_equal(in->pulse.n, 5);
    assert_true(hear(in, 4, "3", false)); /* as the one before it had them copied */
    assert_false(hear(in, 9, "4", true)); /* that one had not */
    assert_int_equal(lost_commits(in), 1);
}

static void an_answer_that_comes_too_late_counts_nothing(void **state)
{
    struct inside *in = *state;
    assert_true(hear(in, 1, "1", false));
    atomic_store(&in->pg.fleet->lease_until, lease_clock() - 1);
    assert_false(hear(in, 2, "1", false));
    assert_int_equal(in->pulse.n, 1);
    assert_int_equal(lost_commits(in), 0);
}

/* --- the others ------------------------------------------------------------------------------- */

struct row {
    int64_t id, n;
    uint64_t lease_ns;
};

static void see(struct inside *in, const struct row *rows, size_t count)
{
    struct answer *a = &in->pulse.answer;
    a->members = calloc(count + 1, sizeof *a->members);
    assert_non_null(a->members);
    for (a->member_count = 0; a->member_count < count; a->member_count++) {
        char name[8];
        const struct row *row = &rows[a->member_count];
        snprintf(name, sizeof name, "m%lld", (long long)row->id);
        a->members[a->member_count] =
            (struct fleet_member){.id = row->id,
                                  .n = row->n,
                                  .lease_ns = row->lease_ns ? row->lease_ns : LEASE_NS,
                                  .name = fleet_name(in->pg.fleet, name),
                                  .machine = strdup("m"),
                                  .version = strdup("v"),
                                  .config = strdup("c")};
    }
    watch_others(&in->pulse);
    assert_null(a->members);
    assert_int_equal(a->member_count, 0);
    assert_int_equal(in->pg.fleet->member_count, count);
}

#define SEE(in, ...)                             \
    see((in), (const struct row[]){__VA_ARGS__}, \
        sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row))

/* As if the last look had been so long ago, and the member's row had stood still since then. */
static void let_pass(struct inside *in, int64_t id, uint64_t looked_ns, uint64_t still_ns)
{
    struct fleet *f = in->pg.fleet;
    in->pulse.looked_at = lease_clock() - looked_ns;
    for (size_t i = 0; i < f->member_count; i++)
        if (f->members[i].id == id)
            f->members[i].moved_at = lease_clock() - still_ns;
}

static void who_stands_still_for_a_lease_is_dead(void **state)
{
    struct inside *in = *state;
    SEE(in, {ME, 1, 0}, {OTHER, 10, 0}, {THIRD, 3, 0});
    assert_int_equal(in->pulse.dead, 0);
    let_pass(in, OTHER, LEASE_NS / 10, LEASE_NS - 60 * NS_PER_SEC);
    SEE(in, {ME, 2, 0}, {OTHER, 10, 0}, {THIRD, 4, 0});
    assert_int_equal(in->pulse.dead, 0); /* not yet */
    let_pass(in, OTHER, LEASE_NS / 10, LEASE_NS);
    SEE(in, {ME, 3, 0}, {OTHER, 10, 0}, {THIRD, 5, 0});
    assert_int_equal(in->pulse.dead, OTHER);
    assert_int_equal(in->pulse.dead_n, 10);
    assert_string_equal(in->pulse.dead_name, "m8");
}

static void who_beats_lives(void **state)
{
    struct inside *in = *state;
    SEE(in, {ME, 1, 0}, {OTHER, 10, 0});
    let_pass(in, OTHER, LEASE_NS / 10, 2 * LEASE_NS);
    SEE(in, {ME, 1, 0}, {OTHER, 11, 0});
    assert_int_equal(in->pulse.dead, 0);
    assert_true(lease_clock() - in->pg.fleet->members[1].moved_at < LEASE_NS / 2);
}

/* Whoever did not look cannot say that a row stood still: an outage is nobody's death. */
static void a_gap_in_looking_begins_anew(void **state)
{
    struct inside *in = *state;
    SEE(in, {ME, 1, 0}, {OTHER, 10, 0});
    let_pass(in, OTHER, LEASE_NS / 2 + NS_PER_SEC, 2 * LEASE_NS);
    SEE(in, {ME, 1, 0}, {OTHER, 10, 0});
    assert_int_equal(in->pulse.dead, 0);
    in->pulse.looked_at = 0; /* a new connection */
    in->pg.fleet->members[1].moved_at = lease_clock() - 2 * LEASE_NS;
    SEE(in, {ME, 1, 0}, {OTHER, 10, 0});
    assert_int_equal(in->pulse.dead, 0);
}

/* Its lease is its own, as its config says: by ours it would live on. */
static void a_lease_is_its_members_own(void **state)
{
    struct inside *in = *state;
    uint64_t brief = 600 * NS_PER_SEC;
    SEE(in, {ME, 1, 0}, {OTHER, 10, brief}, {THIRD, 10, 0});
    let_pass(in, OTHER, brief / 4, brief);
    let_pass(in, THIRD, brief / 4, brief);
    SEE(in, {ME, 1, 0}, {OTHER, 10, brief}, {THIRD, 10, 0});
    assert_int_equal(in->pulse.dead, OTHER);
}

/* One at a time, and never oneself. */
static void the_first_that_is_dead_is_declared_first(void **state)
{
    struct inside *in = *state;
    SEE(in, {ME, 1, 0}, {OTHER, 10, 0}, {THIRD, 20, 0});
    for (size_t i = 0; i < 3; i++)
        in->pg.fleet->members[i].moved_at = lease_clock() - LEASE_NS;
    SEE(in, {ME, 1, 0}, {OTHER, 10, 0}, {THIRD, 20, 0});
    assert_int_equal(in->pulse.dead, OTHER);
    SEE(in, {ME, 1, 0}, {OTHER, 10, 0}, {THIRD, 20, 0}); /* it is being declared */
    assert_int_equal(in->pulse.dead, OTHER);
}

/* --- what is measured ------------------------------------------------------------------------- */

static void losses_are_counted(void **state)
{
    struct inside *in = *state;
    struct store_health health;
    health_reconnected(&in->pg);
    health_settled(&in->pg, true);
    health_settled(&in->pg, true);
    health_settled(&in->pg, false);
    health_lost_commits(in->pg.fleet);
    health_read(in->pg.fleet, &health);
    assert_int_equal(health.reconnects, 1);
    assert_int_equal(health.unanswered_stood, 2);
    assert_int_equal(health.unanswered_lost, 1);
    assert_int_equal(health.lost_commits, 1);
}

static void a_change_waits_for_its_answer(void **state)
{
    struct inside *in = *state;
    struct store_health health;
    health_read(in->pg.fleet, &health);
    assert_int_equal(health.unanswered_ns, 0);
    health_change_sent(&in->pg, clock_now() - 5 * NS_PER_SEC);
    health_read(in->pg.fleet, &health);
    assert_true(health.unanswered_ns >= 5 * NS_PER_SEC);
    health_change_over(&in->pg);
    health_read(in->pg.fleet, &health);
    assert_int_equal(health.unanswered_ns, 0);
}

static void each_way_has_its_own_histogram(void **state)
{
    struct inside *in = *state;
    struct histogram before, after;
    struct store_health health;
    health_read(in->pg.fleet, &health);
    before = health.roundtrips[STORE_RECORDS];
    in->pg.w.sent_at = clock_now();
    health_answered(&in->pg, STORE_READS, &in->pg.w);
    health_read(in->pg.fleet, &health);
    assert_memory_equal(&health.roundtrips[STORE_RECORDS], &before, sizeof before);
    assert_memory_not_equal(&health.roundtrips[STORE_READS], &before, sizeof before);
    after = health.beats;
    health_add_beat(in->pg.fleet, NS_PER_MS);
    health_read(in->pg.fleet, &health);
    assert_memory_not_equal(&health.beats, &after, sizeof after);
}

static void what_the_server_says_replaces_what_it_said(void **state)
{
    struct inside *in = *state;
    struct store_health health;
    health_take(in->pg.fleet, true, 17);
    health_read(in->pg.fleet, &health);
    assert_true(health.standby_lags);
    assert_int_equal(health.oldest_ns, 17);
    health_take(in->pg.fleet, false, 0);
    health_read(in->pg.fleet, &health);
    assert_false(health.standby_lags);
    assert_int_equal(health.oldest_ns, 0);
}

/* The first is who is there the longest; nobody is while this member is fenced. */
static void members_are_counted(void **state)
{
    struct inside *in = *state;
    struct store_health health;
    health_read(in->pg.fleet, &health);
    assert_int_equal(health.members, 0);
    assert_false(health.first);
    SEE(in, {ME, 1, 0}, {OTHER, 10, 0}, {THIRD, 20, 0});
    in->pg.fleet->members[2].draining = true;
    health_read(in->pg.fleet, &health);
    assert_int_equal(health.members, 3);
    assert_int_equal(health.draining, 1);
    assert_true(health.first);
    SEE(in, {ME - 1, 1, 0}, {ME, 10, 0});
    health_read(in->pg.fleet, &health);
    assert_int_equal(health.members, 2);
    assert_int_equal(health.draining, 0);
    assert_false(health.first);
    SEE(in, {ME, 10, 0});
    fleet_end_lease(in->pg.fleet, &(struct error){"gone"});
    health_read(in->pg.fleet, &health);
    assert_false(health.first);
}

static void of_one_that_is_alone_nothing_is_measured(void **state)
{
    struct inside *in = *state;
    health_reconnected(&in->pg);
    health_settled(&in->pg, true);
    health_answered(&in->pg, STORE_CHANGES, &in->pg.w);
    health_change_sent(&in->pg, 1);
    health_change_over(&in->pg);
    assert_null(in->pg.fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLEET(a_beat_that_counts_on_extends_the_lease),
        FLEET(a_count_that_stands_still_fences),
        FLEET(a_row_that_is_gone_fences),
        FLEET(another_server_puts_all_in_doubt),
        FLEET(a_server_that_has_all_goes_on),
        FLEET(an_answer_that_comes_too_late_counts_nothing),
        FLEET(who_stands_still_for_a_lease_is_dead),
        FLEET(who_beats_lives),
        FLEET(a_gap_in_looking_begins_anew),
        FLEET(a_lease_is_its_members_own),
        FLEET(the_first_that_is_dead_is_declared_first),
        FLEET(losses_are_counted),
        FLEET(a_change_waits_for_its_answer),
        FLEET(each_way_has_its_own_histogram),
        FLEET(what_the_server_says_replaces_what_it_said),
        FLEET(members_are_counted),
        ALONE(of_one_that_is_alone_nothing_is_measured),
    };
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("watching the fleet", tests, NULL, NULL);
}
