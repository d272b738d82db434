/* Results: whole or not there, whatever interrupts; bounded; the oldest go. The database is driven
 * by its steps here, without its thread. */
#include "base/clock.h"
#include "record/sink.h"
#include "record/spool.h"
#include "store/results_db.h"
#include "support/testlib.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define YEAR_US (INT64_C(366) * 86400 * 1000000)

struct world {
    const char *dir, *path;
    struct results_db *db;
};

static struct world setup(void)
{
    static unsigned number;
    struct world w = {.dir = test_dir(), .path = test_path("results%u.db", number++)};
    struct error err;
    assert_false(results_db_exists(w.path));
    assert_int_equal(results_db_open(w.path, &w.db, &err), 0);
    return w;
}

static void reopen(struct world *w)
{
    struct error err;
    results_db_close(w->db);
    assert_int_equal(results_db_open(w->path, &w->db, &err), 0);
}

static void teardown(struct world *w)
{
    results_db_close(w->db);
}

/* `count` records, each with `size` bytes of data. */
static struct spool spool_of(const struct world *w, uint64_t count, size_t size)
{
    struct spool spool = {0};
    struct sink_source source = {.job = 1, .attempt = 1, .extra = ""};
    struct error err;
    char *data = malloc(size + 3);
    assert_non_null(data);
    data[0] = data[size + 1] = '"';
    data[size + 2] = '\0';
    memset(data + 1, 'x', size);
    assert_int_equal(spool_open(&spool, w->dir, UINT64_MAX, &err), 0);
    for (uint64_t seq = 1; seq <= count; seq++)
        assert_int_equal(spool_record(&spool, &source, seq, data, size + 2), 0);
    assert_int_equal(spool_flush(&spool), 0);
    free(data);
    return spool;
}

/* Until it is over; or `steps` steps of it (0: all). True: it is over. */
static bool put(struct world *w, struct results_put *p, unsigned steps)
{
    struct list puts, over;
    list_init(&puts);
    list_init(&over);
    list_init(&p->link);
    list_add_tail(&puts, &p->link);
    for (unsigned i = 0; !list_empty(&puts) && (steps == 0 || i < steps); i++)
        results_db_put(w->db, &puts, &over);
    return !list_empty(&over);
}

static int keep(struct world *w, uint64_t job, uint32_t attempt, const struct spool *spool)
{
    struct results_put p = {.job = job, .attempt = attempt, .spool = spool, .result = 1};
    assert_true(put(w, &p, 0));
    return p.result;
}

/* All pages of it, or -1. */
static int64_t lines_of(struct world *w, uint64_t job, uint32_t attempt)
{
    int64_t lines = 0;
    struct results_get get = {.job = job, .attempt = attempt};
    do {
        results_db_get(w->db, &get);
        if (get.result == -ENOENT)
            return -1;
        assert_int_equal(get.result, 0);
        for (size_t i = 0; i < get.len; i++)
            lines += get.text[i] == '\n';
        assert_true(get.len == 0 || get.text[get.len - 1] == '\n');
        free(get.text);
        get.text = NULL;
        get.len = 0;
    } while (++get.page < get.page_count);
    assert_int_equal(lines, get.lines);
    return lines;
}

static void forget(struct world *w, int64_t keep_us, uint64_t max_bytes)
{
    for (int i = 0; results_db_forget(w->db, clock_real_us(), keep_us, max_bytes); i++)
        assert_true(i < 100000);
}

static void test_whole(void **state)
{
    (void)state;
    struct world w = setup();
    struct spool few = spool_of(&w, 3, 10), many = spool_of(&w, 2000, 100),
                 long_ones = spool_of(&w, 3, 5 * RESULTS_PIECE);
    assert_int_equal(keep(&w, 1, 1, &few), 0);
    assert_int_equal(keep(&w, 2, 7, &many), 0);
    assert_int_equal(keep(&w, 3, 1, &long_ones), 0);
    assert_int_equal(keep(&w, 4, 1, NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lines_of(&w, 1, 1), 3);
        assert_int_equal(lines_of(&w, 2, 7), 2000);
        assert_int_equal(lines_of(&w, 2, 6), -1);
        assert_int_equal(lines_of(&w, 3, 1), 3);
        assert_int_equal(lines_of(&w, 4, 1), 0);
        assert_int_equal(lines_of(&w, 5, 1), -1);
        reopen(&w);
    }
    /* Another attempt takes its place. */
    assert_int_equal(keep(&w, 2, 8, &few), 0);
    assert_int_equal(lines_of(&w, 2, 7), -1);
    assert_int_equal(lines_of(&w, 2, 8), 3);
    spool_close(&few);
    spool_close(&many);
    spool_close(&long_ones);
    teardown(&w);
}

static void test_torn(void **state)
{
    (void)state;
    struct world w = setup();
    struct spool large = spool_of(&w, 12, 1 << 20);
    struct results_put p = {.job = 1, .attempt = 1, .spool = &large};
    assert_false(put(&w, &p, 1)); /* it is larger than a step */
    assert_int_equal(lines_of(&w, 1, 1), -1);
    reopen(&w);
    assert_int_equal(lines_of(&w, 1, 1), -1);
    forget(&w, YEAR_US, UINT64_MAX); /* its pieces go, and no id of theirs is given again */
    assert_int_equal(keep(&w, 1, 2, &large), 0);
    assert_int_equal(lines_of(&w, 1, 2), 12);
    spool_close(&large);
    teardown(&w);
}

static void test_forgetting(void **state)
{
    (void)state;
    struct world w = setup();
    struct spool spool = spool_of(&w, 1000, 100);
    for (uint64_t job = 1; job <= 6; job++)
        assert_int_equal(keep(&w, job, 1, &spool), 0);
    forget(&w, YEAR_US, 3 * (spool.size + 256));
    for (uint64_t job = 1; job <= 6; job++)
        assert_int_equal(lines_of(&w, job, 1), job <= 3 ? -1 : 1000);
    reopen(&w); /* what they count is known again */
    forget(&w, YEAR_US, 2 * (spool.size + 256));
    assert_int_equal(lines_of(&w, 4, 1), -1);
    assert_int_equal(lines_of(&w, 5, 1), 1000);
    forget(&w, -1, UINT64_MAX); /* older than that is everything */
    assert_int_equal(lines_of(&w, 6, 1), -1);
    spool_close(&spool);
    teardown(&w);
}

/* One that cannot be read fails with those beside it in the same step, and leaves nothing. */
static void test_unreadable(void **state)
{
    (void)state;
    struct world w = setup();
    struct spool good = spool_of(&w, 10, 10), bad = spool_of(&w, 3, 3000000);
    assert_int_equal(ftruncate(bad.fd, 5000000), 0);
    struct results_put p = {.job = 1, .attempt = 1, .spool = &bad};
    assert_true(put(&w, &p, 0));
    assert_int_equal(p.result, -EIO);
    assert_non_null(strstr(p.error.text, "cannot be read"));
    assert_int_equal(lines_of(&w, 1, 1), -1);
    forget(&w, YEAR_US, UINT64_MAX);
    assert_int_equal(keep(&w, 1, 1, &good), 0);
    assert_int_equal(lines_of(&w, 1, 1), 10);
    spool_close(&good);
    spool_close(&bad);
    teardown(&w);
}

static void test_places(void **state)
{
    (void)state;
    struct world w = setup();
    struct results_db *other;
    struct error err;
    assert_int_equal(results_db_open(w.path, &other, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by another penstockd"));
    assert_int_equal(results_db_open("/nowhere/results.db", &other, &err), -ENOENT);
    assert_non_null(strstr(err.text, "results.path"));
    assert_int_equal(results_db_open(NULL, &other, &err), 0); /* without a name */
    struct results_get get = {.job = 1, .attempt = 1};
    results_db_get(other, &get);
    assert_int_equal(get.result, -ENOENT);
    results_db_close(other);
    teardown(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),      cmocka_unit_test(test_torn),
        cmocka_unit_test(test_forgetting), cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
