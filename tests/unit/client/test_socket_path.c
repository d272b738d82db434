/* Where the daemon's socket is looked for, and what is said where it is not. */
#include "client/socket_path.h"
#include "base/own_place.h"
#include "paper_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>

static char path[512];
static struct error err;

static int begin(void **state)
{
    unsetenv("PENSTOCK_SOCKET");
    unsetenv("XDG_RUNTIME_DIR");
    path[0] = '\0';
    err.text[0] = '\0';
    return 0;
}

static int look(const char *given)
{
    return address_connect(given, path, sizeof path, &err);
}

/* It leads there. */
static void assert_leads(const char *given, const char *to)
{
    int fd = look(given);
    if (fd < 0)
        fail_msg("%s", err.text);
    assert_string_equal(path, to);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

static void assert_says(const char *given, int code, const char *words)
{
    int r = look(given);
    if (r != code || !strstr(err.text, words))
        fail_msg("%d: %s", r, err.text);
}

/* A directory for XDG_RUNTIME_DIR with the daemon's place in it; the socket's path. */
static const char *runtime_dir(const char *name)
{
    const char *dir = test_path("%s", name);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(mkdir(test_path("%s/penstock", name), 0700), 0);
    setenv("XDG_RUNTIME_DIR", dir, 1);
    return test_path("%s/penstock/control.sock", name);
}

/* --- which one -------------------------------------------------------------------------------- */

/* What is given is before what the environment says, and that before the user's own. */
static void the_nearest(void **state)
{
    struct fake own, named, given;
    fake_listen(&own, runtime_dir("run1"));
    fake_listen(&named, test_path("named"));
    fake_listen(&given, test_path("given"));
    assert_leads(NULL, own.path);
    setenv("PENSTOCK_SOCKET", named.path, 1);
    assert_leads(NULL, named.path);
    assert_leads(given.path, given.path);
    setenv("PENSTOCK_SOCKET", "", 1); /* as if it were not set */
    assert_leads(NULL, own.path);
    fake_close(&own);
    fake_close(&named);
    fake_close(&given);
}

/* One that is named is the only one that is meant. */
static void no_other_than_the_named_one(void **state)
{
    struct fake own;
    fake_listen(&own, runtime_dir("run2"));
    assert_says("/none/such", -ENOENT, "/none/such: no such socket");
    setenv("PENSTOCK_SOCKET", "/none/other", 1);
    assert_says(NULL, -ENOENT, "/none/other: no such socket");
    assert_says("", -EINVAL, "--socket: a path is wanted");
    fake_close(&own);
}

/* A path that no address has room for is reached all the same. */
static void a_long_path(void **state)
{
    char name[101];
    struct fake fake;
    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const char *dir = test_path("%s", name);
    assert_int_equal(mkdir(dir, 0700), 0);
    const char *to = test_path("%s/control.sock", name);
    assert_true(strlen(to) >= sizeof((struct sockaddr_un *)0)->sun_path);
    assert_says(to, -ENOENT, "no such socket");
    char here[512];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(dir), 0);
    fake_listen(&fake, "control.sock");
    int before = test_fd_count(0);
    assert_leads(to, to);
    assert_int_equal(test_fd_count(0), before);
    fake_close(&fake);
    assert_int_equal(chdir(here), 0);
    char *last = malloc(400); /* its last part alone is too long */
    assert_non_null(last);
    memset(last, 'x', 399);
    last[0] = '/';
    last[399] = '\0';
    assert_says(last, -ENAMETOOLONG, "");
    free(last);
}

/* --- what is said ----------------------------------------------------------------------------- */

static void what_is_no_socket(void **state)
{
    struct fake fake;
    const char *file = test_path("file");
    test_write_file(file, "x", 1);
    assert_says(file, -ECONNREFUSED, "nobody listens there any more: is penstockd running?");
    fake_listen(&fake, test_path("dead"));
    fd_close(&fake.listener); /* as a daemon that has died leaves it behind */
    assert_says(fake.path, -ECONNREFUSED, "nobody listens there any more");
    unlink(fake.path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", test_path("datagrams"));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_says(address.sun_path, -EPROTOTYPE, "this is no control socket");
    close(fd);
}

/* Where nothing is named and nobody answers, all the places are. */
static void the_places(void **state)
{
    char dir[32];
    if (access(ADDRESS_SYSTEM, F_OK) == 0 || access(own_place(dir, sizeof dir), F_OK) == 0)
        skip(); /* a daemon runs on this machine */
    assert_says(NULL, -ENOENT, ADDRESS_SYSTEM ": no such socket");
    const char *own = runtime_dir("run3");
    assert_says(NULL, -ENOENT, "no such socket");
    assert_non_null(strstr(err.text, own));
    assert_non_null(strstr(err.text, ADDRESS_SYSTEM));
    struct fake fake;
    fake_listen(&fake, own);
    fd_close(&fake.listener); /* a dead one hides the others' absence */
    assert_says(NULL, -ECONNREFUSED, "nobody listens there any more");
    assert_non_null(strstr(err.text, "looked at"));
    unlink(own);
    setenv("XDG_RUNTIME_DIR", "relative/dir", 1); /* which is none */
    assert_says(NULL, -ENOENT, ADDRESS_SYSTEM);
    assert_null(strstr(err.text, "relative"));
}

#define NOBODY 65534

/* As somebody whom files can be closed to, which they cannot to root. */
static void assert_closed(const char *given, const char *words)
{
    bool root = geteuid() == 0;
    if (root)
        assert_true(setgroups(0, NULL) == 0 && setegid(NOBODY) == 0 && seteuid(NOBODY) == 0);
    int r = look(given);
    if (root)
        assert_true(seteuid(0) == 0 && setegid(0) == 0);
    if (r != -EACCES || !strstr(err.text, words))
        fail_msg("%d: %s", r, err.text);
}

/* Who may not is told what would help. */
static void without_permission(void **state)
{
    struct fake fake;
    assert_int_equal(chmod(test_dir(), 0755), 0);
    fake_listen(&fake, test_path("closed"));
    assert_int_equal(chmod(fake.path, 0), 0);
    assert_closed(fake.path, "only its owner may use it");
    assert_int_equal(chmod(fake.path, 0060), 0);
    assert_closed(fake.path, "permission denied: group ");
    assert_non_null(strstr(err.text, "adduser"));
    fake_close(&fake);
    const char *dir = test_path("locked");
    assert_int_equal(mkdir(dir, 0700), 0);
    const char *within = test_path("locked/control.sock");
    fake_listen(&fake, within);
    assert_int_equal(chmod(dir, 0), 0);
    assert_closed(within, "permission denied on the way there");
    assert_int_equal(chmod(dir, 0700), 0);
    fake_close(&fake);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup(test, begin)
    const struct CMUnitTest tests[] = {
        EACH(the_nearest), EACH(no_other_than_the_named_one),
        EACH(a_long_path), EACH(what_is_no_socket),
        EACH(the_places),  EACH(without_permission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
