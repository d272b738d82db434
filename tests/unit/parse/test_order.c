/* An order arrives as it was sent; one that is torn or of another version is refused, whatever it
 * says. */
#include "parse/order.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static char cat[] = "cat", spaced[] = "a b", empty[] = "", wc[] = "wc";
static char *const first[] = {cat, spaced, empty, NULL}, *const second[] = {wc, NULL};
static char *const *const stages[] = {first, second};
static const struct parse_pair headers[] = {{"Content-Type", "text/csv"}, {"X", ""}};
static const struct parse_pair labels[] = {{"who", "me"}};

static const struct order sample = {
    .kind = ORDER_PIPELINE,
    .limits = {.memory = 1, .cpu_time = 2, .file_size = 3, .open_files = 4, .soft_files = 5},
    .stages = stages,
    .stage_count = 2,
    .plugin = "/x/y.so",
    .name = "y",
    .sandbox = true,
    .grace = 77,
    .record_bytes = 99,
    .drain_after_enough = true,
    .decode = {.codings = {DECODE_GZIP}, .coding_count = 1},
    .facts = {.url = "http://example.org/",
              .status = 200,
              .headers = headers,
              .header_count = 2,
              .labels = labels,
              .label_count = 1},
};

/* Sends bytes and the end, and receives an order of them. */
static int transfer(const char *data, size_t len, struct order *ret_order)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(send(ends[0], data, len, MSG_NOSIGNAL), len);
    close(ends[0]);
    int r = order_receive(ends[1], ret_order);
    close(ends[1]);
    return r;
}

static void test_there_and_back(void **state)
{
    struct buf b = BUF_INIT;
    struct order o;
    assert_int_equal(order_put(&b, &sample), 0);
    assert_int_equal(transfer(b.data, b.len, &o), 0);
    assert_int_equal(o.kind, ORDER_PIPELINE);
    assert_memory_equal(&o.limits, &sample.limits, sizeof o.limits);
    assert_int_equal(o.stage_count, 2);
    assert_string_equal(o.stages[0][0], "cat");
    assert_string_equal(o.stages[0][1], "a b");
    assert_string_equal(o.stages[0][2], "");
    assert_null(o.stages[0][3]);
    assert_string_equal(o.stages[1][0], "wc");
    assert_null(o.stages[1][1]);
    assert_string_equal(o.plugin, "/x/y.so");
    assert_string_equal(o.name, "y");
    assert_true(o.sandbox && o.drain_after_enough);
    assert_int_equal(o.grace, 77);
    assert_int_equal(o.record_bytes, 99);
    assert_memory_equal(&o.decode, &sample.decode, sizeof o.decode);
    assert_string_equal(o.facts.url, "http://example.org/");
    assert_int_equal(o.facts.status, 200);
    assert_int_equal(o.facts.header_count, 2);
    assert_string_equal(o.facts.headers[0].name, "Content-Type");
    assert_string_equal(o.facts.headers[0].value, "text/csv");
    assert_string_equal(o.facts.headers[1].value, "");
    assert_int_equal(o.facts.option_count, 0);
    assert_string_equal(o.facts.labels[0].value, "me");
    order_free(&o);
    buf_deinit(&b);
}

static void test_torn(void **state)
{
    struct buf b = BUF_INIT;
    struct order o;
    assert_int_equal(order_put(&b, &sample), 0);
    for (size_t len = 0; len < b.len; len++)
        assert_int_equal(transfer(b.data, len, &o), -EPIPE);
    /* A length that says less, or more, than there is. */
    for (uint64_t less = 8; less < b.len; less += 8) {
        uint64_t said = b.len - 8 - less;
        memcpy(b.data, &said, sizeof said);
        assert_int_equal(transfer(b.data, b.len, &o), -EPROTO);
    }
    uint64_t huge = UINT64_MAX;
    memcpy(b.data, &huge, sizeof huge);
    assert_int_equal(transfer(b.data, b.len, &o), -EPROTO);
    buf_deinit(&b);
}

/* Each byte in turn is another: never a crash, and never a pointer out of the text. */
static void test_damaged(void **state)
{
    struct buf b = BUF_INIT;
    struct order o;
    assert_int_equal(order_put(&b, &sample), 0);
    for (size_t i = 8; i < b.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.data[i] = (char)(b.data[i] ^ 1 << bit);
            int r = transfer(b.data, b.len, &o);
            assert_true(r == 0 || r == -EPROTO);
            if (r == 0) {
                for (size_t s = 0; s < o.stage_count; s++)
                    for (size_t w = 0; o.stages[s][w]; w++)
                        assert_true(strlen(o.stages[s][w]) < b.len);
                assert_true(strlen(o.facts.url) < b.len);
                order_free(&o);
            }
            b.data[i] = (char)(b.data[i] ^ 1 << bit);
        }
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_torn),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
