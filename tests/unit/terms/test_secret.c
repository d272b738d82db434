/* Files that hold a secret: which are read, what of them, and what is said of the others. */
#include "terms/secret.h"

#include "support/testlib.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const char *path;
static struct error err;
static char *data;
static size_t len;

static int begin(void **state)
{
    path = test_path("secret");
    data = NULL;
    len = 99;
    return 0;
}

static int end(void **state)
{
    secret_free(&data);
    return test_remove_tree(path) == 0 || errno == ENOENT ? 0 : -1;
}

static void write_secret(const void *bytes, size_t size)
{
    test_write_file(path, bytes, size);
    assert_int_equal(chmod(path, 0600), 0);
}

static void reads(const char *text, const char *secret)
{
    write_secret(text, strlen(text));
    if (secret_read(path, &data, &len, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(data, secret);
    assert_int_equal(len, strlen(secret));
    secret_free(&data);
    assert_null(data);
}

/* Nothing is returned, and the sentence names the file and nothing that is in it. */
static void refuses(int error, const char *what)
{
    char sentence[512];
    snprintf(sentence, sizeof sentence, "%s%s", path, what);
    assert_int_equal(secret_read(path, &data, &len, &err), error);
    assert_string_equal(err.text, sentence);
    assert_null(data);
    assert_int_equal(len, 99);
}

static void one_newline_at_the_end_is_left_out(void **state)
{
    reads("hunter2", "hunter2");
    reads("hunter2\n", "hunter2");
    reads("hunter2\r\n", "hunter2");
    reads("hunter2\n\n", "hunter2\n");
    reads("hunter2\r", "hunter2\r");
    reads(" a b \n", " a b ");
    reads("\n\n", "\n");
    reads("first\nsecond\n", "first\nsecond");
}

static void bytes_are_kept_as_they_are(void **state)
{
    static const char bytes[] = "\0a\0\xff";
    write_secret(bytes, sizeof bytes - 1);
    assert_int_equal(secret_read(path, &data, &len, &err), 0);
    assert_int_equal(len, 4);
    assert_memory_equal(data, bytes, 5); /* and a NUL behind them */
    secret_free_len(&data, len);
    assert_null(data);
}

static void an_empty_one_is_none(void **state)
{
    static const char *const texts[] = {"", "\n", "\r\n"};
    for (size_t i = 0; i < 3; i++) {
        write_secret(texts[i], strlen(texts[i]));
        refuses(-EINVAL, " is empty");
    }
}

static void one_may_be_so_long_and_no_longer(void **state)
{
    char *text = malloc(SECRET_MAX + 1);
    memset(text, 'x', SECRET_MAX + 1);
    write_secret(text, SECRET_MAX);
    assert_int_equal(secret_read(path, &data, &len, &err), 0);
    assert_int_equal(len, SECRET_MAX);
    secret_free(&data);
    len = 99;
    write_secret(text, SECRET_MAX + 1);
    refuses(-EFBIG, " has more than 65536 bytes");
    assert_int_equal(secret_look(path, &err), -EFBIG);
    free(text);
}

/* Nobody but its owner writes it, and others do not even read it. */
static void its_mode_is_strict(void **state)
{
    static const mode_t good[] = {0400, 0440, 0600, 0640};
    static const mode_t bad[] = {0644, 0604, 0660,  0700,  0620, 0610,
                                 0601, 0602, 04600, 02640, 01600};
    write_secret("hunter2", 7);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(chmod(path, good[i]), 0);
        assert_int_equal(secret_look(path, &err), 0);
        assert_int_equal(secret_read(path, &data, &len, &err), 0);
        secret_free(&data);
    }
    len = 99;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char what[64];
        struct stat st;
        assert_int_equal(chmod(path, bad[i]), 0);
        assert_int_equal(stat(path, &st), 0);
        if ((st.st_mode & 07777) != bad[i])
            continue; /* this file system keeps no such bit for this user */
        snprintf(what, sizeof what, " has mode %04o: it must be 0640 or stricter", bad[i]);
        refuses(-EPERM, what);
        assert_int_equal(secret_look(path, &err), -EPERM);
        assert_string_equal(err.text + strlen(path), what);
    }
}

/* Only root can give a file away, and see that it is not taken. */
static void it_belongs_to_root_or_the_daemon(void **state)
{
    write_secret("hunter2", 7);
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(path, 4711, (gid_t)-1), 0);
    refuses(-EPERM, " belongs to uid 4711: it must be root's or the daemon's");
    assert_int_equal(secret_look(path, &err), 0); /* who looks need not be the daemon's user */
}

/* A FIFO without a writer would keep who opens it. */
static void what_is_no_file_is_refused(void **state)
{
    assert_int_equal(mkfifo(path, 0600), 0);
    refuses(-EINVAL, " is not a regular file");
    assert_int_equal(secret_look(path, &err), -EINVAL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    refuses(-EINVAL, " is not a regular file");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    refuses(-EINVAL, " is not a regular file");
    assert_int_equal(unlink(path), 0);
    refuses(-ENOENT, ": No such file or directory");
    assert_int_equal(secret_look(path, &err), -ENOENT);
}

static void nothing_is_freed_for_good(void **state)
{
    char *none = NULL;
    secret_free(&none);
    secret_free_len(&none, 0);
    assert_null(none);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(one_newline_at_the_end_is_left_out),
        EACH(bytes_are_kept_as_they_are),
        EACH(an_empty_one_is_none),
        EACH(one_may_be_so_long_and_no_longer),
        EACH(its_mode_is_strict),
        EACH(it_belongs_to_root_or_the_daemon),
        EACH(what_is_no_file_is_refused),
        EACH(nothing_is_freed_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
