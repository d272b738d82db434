/* What went into a spool comes out of it, wherever a read ends. This program's own pread stands
 * before libc's. */
#include "record/spool_reader.h"

#include "record/sink.h"
#include "record/spool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static size_t most; /* bytes that a read gives */

ssize_t pread(int fd, void *data, size_t len, off_t offset)
{
    return syscall(SYS_pread64, fd, data, len < most ? len : most, offset);
}

static char dir[] = "/tmp/spool-reader-XXXXXX";

static struct spool spool_new(void)
{
    struct spool spool;
    struct error err;
    most = SIZE_MAX;
    assert_int_equal(spool_open(&spool, dir, UINT64_C(1) << 30, &err), 0);
    return spool;
}

static void add(struct spool *spool, uint64_t seq, const char *json)
{
    struct sink_source source = {
        .job = 7, .attempt = 2, .extra = ",\"schedule\":\",\\\"data\\\":\""};
    assert_int_equal(spool_record(spool, &source, seq, json, strlen(json)), 0);
    assert_int_equal(spool_flush(spool), 0);
}

static void expect(struct spool_reader *reader, uint64_t seq, const char *json)
{
    struct spool_item item;
    assert_int_equal(spool_reader_next(reader, &item), 1);
    assert_int_equal(item.seq, seq);
    assert_int_equal(item.len, strlen(json));
    assert_memory_equal(item.json, json, item.len);
}

static void every_record_comes_out(void **state)
{
    static const size_t pieces[] = {1, 7, 100, SIZE_MAX};
    static char big[700000];
    memset(big, '1', sizeof big - 1);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct spool spool = spool_new();
        struct spool_reader reader;
        struct spool_item item;
        add(&spool, 1, "{\"data\":{\"seq\":5}}");
        add(&spool, 2, "\"}\"");
        if (pieces[i] > 1)
            add(&spool, 30, big);
        add(&spool, 31, "0");
        most = pieces[i];
        spool_reader_init(&reader, &spool);
        expect(&reader, 1, "{\"data\":{\"seq\":5}}");
        expect(&reader, 2, "\"}\"");
        if (pieces[i] > 1)
            expect(&reader, 30, big);
        expect(&reader, 31, "0");
        assert_int_equal(spool_reader_next(&reader, &item), 0);
        assert_int_equal(spool_reader_next(&reader, &item), 0);
        spool_reader_deinit(&reader);
        spool_close(&spool);
    }
}

static void one_that_was_cut_is_told(void **state)
{
    struct spool spool = spool_new();
    struct spool_reader reader;
    struct spool_item item;
    add(&spool, 1, "1");
    add(&spool, 2, "2");
    assert_int_equal(ftruncate(spool.fd, (off_t)spool.size - 1), 0);
    spool_reader_init(&reader, &spool);
    expect(&reader, 1, "1");
    assert_int_equal(spool_reader_next(&reader, &item), -EIO);
    spool_reader_deinit(&reader);

    assert_int_equal(pwrite(spool.fd, "{\"no\":1}\n", 9, 0), 9);
    spool_reader_init(&reader, &spool);
    assert_int_equal(spool_reader_next(&reader, &item), -EIO);
    spool_reader_deinit(&reader);
    spool_close(&spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_comes_out),
        cmocka_unit_test(one_that_was_cut_is_told),
    };
    if (!mkdtemp(dir))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(dir);
    return failed;
}
