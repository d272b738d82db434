/* `backup`: a file that is there once it is whole, and never before; the daemon writes it into a
 * socket that it is given. */
#include "scene.h"

#include <sys/stat.h>

static int take_socket(void)
{
    char request[256] = "";
    int fd = scene_take(request, sizeof request);
    assert_non_null(strstr(request, "\"method\":\"backup\""));
    return fd;
}

/* The end of a whole copy: the byte in the socket is taken before it closes. */
static void close_well(int fd)
{
    char byte;
    assert_int_equal(read(fd, &byte, 1), 1);
    close(fd);
}

static void test_a_whole_copy(void **state)
{
    const char *path = test_path("whole.db");
    struct stat st;
    CLIENT(&child, &daemon_, "backup", path);
    int fd = take_socket();
    assert_int_equal(fd_write_all(fd, "abc", 3), 0);
    assert_int_equal(access(path, F_OK), -1); /* not yet */
    assert_int_equal(fd_write_all(fd, "de", 2), 0);
    close_well(fd);
    talk_answer(&talk, 1, "{\"bytes\":5}");
    assert_int_equal(test_finish(&child, PATIENCE), 0);
    file_is(path, "abcde");
    file_has(child.out, "whole.db: 5 bytes\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* The daemon's answer may come before the last byte of the copy. */
static void test_the_answer_comes_first(void **state)
{
    CLIENT(&child, &daemon_, "backup", "-");
    int fd = take_socket();
    talk_answer(&talk, 1, "{\"bytes\":5}");
    assert_int_equal(fd_write_all(fd, "abcde", 5), 0);
    close_well(fd);
    client_ends(&child, 0, "abcde", NULL);
}

/* Fewer bytes than were told, or none: there is no file, and what stood there stands. */
static void ends_badly(const char *bytes, const char *answer, bool well, const char *err)
{
    const char *path = test_path("kept.db");
    test_write_file(path, "old", 3);
    CLIENT(&child, &daemon_, "backup", path, "--force");
    int fd = take_socket();
    assert_int_equal(fd_write_all(fd, bytes, strlen(bytes)), 0);
    if (well)
        close_well(fd);
    else
        close(fd);
    if (answer)
        talk_say(&talk, answer);
    else
        talk_end(&talk);
    client_ends(&child, 3, "", err);
    file_is(path, "old");
    talk_end(&talk);
}

static void test_what_is_no_copy(void **state)
{
    ends_badly("abc", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"bytes\":5}}", true,
               "penstockctl: 3 bytes came of a copy of 5\n");
    ends_badly("", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", true,
               "penstockctl: 0 bytes came of a copy of 0\n");
    ends_badly("abc",
               "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32003,\"message\":\"the store "
               "is busy\"}}",
               false, "penstockctl: the store is busy\n");
    ends_badly("abc", NULL, false, "has closed the connection\n");
    ends_badly("abc", "SMTP", false, "does not speak penstock's protocol\n");
}

/* --- where it goes ---------------------------------------------------------------------------- */

static void test_places(void **state)
{
    static const char other[] =
        "penstockctl: %s is no regular file, and is not replaced: give another FILE, or - and "
        "redirect the output\n";
    const char *path = test_path("there.db"), *link = test_path("link.db");
    const char *fifo = test_path("fifo");
    char exists[600], link_is[600], fifo_is[600];
    test_write_file(path, "old", 3);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    snprintf(exists, sizeof exists, "penstockctl: %s exists; --force replaces it\n", path);
    snprintf(link_is, sizeof link_is, other, link);
    snprintf(fifo_is, sizeof fifo_is, other, fifo);
    const struct scene scenes[] = {
        {.args = {"backup", path}, .status = 3, .err = exists},
        {.args = {"backup", link, "--force"}, .status = 3, .err = link_is},
        {.args = {"backup", fifo, "--force"}, .status = 3, .err = fifo_is},
        {.args = {"backup", "/nonexistent/copy.db"},
         .status = 3,
         .err = "penstockctl: /nonexistent/copy.db cannot be written: No such file or directory\n"},
    };
    SCENES(scenes);
    file_is(path, "old");
}

/* One that came while the copy was made is nobody's to replace. */
static void test_a_file_that_comes_meanwhile(void **state)
{
    const char *path = test_path("new.db");
    CLIENT(&child, &daemon_, "backup", path, "--json");
    int fd = take_socket();
    assert_int_equal(fd_write_all(fd, "abc", 3), 0);
    test_write_file(path, "other", 5);
    close_well(fd);
    talk_answer(&talk, 1, "{\"bytes\":3}");
    client_ends(&child, 3, "", " exists; --force replaces it\n");
    file_is(path, "other");
    unlink(path);
}

static void test_as_json(void **state)
{
    const char *path = test_path("json.db");
    char expected[600];
    CLIENT(&child, &daemon_, "backup", path, "--json");
    int fd = take_socket();
    assert_int_equal(fd_write_all(fd, "abc", 3), 0);
    close_well(fd);
    talk_answer(&talk, 1, "{\"bytes\":3}");
    snprintf(expected, sizeof expected, "{\"file\":\"%s\",\"bytes\":3}\n", path);
    client_ends(&child, 0, expected, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_whole_copy), TEST(test_the_answer_comes_first),      TEST(test_what_is_no_copy),
        TEST(test_places),       TEST(test_a_file_that_comes_meanwhile), TEST(test_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
