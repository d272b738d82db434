/* penstockctl itself, and a daemon of paper at the other end. */
#ifndef TESTS_UNIT_CTL_FAKE_H
#define TESTS_UNIT_CTL_FAKE_H

#include "../client/paper_daemon.h"

/* --- the client ------------------------------------------------------------------------------- */

#define MAX_ARGS 24

/* Starts penstockctl --socket PATH with these arguments, up to a NULL. */
static inline void client_start(struct test_child *child, const struct fake *f,
                                const char *const args[])
{
    const char *argv[MAX_ARGS + 4] = {PENSTOCKCTL, "--socket", f->path};
    for (size_t i = 0; i < MAX_ARGS && args[i]; i++)
        argv[i + 3] = args[i];
    test_start(child, argv);
}
#define CLIENT(child, f, ...) client_start(child, f, (const char *const[]){__VA_ARGS__, NULL})

static inline void file_is(const char *path, const char *expected)
{
    struct buf b = BUF_INIT;
    assert_true(test_read_file(path, &b));
    assert_string_equal(b.data ? b.data : "", expected);
    buf_deinit(&b);
}

static inline void file_has(const char *path, const char *part)
{
    struct buf b = BUF_INIT;
    assert_true(test_read_file(path, &b));
    if (!b.data || !strstr(b.data, part))
        fail_msg("'%s' lacks '%s'", b.data ? b.data : "", part);
    buf_deinit(&b);
}

/* The client's end: its exit status, all of its output, and a part of what it said on standard
 * error (NULL: it said nothing). */
static inline void client_ends(struct test_child *child, int status, const char *out,
                               const char *err)
{
    int code = test_finish(child, PATIENCE);
    if (code != status) {
        struct buf b = BUF_INIT;
        test_read_file(child->err, &b);
        fail_msg("exit status %d instead of %d: %s", code, status, b.data ? b.data : "");
    }
    file_is(child->out, out);
    if (err)
        file_has(child->err, err);
    else
        file_is(child->err, "");
}

#endif
