/* Pipe, reader and decoder together: who decides what the end of a body was that HTTP left open. A
 * loop writes, a thread reads, endings and pieces at random. */
#include "base/fd.h"
#include "flow/body_pipe.h"
#include "flow/body_reader.h"
#include "support/testlib.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define TEXT  300000
#define ROUND 600

enum content { GZIP, GZIP_TWICE, GZIP_CUT, PLAIN, CONTENTS };
enum ending { COMPLETE, ENDED, ABORTED, ENDINGS };

static char text[TEXT];
static struct {
    uint8_t data[2 * TEXT];
    size_t len;
} contents[CONTENTS];

static void add_gzip(enum content c)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)text;
    z.avail_in = TEXT;
    z.next_out = contents[c].data + contents[c].len;
    z.avail_out = (uInt)(sizeof contents[c].data - contents[c].len);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    contents[c].len = sizeof contents[c].data - z.avail_out;
    deflateEnd(&z);
}

static int make_contents(void **state)
{
    unsigned seed = 3;
    for (size_t i = 0; i < TEXT; i++)
        text[i] = (char)('a' + rand_r(&seed) % 9);
    add_gzip(GZIP);
    add_gzip(GZIP_TWICE);
    add_gzip(GZIP_TWICE);
    add_gzip(GZIP_CUT);
    contents[GZIP_CUT].len--;
    memcpy(contents[PLAIN].data, text, TEXT);
    contents[PLAIN].len = TEXT;
    return 0;
}

struct run {
    unsigned seed;
    enum content content;
    enum ending ending;
    bool decoding;
    uv_loop_t loop;
    struct body *body;
    struct body_pipe pipe;
    int read_fd;
    size_t written;
    bool closed;
    /* the reader's results */
    size_t seen;
    bool end, error, vouched, wrong;
    enum body_fault fault;
};

static void on_closed(struct body_pipe *pipe)
{
    struct run *r = pipe->user;
    r->closed = true;
}

static void pump(struct run *r)
{
    while (r->written < contents[r->content].len) {
        size_t left = contents[r->content].len - r->written;
        size_t len = 1 + (size_t)rand_r(&r->seed) % 16384;
        int result = body_pipe_write(&r->pipe, (char *)contents[r->content].data + r->written,
                                     len < left ? len : left);
        if (result == BODY_PIPE_FULL || result == -EPIPE)
            return;
        assert_int_equal(result, 0);
        r->written += len < left ? len : left;
    }
    if (r->ending == COMPLETE)
        body_pipe_complete(&r->pipe);
    else if (r->ending == ENDED)
        body_pipe_end(&r->pipe);
    if (r->ending != ABORTED)
        return;
    body_pipe_abort(&r->pipe);
    body_pipe_close(&r->pipe, on_closed);
}

static void on_drained(struct body_pipe *pipe)
{
    pump(pipe->user);
}

static void on_over(struct body_pipe *pipe)
{
    body_pipe_close(pipe, on_closed);
}

static const struct body_pipe_ops ops = {on_drained, on_over, on_over};

static void read_all(struct run *r, struct body_reader *reader)
{
    char data[8192];
    size_t n;
    while ((n = fread(data, 1, sizeof data, reader->file)) > 0) {
        for (size_t i = 0; r->decoding && i < n; i++)
            r->wrong |= data[i] != text[(r->seen + i) % TEXT];
        r->seen += n;
    }
    r->end = feof(reader->file);
    r->error = ferror(reader->file);
    r->fault = reader->fault;
    r->vouched = body_reader_vouched(reader);
    assert_int_equal(r->end, reader->ended);
    assert_int_equal(r->error, reader->broken);
    assert_int_equal(body_reader_drain(reader), r->end ? 0 : -EIO);
}

static void *reader_main(void *arg)
{
    struct run *r = arg;
    struct body_reader reader;
    struct decode_plan plan = {.file = r->decoding ? DECODE_FILE_AUTO : DECODE_FILE_NONE};
    assert_int_equal(body_reader_open(&reader, r->body, r->read_fd), 0);
    assert_int_equal(body_reader_decode(&reader, &plan), 0);
    read_all(r, &reader);
    body_reader_close(&reader);
    return NULL;
}

static void go(struct run *r)
{
    pthread_t thread;
    assert_int_equal(uv_loop_init(&r->loop), 0);
    r->body = body_new();
    assert_non_null(r->body);
    assert_int_equal(body_pipe_open(&r->pipe, &r->loop, r->body, 4096u << rand_r(&r->seed) % 5,
                                    &ops, r, &r->read_fd),
                     0);
    assert_int_equal(pthread_create(&thread, NULL, reader_main, r), 0);
    pump(r);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    pthread_join(thread, NULL);
    assert_true(r->closed);
    assert_int_equal(uv_loop_close(&r->loop), 0);
}

/* What must have come of it. */
static void judge(const struct run *r)
{
    bool coded = r->decoding && r->content != PLAIN;
    bool decodes = !coded || r->content != GZIP_CUT;
    bool vouched = r->decoding && r->content == GZIP;
    bool good = decodes && (r->ending == COMPLETE || (r->ending == ENDED && vouched));
    enum body_state state = body_state(r->body);
    assert_false(r->wrong);
    assert_int_equal(r->end, good);
    assert_int_equal(r->error, !good);
    assert_int_equal(r->vouched, good && vouched);
    if (good) {
        assert_int_equal(r->seen, !coded                     ? contents[r->content].len
                                  : r->content == GZIP_TWICE ? 2 * TEXT
                                                             : TEXT);
        assert_int_equal(state, BODY_COMPLETE);
    } else if (!decodes && r->ending != ABORTED) {
        assert_int_equal(r->fault, BODY_FAULT_DECODE);
    } else if (r->ending == ENDED) {
        assert_int_equal(r->fault, BODY_FAULT_UNVERIFIED);
        assert_int_equal(state, BODY_ABORTED);
    }
    if (r->ending == ABORTED)
        assert_int_equal(state, BODY_ABORTED);
}

static void test_every_end_of_every_content(void **state)
{
    for (unsigned i = 0; i < ROUND; i++) {
        struct run r = {.seed = i,
                        .content = i % CONTENTS,
                        .ending = i / CONTENTS % ENDINGS,
                        .decoding = i / CONTENTS / ENDINGS % 3 != 0};
        go(&r);
        judge(&r);
        assert_int_equal(atomic_load(&r.body->refs), 1);
        assert_int_equal(atomic_load(&r.body->decoding),
                         r.decoding && r.content != PLAIN && r.seen);
        body_unref(r.body);
    }
}

/* The state leaves BODY_ENDED once, and by the reader alone. */
static void test_judging(void **state)
{
    struct body *body = body_new();
    assert_false(body_judge_end(body, true));
    assert_int_equal(body_state(body), BODY_OPEN);
    assert_true(body_settle(body, BODY_ENDED));
    assert_false(body_settle(body, BODY_COMPLETE));
    assert_true(body_judge_end(body, false));
    assert_false(body_judge_end(body, true));
    assert_int_equal(body_state(body), BODY_ABORTED);
    body_unref(body);
}

/* A reader without a decoder takes an open end for no end. */
static void test_plain_reader(void **state)
{
    struct run r = {.content = PLAIN, .ending = ENDED};
    go(&r);
    assert_true(r.error);
    assert_false(r.end);
    assert_int_equal(r.fault, BODY_FAULT_UNVERIFIED);
    assert_int_equal(r.seen, TEXT);
    body_unref(r.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judging),
        cmocka_unit_test(test_plain_reader),
        cmocka_unit_test(test_every_end_of_every_content),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, make_contents, NULL);
}
