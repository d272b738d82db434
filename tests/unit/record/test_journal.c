/* Entries as journald gets them: this program is journald. */
#include "record/journal.h"

#include "sink_support.h"

#include <sys/socket.h>
#include <sys/un.h>

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static struct batch_line line_of(const char *text, enum event event)
{
    return (struct batch_line){.text = text, .len = strlen(text), .event = event, .job = 7};
}

static void fields_are_taken_from_the_line(void **state)
{
    struct buf b = BUF_INIT;
    struct batch_line line = line_of("{\"ts\":\"x\",\"event\":\"verdict\",\"job\":7,\"attempt\":2,"
                                     "\"schedule\":\"nightly\",\"state\":\"failed\","
                                     "\"error\":{\"kind\":\"tls\",\"message\":\"m\"},\"labels\":{"
                                     "\"feed-id\":\"a\\nPRIORITY=0\"}}\n",
                                     EVENT_VERDICT);
    journal_entry(&b, &line, false);
    buf_putc(&b, '\0');
    assert_memory_equal(b.data, "MESSAGE={\"ts\"", 13);
    assert_non_null(strstr(b.data, "\nPRIORITY=3\n"));
    assert_non_null(
        strstr(b.data, "\nPENSTOCK_EVENT=verdict\nPENSTOCK_JOB=7\nPENSTOCK_ATTEMPT=2\n"));
    assert_non_null(strstr(b.data, "\nPENSTOCK_SCHEDULE=nightly\nPENSTOCK_ERROR=tls\n"));
    /* A newline in a value makes no field: its length goes before it. */
    assert_non_null(
        memmem(b.data, b.len, "\nPENSTOCK_LABEL_FEED_ID\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n", 45));
    buf_deinit(&b);
}

static void assert_message(enum event event, const char *text, const char *message)
{
    struct buf b = BUF_INIT;
    struct batch_line line = line_of(text, event);
    journal_entry(&b, &line, true);
    buf_putc(&b, '\0');
    char *end = strstr(b.data, "\nPENSTOCK_JSON={");
    assert_non_null(end);
    assert_memory_equal(end + 15, text, line.len - 1);
    *end = '\0';
    assert_memory_equal(b.data, "MESSAGE=", 8);
    assert_string_equal(b.data + 8, message);
    assert_non_null(strstr(end + 1, "\nPENSTOCK_EVENT="));
    buf_deinit(&b);
}

static void a_sentence_is_beside_the_line(void **state)
{
    assert_message(
        EVENT_VERDICT,
        "{\"event\":\"verdict\",\"job\":42,\"attempt\":2,\"state\":\"done\",\"url\":\"http://x/\","
        "\"bytes\":10,\"records\":3,\"seconds\":{\"total\":0.5}}\n",
        "job 42 done: 10 bytes, 3 records, 0.500 s (http://x/)");
    assert_message(
        EVENT_VERDICT,
        "{\"event\":\"verdict\",\"job\":42,\"state\":\"failed\",\"url\":\"http://x/\",\"error\":"
        "{\"kind\":\"truncated\",\"message\":\"cut\\nPRIORITY=0\\u001b[m at 7\"}}\n",
        "job 42 failed: truncated: cut?PRIORITY=0?[m at 7 (http://x/)");
    assert_message(
        EVENT_ATTEMPT,
        "{\"event\":\"attempt\",\"job\":42,\"attempt\":1,\"outcome\":\"retry\",\"error\":{\"kind\":"
        "\"tls\",\"message\":\"m\"},\"retry_in\":2.14}\n",
        "job 42 attempt 1 retry: tls: m; tried again in 2.1 s");
    assert_message(EVENT_RECORD,
                   "{\"event\":\"record\",\"job\":42,\"attempt\":1,\"seq\":7,\"data\":{\"a\":1}}\n",
                   "job 42 record 7");
    assert_message(EVENT_START, "{\"event\":\"start\",\"version\":\"1.2\"}\n",
                   "penstockd 1.2 has started");
}

static void a_record_is_not_parsed_and_a_long_one_is_left_out(void **state)
{
    static char text[JOURNAL_LINE_MAX + 100];
    int n = snprintf(
        text, sizeof text,
        "{\"ts\":\"x\",\"event\":\"record\",\"job\":7,\"attempt\":1,\"seq\":3,\"data\":\"");
    memset(text + n, 'x', sizeof text - (size_t)n);
    memcpy(text + sizeof text - 4, "\"}\n", 4);
    struct buf b = BUF_INIT;
    struct batch_line line = line_of(text, EVENT_RECORD);
    journal_entry(&b, &line, false);
    buf_putc(&b, '\0');
    assert_true(b.len < 600);
    assert_non_null(strstr(b.data, "\"seq\":3,\"omitted\":"));
    assert_non_null(strstr(b.data, "\nPENSTOCK_JOB=7\n"));
    buf_deinit(&b);
}

static void it_never_blocks_and_long_entries_go_by_a_file(void **state)
{
    static char text[JOURNAL_LINE_MAX];
    struct scratch dir;
    scratch_make(&dir);
    const char *path = scratch_path(&dir, "socket");
    int daemon = listen_at(path), fd, sent = 0, r;
    assert_int_equal(journal_open(path, &fd), 0);
    struct batch_line line = line_of("{\"event\":\"start\"}\n", EVENT_START);
    while ((r = journal_send(fd, &line, false)) == 1)
        assert_true(++sent < 100000);
    assert_int_equal(r, 0); /* nobody reads: it says so, and does not wait */
    char data[4096];
    while (recv(daemon, data, sizeof data, MSG_DONTWAIT) > 0)
        sent--;
    assert_int_equal(sent, 0);
    assert_int_equal(journal_send(fd, &line, false), 1);
    assert_true(recv(daemon, data, sizeof data, MSG_DONTWAIT) > 0);

    int small = 4096;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    snprintf(text, sizeof text, "{\"event\":\"start\",\"x\":\"%0200000d\"}\n", 1);
    line = line_of(text, EVENT_START);
    assert_int_equal(journal_send(fd, &line, false), 1);
    assert_int_equal(recv(daemon, data, sizeof data, MSG_DONTWAIT), 0); /* a descriptor alone */
    close(daemon);
    assert_true(journal_send(fd, &line, false) < 0);
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(journal_open(path, &fd), -ENOENT);
    scratch_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_taken_from_the_line),
        cmocka_unit_test(a_sentence_is_beside_the_line),
        cmocka_unit_test(a_record_is_not_parsed_and_a_long_one_is_left_out),
        cmocka_unit_test(it_never_blocks_and_long_entries_go_by_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
