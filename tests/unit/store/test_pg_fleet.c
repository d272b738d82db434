/* What the threads share of a fleet: the lease, who owns what, and the events that tell the loop of
 * it. */
#include "pg_inside.h"
#include "store/postgresql/pg_queue.h"

#define OTHER 8

static void set_members(struct inside *in, size_t count)
{
    struct fleet *f = in->pg.fleet;
    f->members = calloc(count, sizeof *f->members);
    assert_non_null(f->members);
    for (; f->member_count < count; f->member_count++) {
        struct fleet_member *m = &f->members[f->member_count];
        char name[8];
        snprintf(name, sizeof name, "m%zu", f->member_count);
        *m = (struct fleet_member){.id = ME + (int64_t)f->member_count,
                                   .name = fleet_name(f, name),
                                   .machine = strdup("machine"),
                                   .version = strdup("1.0"),
                                   .config = strdup("digest"),
                                   .workers = 4,
                                   .running = 2,
                                   .started = 100,
                                   .moved_at = lease_clock()};
    }
}

/* --- the lease -------------------------------------------------------------------------------- */

/* A member stops believing itself alive well before others stop to, and beats some times before. */
static void a_lease_ends_early_for_its_own(void **state)
{
    (void)state;
    assert_int_equal(lease_end(1000, 100), 1070);
    assert_int_equal(lease_end(0, 60 * NS_PER_SEC), 42 * NS_PER_SEC);
    assert_int_equal(lease_beat(60 * NS_PER_SEC), NS_PER_SEC);
    assert_int_equal(lease_beat(5 * NS_PER_SEC), NS_PER_SEC);
    assert_int_equal(lease_beat(NS_PER_SEC), NS_PER_SEC / 5);
}

static void a_beat_extends_it_from_its_sending(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    uint64_t sent = lease_clock() + NS_PER_SEC;
    assert_true(fleet_extend_lease(f, ME, sent));
    assert_true(atomic_load(&f->lease_until) == lease_end(sent, LEASE_NS));
    assert_true(fleet_watch_lease(f));
    int64_t left = fleet_lease_left(f);
    assert_true(left > 0 && left <= (int64_t)(LEASE_NS / 10 * 7 / 1000) + 1000000);
}

/* An answer to another member's beat, or one that came too late, makes nobody live. */
static void a_late_answer_extends_nothing(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    uint64_t before = atomic_load(&f->lease_until);
    assert_false(fleet_extend_lease(f, OTHER, lease_clock()));
    assert_true(atomic_load(&f->lease_until) == before);
    atomic_store(&f->lease_until, lease_clock() - 1);
    assert_false(fleet_extend_lease(f, ME, lease_clock()));
    assert_false(fleet_watch_lease(f));
    assert_false(fleet_extend_lease(f, ME, lease_clock()));
    assert_int_equal(fleet_lease_left(f), 0);
}

/* The loop is told once, with the reason; the store's thread and the pulse are woken. */
static void an_end_is_told_once(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    struct error why, first = {"the first"}, second = {"the second"};
    shards_set(&f->mine, 3);
    shards_set(&f->released, 4);
    (void)was_woken(f->wake_fd);
    assert_false(fleet_is_fenced(f, &why));
    fleet_end_lease(f, &first);
    fleet_end_lease(f, &second);
    assert_true(fleet_is_fenced(f, &why));
    assert_string_equal(why.text, "the first");
    assert_true(was_woken(in->pg.wake_fd));
    assert_true(was_woken(f->wake_fd));
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->kind, EVENT_FENCED);
    assert_string_equal(in->events[0]->why, "the first");
    assert_ptr_equal(in->events[0]->store, &in->pg.store);
    assert_false(shards_any(&f->mine));
    assert_false(shards_any(&f->released));
    assert_false(fleet_watch_lease(f));
    assert_int_equal(inside_deliver(in), 1);
}

/* Whoever looks first ends one that is over: the reason names how long no beat was answered. */
static void silence_ends_it(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    atomic_store(&f->lease_until, lease_clock() - 1);
    assert_int_equal(fleet_lease_left(f), 0);
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->kind, EVENT_FENCED);
    assert_string_equal(in->events[0]->why, "no beat was answered for 2520.0 s");
}

static void joining_anew_begins_another_one(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    assert_int_equal(f->epoch, 0);
    fleet_joined(f, ME, lease_clock(), NOW); /* it was not fenced */
    assert_int_equal(f->epoch, 0);
    fleet_end_lease(f, &(struct error){"gone"});
    uint64_t asked = lease_clock();
    fleet_joined(f, 20, asked, NOW);
    assert_int_equal(f->epoch, 1);
    assert_false(fleet_is_fenced(f, NULL));
    assert_true(atomic_load(&f->lease_until) == lease_end(asked, LEASE_NS));
    assert_false(fleet_extend_lease(f, ME, lease_clock())); /* of the one before */
    assert_true(fleet_extend_lease(f, 20, lease_clock()));
    assert_true(f->joined_at == asked);
}

/* --- the server's clock ----------------------------------------------------------------------- */

static void time_is_the_servers(void **state)
{
    struct inside *in = *state;
    uint64_t before = lease_clock();
    fleet_set_clock(in->pg.fleet, before, NOW);
    int64_t now = fleet_time(&in->pg);
    assert_true(now >= NOW - 1);
    assert_true(now <= NOW + 1 + (int64_t)((lease_clock() - before) / 1000));
    fleet_set_clock(in->pg.fleet, lease_clock(), 5); /* one that was set back */
    assert_true(fleet_now(in->pg.fleet) < NOW);
}

static void time_is_ones_own_alone(void **state)
{
    struct inside *in = *state;
    int64_t before = clock_real_us();
    int64_t now = fleet_time(&in->pg);
    assert_true(now >= before && now <= clock_real_us());
}

/* --- events ----------------------------------------------------------------------------------- */

static struct store_shards shard_of(const char *host)
{
    struct store_shards s = {.bits = {0}};
    shards_set(&s, store_shard(host));
    return s;
}

static void post_shards(struct inside *in, enum store_event_kind kind, const char *host)
{
    struct store_event *event = fleet_event(in->pg.fleet, kind);
    assert_non_null(event);
    event->shards = shard_of(host);
    fleet_post(in->pg.fleet, event);
}

/* What the loop owns changes as the events are delivered, and not before. */
static void owning_begins_and_ends_with_the_news(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    const char *name = NULL;
    set_members(in, 2);
    f->owners[store_shard("a.test")] = ME;
    f->owners[store_shard("b.test")] = OTHER;
    assert_int_equal(fleet_owner(f, "a.test", &name), OWNER_NOBODY);
    post_shards(in, EVENT_GAINED, "a.test");
    assert_int_equal(fleet_owner(f, "a.test", &name), OWNER_NOBODY);
    inside_deliver(in);
    assert_int_equal(fleet_owner(f, "a.test", &name), OWNER_MINE);
    assert_null(name);
    assert_int_equal(fleet_owner(f, "b.test", &name), OWNER_ANOTHER);
    assert_string_equal(name, "m1");
    assert_int_equal(fleet_owner(f, "b.test", NULL), OWNER_ANOTHER);
    assert_int_equal(fleet_owner(f, "c.test", NULL), OWNER_NOBODY);
    post_shards(in, EVENT_LOST, "a.test");
    inside_deliver(in);
    assert_int_equal(fleet_owner(f, "a.test", NULL), OWNER_NOBODY);
}

static void a_fence_takes_all(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    post_shards(in, EVENT_GAINED, "a.test");
    post_shards(in, EVENT_LOST, "b.test");
    inside_deliver(in);
    assert_true(shards_any(&f->loop_leaving));
    fleet_end_lease(f, &(struct error){"gone"});
    inside_deliver(in);
    assert_int_equal(fleet_owner(f, "a.test", NULL), OWNER_NOBODY);
    assert_false(shards_any(&f->loop_leaving));
    assert_int_equal(f->loop_epoch, 1);
}

/* The loop lets go what it was asked for, and nothing else. */
static void what_was_asked_for_is_released(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    struct store_shards both = shards_or(shard_of("a.test"), shard_of("b.test"));
    post_shards(in, EVENT_GAINED, "b.test");
    post_shards(in, EVENT_LOST, "a.test");
    inside_deliver(in);
    (void)was_woken(f->wake_fd);
    fleet_release(f, &both);
    assert_true(store_shards_has(&f->released, store_shard("a.test")));
    assert_false(store_shards_has(&f->released, store_shard("b.test")));
    assert_true(was_woken(f->wake_fd));
    f->released = (struct store_shards){.bits = {0}};
    fleet_release(f, &both); /* again: it was let go */
    assert_false(shards_any(&f->released));
}

/* What the loop says of shards that it had before it was fenced is of no use to the next member. */
static void a_release_of_old_is_none(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    struct store_shards a = shard_of("a.test");
    fleet_end_lease(f, &(struct error){"gone"});
    f->loop_leaving = a;
    fleet_release(f, &a); /* fenced */
    assert_false(shards_any(&f->released));
    fleet_joined(f, 20, lease_clock(), NOW);
    f->loop_leaving = a;
    fleet_release(f, &a); /* joined, and the loop has not heard of the fence yet */
    assert_false(shards_any(&f->released));
    inside_deliver(in);
    f->loop_leaving = a;
    fleet_release(f, &a);
    assert_true(shards_any(&f->released));
}

/* An event that comes when the store is freed already is freed, and told to nobody. */
static void an_event_outlives_the_store(void **state)
{
    struct inside *in = *state;
    struct store_event *event = fleet_event(in->pg.fleet, EVENT_HOST);
    event->host = strdup("a.test");
    fleet_post(in->pg.fleet, event);
    fleet_post(in->pg.fleet, NULL);
    fleet_deinit(&in->pg);
    fleet_deinit(&in->pg); /* there is none any more */
    assert_int_equal(inside_deliver(in), 0);
}

/* --- what the loop says ----------------------------------------------------------------------- */

static void names_are_kept_for_good(void **state)
{
    struct fleet *f = ((struct inside *)*state)->pg.fleet;
    const char *a = fleet_name(f, "a"), *b = fleet_name(f, "b");
    assert_string_equal(a, "a");
    assert_ptr_not_equal(a, b);
    for (int i = 0; i < 100; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%d", i);
        fleet_name(f, name);
    }
    assert_ptr_equal(fleet_name(f, "a"), a);
    assert_ptr_equal(fleet_name(f, "b"), b);
    assert_int_equal(f->name_count, 102);
}

/* The pulse need not hurry for what changes nothing. */
static void what_can_be_run_is_noted_when_it_changes(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    static const char *const needs[] = {"a\"b", "c"};
    assert_false(fleet_args_able(f, &in->pg.args));
    fleet_set_able(f, NULL, 0);
    assert_false(f->able_changed);
    fleet_set_able(f, needs, 2);
    assert_true(f->able_changed);
    f->able_changed = false;
    fleet_set_able(f, needs, 2);
    assert_false(f->able_changed);
    args_reset(&in->pg.args);
    args_int(&in->pg.args, 1);
    assert_true(fleet_args_able(f, &in->pg.args));
    assert_string_equal(args_values(&in->pg.args)[1], "{\"a\\\"b\",\"c\"}");
    fleet_set_able(f, needs, 1);
    assert_true(f->able_changed);
}

/* Only the first one that waits is worth waking the pulse for: it asks for all in turn. */
static void the_first_to_await_wakes(void **state)
{
    struct fleet *f = ((struct inside *)*state)->pg.fleet;
    (void)was_woken(f->wake_fd);
    fleet_await(f, 5, true);
    assert_true(was_woken(f->wake_fd));
    fleet_await(f, 6, true);
    assert_false(was_woken(f->wake_fd));
    fleet_await(f, 5, false);
    fleet_await(f, 6, false);
    assert_int_equal(f->awaited.count, 0);
}

static void members_are_copied_as_they_are(void **state)
{
    struct inside *in = *state;
    struct fleet *f = in->pg.fleet;
    struct store_members list;
    set_members(in, 2);
    f->members[1].draining = true;
    f->owners[0] = f->owners[9] = ME;
    f->owners[1] = OTHER;
    assert_int_equal(fleet_list_members(f, &list), 0);
    assert_int_equal(list.count, 2);
    assert_true(list.members[0].self);
    assert_false(list.members[1].self);
    assert_int_equal(list.members[0].shards, 2);
    assert_int_equal(list.members[1].shards, 1);
    assert_false(list.members[0].draining);
    assert_true(list.members[1].draining);
    assert_string_equal(list.members[1].name, "m1");
    assert_string_equal(list.members[1].machine, "machine");
    assert_string_equal(list.members[1].version, "1.0");
    assert_string_equal(list.members[1].config, "digest");
    assert_int_equal(list.members[1].workers, 4);
    assert_int_equal(list.members[1].running, 2);
    assert_int_equal(list.members[1].started, 100);
    assert_true(list.members[0].beat_age_ns < LEASE_NS);
    store_members_free(&list);
}

/* --- the queue -------------------------------------------------------------------------------- */

/* A call knows as whom it was asked; the first one wakes the thread, as it takes all. */
static void a_call_is_queued_by_who_asks(void **state)
{
    struct inside *in = *state;
    struct store_get first = {.id = 1}, second = {.id = 2};
    queue_call(&in->pg, &first.call, OP_GET);
    assert_true(was_woken(in->pg.wake_fd));
    in->pg.fleet->loop_epoch = 3;
    queue_call(&in->pg, &second.call, OP_LIST);
    assert_false(was_woken(in->pg.wake_fd));
    assert_int_equal(first.call.op, OP_GET);
    assert_int_equal(first.call.epoch, 0);
    assert_int_equal(second.call.op, OP_LIST);
    assert_int_equal(second.call.epoch, 3);
    assert_ptr_equal(list_pop(&in->pg.queue), &first.call.link);
    assert_ptr_equal(list_pop(&in->pg.queue), &second.call.link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_ends_early_for_its_own),
        FLEET(a_beat_extends_it_from_its_sending),
        FLEET(a_late_answer_extends_nothing),
        FLEET(an_end_is_told_once),
        FLEET(silence_ends_it),
        FLEET(joining_anew_begins_another_one),
        FLEET(time_is_the_servers),
        ALONE(time_is_ones_own_alone),
        FLEET(owning_begins_and_ends_with_the_news),
        FLEET(a_fence_takes_all),
        FLEET(what_was_asked_for_is_released),
        FLEET(a_release_of_old_is_none),
        FLEET(an_event_outlives_the_store),
        FLEET(names_are_kept_for_good),
        FLEET(what_can_be_run_is_noted_when_it_changes),
        FLEET(the_first_to_await_wakes),
        FLEET(members_are_copied_as_they_are),
        FLEET(a_call_is_queued_by_who_asks),
    };
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("a fleet, shared", tests, NULL, NULL);
}
