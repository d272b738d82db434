/* The sink without memory: allocation 1, 2, 3 … fails, of the caller's or of its own thread, in a
 * run each. A record is taken or refused as -ENOMEM; each line that was taken stands in the file
 * once and whole, and in the tap; what is posted is given back. */
#include "support/exhaust.h"

#include "record/notice.h"
#include "record/spool.h"
#include "sink_support.h"

#define RECORDS 5

static struct scratch scratch;
static const char *path;

/* The sink's thread. */
static void tapped(void *arg, struct sink_chunk *chunk)
{
    exhaust_spares = true;
    told_tap(arg, chunk);
    exhaust_spares = false;
}

static int start(const struct sink_config *config, struct sink **ret_sink)
{
    struct error err;
    exhaust_spares = false;
    int r = sink_new(config, ret_sink, &err);
    exhaust_spares = true;
    return r;
}

static int emit(struct sink *sink, struct sink_source *source, const char *json, size_t len)
{
    exhaust_spares = false;
    int r = sink_emit(sink, source, json, len);
    exhaust_spares = true;
    return r;
}

/* 0: it holds two records; else it cannot be had. */
static int fill(struct spool *spool, const struct sink_source *source)
{
    struct error err;
    exhaust_spares = false;
    int r = spool_open(spool, scratch.dir, 1000000, &err);
    for (uint64_t seq = 1; seq <= 2 && r == 0; seq++)
        r = spool_record(spool, source, seq, "{\"n\":2}", 7);
    if (r == 0)
        r = spool_flush(spool);
    exhaust_spares = true;
    return r;
}

/* How often the text stands in the file; each line of which ends as one of ours. */
static int count_lines(const char *mark)
{
    size_t len;
    char *text = get_file(path, &len), *rest = text, *line;
    int count = 0;
    assert_true(len == 0 || text[len - 1] == '\n');
    while ((line = strsep(&rest, "\n")) && *line) {
        assert_true(strncmp(line, "{\"ts\":\"", 7) == 0);
        assert_int_equal(line[strlen(line) - 1], '}');
        count += strstr(line, mark) != NULL;
    }
    free(text);
    return count;
}

/* True: fewer than n allocations were made. */
static bool run_once(long n, long more)
{
    const struct sink_target target = {
        .name = "file", .type = SINK_FILE, .path = path, .fd = -1, .events = EVENT_ALL};
    struct told told;
    struct sink *sink;
    struct sink_source source, held;
    struct post post, group;
    struct spool spool = {.fd = -1};
    static char large[100000];
    int taken = 0;
    put_file(path, "");
    told_init(&told);
    buf_reserve(&told.tapped, 1000000);
    struct sink_config config = sink_config_for(&told, &target, 1);
    config.tap = tapped;
    source_init(&source, 1);
    source_init(&held, 2);
    post_init(&post, &told, EVENT_VERDICT, 1);
    post_init(&group, &told, EVENT_RECORD, 2);
    memset(large, '1', sizeof large); /* a record that needs a chunk of its own */
    atomic_store(&exhaust_more, more);
    atomic_store(&exhaust_at, n);
    int r = start(&config, &sink);
    if (r == 0) {
        sink_tap(sink, true);
        for (int i = 0; i < RECORDS; i++) {
            r = emit(sink, &source, i == 2 ? large : "{\"n\":1}", i == 2 ? sizeof large : 7);
            assert_true(r == 0 || r == -ENOMEM);
            taken += r == 0;
        }
        bool spooled = fill(&spool, &held) == 0;
        group.line.spool = &spool;
        if (spooled)
            sink_post(sink, &group.line);
        sink_post(sink, &post.line);
        if (more > 0) /* a tap, or a piece of a spool, waits for memory */
            atomic_store(&exhaust_more, 0);
        WAIT_UNTIL(atomic_load(&told.taken) == 1 + spooled);
        assert_int_equal(sink_end(sink, UINT64_MAX), 0);
        assert_int_equal(source.seq, taken);
        assert_int_equal(count_lines("\"job\":1,\"attempt\":1,\"seq\""), taken);
        assert_int_equal(count_lines("\"job\":2,\"attempt\":1,\"seq\""), 2 * spooled);
        assert_int_equal(count_lines("\"verdict\""), 1);
        assert_int_equal(told.tapped_marks, taken + 2 * spooled + 1);
    } else {
        assert_int_equal(r, -ENOMEM);
    }
    bool all = atomic_exchange(&exhaust_at, 0) > 0;
    atomic_store(&exhaust_more, 0);
    spool_close(&spool);
    buf_deinit(&post.line.text);
    buf_deinit(&group.line.text);
    told_deinit(&told);
    return all;
}

static void exhaust(long more)
{
    long n = 0;
    bool all = false;
    if (!exhaust_counts)
        skip();
    run_once(1000000, 0); /* what libraries keep for good is made now */
    while (!all) {
        long before = atomic_load(&exhaust_live);
        all = run_once(++n, more);
        if (atomic_load(&exhaust_live) != before)
            fail_msg("allocation %ld: %ld blocks were left", n,
                     atomic_load(&exhaust_live) - before);
        assert_true(n < 1000);
    }
    assert_true(n > 5);
    print_message("%ld allocations\n", n - 1);
}

static void test_one(void **state)
{
    exhaust(0);
}

static void test_all_after_it(void **state)
{
    exhaust(1000000);
}

/* A line as the daemon's own, which is so long that its buffer grows twice. */
static void say(struct sink *sink)
{
    struct sink_line *line = notice_new(EVENT_START);
    if (!line)
        return;
    for (int i = 0; i < 8; i++)
        line_str(&line->text, "instance", "79babcfa557daad2d8dbe5639b49835b");
    notice_post(sink, line);
}

/* One that cannot be built is not there at all, and the line behind it is whole. */
static void test_a_notice(void **state)
{
    const struct sink_target target = {
        .name = "file", .type = SINK_FILE, .path = path, .fd = -1, .events = EVENT_ALL};
    long n = 0;
    int refused = 0;
    bool all = false;
    if (!exhaust_possible)
        skip();
    while (!all) {
        struct told told;
        struct sink *sink;
        struct post post;
        put_file(path, "");
        told_init(&told);
        struct sink_config config = sink_config_for(&told, &target, 1);
        post_init(&post, &told, EVENT_VERDICT, 1);
        assert_int_equal(start(&config, &sink), 0);
        WAIT_UNTIL(atomic_load(&exhaust_begin) == 0); /* until then nothing fails */
        atomic_store(&exhaust_at, ++n);
        exhaust_spares = false;
        say(sink);
        exhaust_spares = true;
        all = atomic_exchange(&exhaust_at, 0) > 0;
        sink_post(sink, &post.line);
        assert_int_equal(sink_free(sink, UINT64_MAX), 0);
        int said = count_lines("\"start\"");
        assert_true(said == 1 || !all);
        refused += said == 0;
        assert_int_equal(count_lines("\"verdict\""), 1);
        buf_deinit(&post.line.text);
        told_deinit(&told);
    }
    assert_int_equal(refused, 4); /* the line, its buffer, and twice more for that */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_all_after_it),
        cmocka_unit_test(test_a_notice),
    };
    exhaust_spares = true;
    scratch_make(&scratch);
    path = scratch_path(&scratch, "log");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove(&scratch);
    return failed;
}
