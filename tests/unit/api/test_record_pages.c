/* records: whose can be read, and a long result page by page. */
#include "api_world.h"

#define KEEP \
    "[defaults]\nkeep_records = yes\n[results]\nmax_size = 100K\n[fetch]\nretry_delay = 1ms\n"

/* A job of lines that has ended like this. */
static uint64_t lines_job(struct api_world *a, const char *path, enum job_state state)
{
    json_t *job = job_json(a, path);
    json_object_set_new(job, "parser", json_string("lines"));
    json_object_set_new(job, "max_attempts", json_integer(2));
    json_t *result = ask_well(a, API_SUBMIT, job);
    uint64_t id = (uint64_t)int_in(result, "id");
    json_decref(result);
    world_wait_end(a->w, id, state);
    return id;
}

static json_t *records_json(uint64_t id, const char *more)
{
    return json_of("{'id':%llu%s}", (unsigned long long)id, more);
}

/* Which records of how many stand in the text, one behind the other; from seq `first` on. */
static size_t count_records(const char *text, uint64_t job, size_t first)
{
    size_t count = 0;
    while (*text) {
        const char *end = strchr(text, '\n');
        assert_non_null(end); /* whole lines */
        json_t *line = json_loadb(text, (size_t)(end - text), 0, NULL);
        assert_string_equal(text_in(line, "event"), "record");
        assert_int_equal(int_in(line, "job"), job);
        assert_int_equal(int_in(line, "seq"), first + count++);
        json_decref(line);
        text = end + 1;
    }
    return count;
}

static void test_one_page(void **state)
{
    struct api_world *a = api_world_new(KEEP, false);
    uint64_t id = lines_job(a, "/lines?n=3", JOB_DONE);
    static const char *const same[] = {"", ",'page':0", ",'attempt':1", ",'attempt':1,'page':0"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        json_t *page = ask_well(a, API_RECORDS, records_json(id, same[i]));
        assert_int_equal(int_in(page, "id"), id);
        assert_int_equal(int_in(page, "attempt"), 1);
        assert_int_equal(int_in(page, "records"), 3);
        assert_true(json_is_null(json_object_get(page, "next")));
        assert_int_equal(count_records(text_in(page, "lines"), id, 1), 3);
        json_decref(page);
    }
    api_world_free(a);
}

/* `next` of one page is `page` of the next request; none is read twice or left out. */
static void test_many_pages(void **state)
{
    enum { LINES = 700 };
    struct api_world *a = api_world_new(KEEP, false);
    uint64_t id = lines_job(a, "/lines?n=700", JOB_DONE);
    size_t seen = 0;
    json_int_t next = 0, pages = 0;
    do {
        json_t *page =
            ask_well(a, API_RECORDS,
                     json_of("{'id':%llu,'page':%lld}", (unsigned long long)id, (long long)next));
        assert_int_equal(int_in(page, "records"), LINES);
        const char *lines = text_in(page, "lines");
        assert_in_range(strlen(lines), 1, 64 << 10);
        seen += count_records(lines, id, seen + 1);
        next = json_integer_value(json_object_get(page, "next"));
        pages++;
        assert_true(next == 0 || next == pages);
        json_decref(page);
    } while (next);
    assert_int_equal(seen, LINES);
    assert_true(pages > 1);
    ask_ill(a, API_RECORDS,
            json_of("{'id':%llu,'page':%lld}", (unsigned long long)id, (long long)pages),
            API_NOT_FOUND, "id"); /* as if it had been removed since */
    api_world_free(a);
}

static void test_no_records(void **state)
{
    struct api_world *a = api_world_new(KEEP, false);
    uint64_t id = lines_job(a, "/bytes?n=0", JOB_DONE);
    json_t *page = ask_well(a, API_RECORDS, id_json(id));
    assert_string_equal(text_in(page, "lines"), "");
    assert_int_equal(int_in(page, "records"), 0);
    assert_true(json_is_null(json_object_get(page, "next")));
    json_decref(page);
    api_world_free(a);
}

/* An attempt that came to nothing has none; that of the good one is the job's. */
static void test_of_attempts(void **state)
{
    struct api_world *a = api_world_new(KEEP, false);
    uint64_t id = lines_job(a, "/lines?n=2&flaky=1", JOB_DONE);
    json_t *page = ask_well(a, API_RECORDS, records_json(id, ",'attempt':2"));
    assert_int_equal(int_in(page, "attempt"), 2);
    json_decref(page);
    const struct ill_call cases[] = {
        {API_RECORDS, "{'id':1,'attempt':1}", API_NOT_FOUND, "attempt",
         "attempt 1 of job 1 came to nothing: the records of attempt 2"},
        {API_RECORDS, "{'id':1,'attempt':3}", API_NOT_FOUND, "attempt", "was never made"},
    };
    assert_int_equal(id, 1);
    ASK_ALL_ILL(a, cases);
    api_world_free(a);
}

/* Each reason why there is nothing to read is another. */
static void test_reasons(void **state)
{
    static const struct ill_call cases[] = {
        {API_RECORDS, "{'id':1}", API_NOT_FOUND, "id", "job 1 has failed"},
        {API_RECORDS, "{'id':2}", API_NOT_FOUND, "id", "submitted without keep_records"},
        {API_RECORDS, "{'id':3}", API_NOT_FOUND, "id", "could not be kept"},
        {API_RECORDS, "{'id':4}", API_CONFLICT, "id", "job 4 has not ended"},
        {API_RECORDS, "{'id':5}", API_NOT_FOUND, "id", "job 5 was cancelled"},
        {API_RECORDS, "{'id':6}", API_NOT_FOUND, "id", "there is no job 6"},
    };
    struct api_world *a = api_world_new(KEEP, false);
    lines_job(a, "/lines?n=3&status=404", JOB_FAILED);
    json_t *job = job_json(a, "/lines?n=3");
    json_object_set_new(job, "keep_records", json_string("no"));
    json_decref(ask_well(a, API_SUBMIT, job));
    world_wait_end(a->w, 2, JOB_DONE);
    lines_job(a, "/lines?n=3000", JOB_DONE); /* over max_size */
    ask_submit(a, "/lines?n=3&hold=it");
    ask_submit(a, "/lines?n=3&hold=it");
    json_decref(ask_well(a, API_CANCEL, id_json(5)));
    world_wait_end(a->w, 5, JOB_CANCELLED);
    ASK_ALL_ILL(a, cases);
    api_world_free(a);
}

static void test_refused(void **state)
{
    static const struct ill_call cases[] = {
        {API_RECORDS, "{}", API_INVALID_PARAMS, "id", "one positive integer"},
        {API_RECORDS, "{'id':0}", API_INVALID_PARAMS, "id", "one positive integer"},
        {API_RECORDS, "{'id':'1'}", API_INVALID_PARAMS, "id", "one positive integer"},
        {API_RECORDS, "{'id':1,'more':1}", API_INVALID_PARAMS, "id", "attempt and page at most"},
        {API_RECORDS, "{'id':1,'attempt':0}", API_INVALID_PARAMS, "attempt", "positive integer"},
        {API_RECORDS, "{'id':1,'attempt':'1'}", API_INVALID_PARAMS, "attempt", "positive"},
        {API_RECORDS, "{'id':1,'page':-1}", API_INVALID_PARAMS, "page", "`next`"},
        {API_RECORDS, "{'id':1,'page':4294967296}", API_INVALID_PARAMS, "page", "`next`"},
        {API_RECORDS, "{'id':1,'page':null}", API_INVALID_PARAMS, "page", "`next`"},
        {API_RECORDS, "{'id':1,'page':4294967295}", API_NOT_FOUND, "id", "removed since"},
    };
    struct api_world *a = api_world_new(KEEP, false);
    lines_job(a, "/lines?n=3", JOB_DONE);
    ASK_ALL_ILL(a, cases);
    a->w->gate.refuse[GATE_GET] = -EIO;
    ask_ill(a, API_RECORDS, id_json(1), API_UNAVAILABLE, "");
    api_world_free(a);
}

/* Records are their owner's and the administrators'. */
static void test_of_others(void **state)
{
    struct api_world *a = api_world_new(KEEP "[control]\nadmin_users = 4242\n", false);
    api_world_peer(a, 4243);
    uint64_t id = lines_job(a, "/lines?n=3", JOB_DONE);
    static const struct {
        uint32_t uid;
        bool may;
    } cases[] = {{4243, true}, {4244, false}, {4242, true}, {0, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        api_world_peer(a, cases[i].uid);
        if (cases[i].may)
            json_decref(ask_well(a, API_RECORDS, id_json(id)));
        else
            ask_ill(a, API_RECORDS, id_json(id), API_FORBIDDEN, "id");
    }
    api_world_free(a);
}

/* Its client has gone while the store is asked. */
static void test_abandoned(void **state)
{
    struct api_world *a = api_world_new(KEEP, false);
    uint64_t id = lines_job(a, "/lines?n=3", JOB_DONE);
    a->w->gate.hold[GATE_GET] = true;
    struct asked *asked = ask_with(a, API_RECORDS, id_json(id), NULL);
    api_call_abandon(&asked->call);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, asked->answered);
    assert_int_equal(asked->code, 0);
    asked_free(asked);
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_page),   cmocka_unit_test(test_many_pages),
        cmocka_unit_test(test_no_records), cmocka_unit_test(test_of_attempts),
        cmocka_unit_test(test_reasons),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_of_others),  cmocka_unit_test(test_abandoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
