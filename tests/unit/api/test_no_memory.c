/* The operations without memory: allocation 1, 2, 3 … of a call fails, in a run each. There is one
 * answer, either what it always is or an error that says why not; or it lacks a part, and is known
 * to (json_lost, by which the session makes an error of it). Nothing is left, and whoever asks next
 * is answered as ever. Nothing runs here, so that all allocations are the calls' own. */
#include "support/exhaust.h"

#include "api_world.h"
#include "base/json_read.h"

#define DENSE 300

struct tried {
    struct asked asked;
    bool whole; /* nothing of the answer was lost on the way */
    unsigned lost;
};

/* The test's own allocations are spared. */
static void on_answer(struct api_call *call, json_t *result, int code, const struct error *error,
                      const char *field)
{
    struct tried *t = container_of(container_of(call, struct asked, call), struct tried, asked);
    t->whole = json_lost() == t->lost;
    exhaust_spares = true;
    asked_on_answer(call, result, code, error, field);
    exhaust_spares = false;
}

/* True if the call made fewer allocations than `n`. */
static bool try_once(struct api_world *a, enum api_method method, const json_t *params, long n,
                     struct tried *t)
{
    *t = (struct tried){.lost = json_lost()};
    t->asked.call = (struct api_call){
        .method = method, .params = params, .peer = a->peer, .fd = -1, .answer = on_answer};
    atomic_store(&exhaust_at, n);
    api_call(a->api, &t->asked.call);
    WORLD_WAIT(a->w, t->asked.answered);
    return atomic_exchange(&exhaust_at, 0) > 0;
}

/* `same`: the answer does not change with time. */
static void sweep(enum api_method method, const char *text, bool same)
{
    struct api_world *a = api_world_new("", true);
    json_t *params = json_of("%s", text);
    struct tried t;
    long n = 0, refused = 0;
    json_decref(ask_well(a, API_PAUSE, json_object()));
    json_decref(ask_well(a, API_LOOPS, json_object())); /* their threads have begun */
    for (int i = 1; i <= 20; i++)
        json_decref(ask_well(a, API_SUBMIT,
                             json_of("{'url':'http://h%d.test/','labels':{'n':'%d'}}", i, i)));
    json_decref(ask_well(a, API_SCHEDULE_ADD,
                         json_of("{'name':'s','url':'http://h.test/','every':'365d'}")));
    for (int i = 0; i < 2; i++) /* what libraries keep for good is made now */
        json_decref(ask_well(a, method, json_deep_copy(params)));
    json_t *wanted = ask_well(a, method, json_deep_copy(params));
    for (bool all = false; !all;) {
        long before = atomic_load(&exhaust_live);
        n = exhaust_next(n, DENSE);
        all = try_once(a, method, params, n, &t);
        if (t.asked.code == 0 && t.whole && same && !json_equal(t.asked.result, wanted))
            fail_msg("%d, allocation %ld: another answer", method, n);
        if (t.asked.code != 0 && t.asked.code != API_INTERNAL && t.asked.code != API_UNAVAILABLE)
            fail_msg("%d, allocation %ld: %d %s", method, n, t.asked.code, t.asked.message);
        assert_true(t.asked.code == 0 || t.asked.message[0]);
        assert_true(!all || (t.asked.code == 0 && t.whole));
        refused += t.asked.code != 0 || !t.whole;
        json_decref(t.asked.result);
        /* Is it kept, as what is set aside for the next time, or lost each time? */
        for (int again = 0; again < 5 && atomic_load(&exhaust_live) > before; again++) {
            before = atomic_load(&exhaust_live);
            try_once(a, method, params, n, &t);
            json_decref(t.asked.result);
        }
        if (atomic_load(&exhaust_live) > before)
            fail_msg("%d, allocation %ld: %ld blocks were left", method, n,
                     atomic_load(&exhaust_live) - before);
        assert_true(n < 20000);
    }
    assert_true(refused > 0);
    json_t *again = ask_well(a, method, json_deep_copy(params));
    assert_true(!same || json_equal(again, wanted));
    json_decref(again);
    json_decref(wanted);
    json_decref(params);
    api_world_free(a);
}

static void test_what_is_asked(void **state)
{
    static const struct {
        enum api_method method;
        const char *params;
        bool same;
    } cases[] = {
        {API_SHOW, "{'id':7}", true},
        {API_LIST, "{'state':'queued','limit':9}", true},
        {API_STATS, "{}", false},
        {API_TOP, "{}", false},
        {API_PARSERS, "{}", true},
        {API_LOOPS, "{}", true},
        {API_METRICS, "{}", false},
        {API_SCHEDULE_LIST, "{}", true},
        {API_CHECK_URL, "{'job':{'url':'http://h.test/'},'addresses':['1.1.1.1']}", true},
    };
    if (!exhaust_possible)
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        sweep(cases[i].method, cases[i].params, cases[i].same);
}

static void test_what_changes_nothing(void **state)
{
    static const struct {
        enum api_method method;
        const char *params;
    } cases[] = {
        {API_CANCEL, "{'ids':[98,99]}"},
        {API_RETRY, "{'ids':[1,98]}"},
        {API_RETRY, "{'state':'done'}"},
        {API_PAUSE, "{'all':true}"},
        {API_SCHEDULE_APPLY,
         "{'schedules':[{'name':'s','url':'http://h.test/','every':'365d'}],'prune':true}"},
        {API_SCHEDULE_APPLY,
         "{'schedules':[{'name':'t','url':'http://h.test/','every':'1d'}],'dry_run':true}"},
    };
    if (!exhaust_possible)
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        sweep(cases[i].method, cases[i].params, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_asked),
        cmocka_unit_test(test_what_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
