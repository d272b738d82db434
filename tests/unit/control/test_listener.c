#include "control/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char dir[64], path[128], lock_path[160];

static int setup(void **state)
{
    snprintf(dir, sizeof dir, "/tmp/penstock-test-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/sock", dir);
    snprintf(lock_path, sizeof lock_path, "%s.lock", path);
    return 0;
}

/* rmdir tells whether something was left behind. */
static int teardown(void **state)
{
    return rmdir(dir);
}

static struct listener_config config_for(const char *where)
{
    return (struct listener_config){.path = where, .mode = 0660, .inherited_fd = -1};
}

static int connect_to(const char *where)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", where);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    int r = connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
    close(fd);
    return r;
}

static int seen; /* by a client, just before the socket listened */

/* The product's listen(2) comes by here. */
int listen(int fd, int backlog)
{
    seen = connect_to(path);
    return (int)syscall(SYS_listen, fd, backlog);
}

static void test_opens_and_cleans_up(void **state)
{
    struct listener_config config = config_for(path);
    struct listener l;
    struct error err;
    struct stat st;
    config.mode = 0640;
    char group[16];
    snprintf(group, sizeof group, "%u", (unsigned)getgid());
    config.group = group;
    assert_int_equal(listener_open(&l, &config, &err), 0);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_gid, getgid());
    assert_true(fcntl(l.fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(l.lock_fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(l.fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(connect_to(path), 0);
    listener_stop(&l);
    assert_int_equal(connect_to(path), -ENOENT);
    assert_int_equal(access(lock_path, F_OK), 0);
    listener_close(&l);
    assert_int_equal(access(lock_path, F_OK), -1);
}

static void test_live_one_is_left_alone(void **state)
{
    struct listener_config config = config_for(path);
    struct listener first, second;
    struct error err;
    assert_int_equal(listener_open(&first, &config, &err), 0);
    assert_int_equal(listener_open(&second, &config, &err), -EADDRINUSE);
    char pid[32];
    snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, pid));
    assert_int_equal(connect_to(path), 0);
    /* also while the first only finishes what it has */
    listener_stop(&first);
    assert_int_equal(listener_open(&second, &config, &err), -EADDRINUSE);
    listener_close(&first);
    assert_int_equal(listener_open(&second, &config, &err), 0);
    listener_close(&second);
}

/* As after kill -9: socket and lock file are there, and nobody holds the lock. */
static void test_stale_one_is_replaced(void **state)
{
    struct listener_config config = config_for(path);
    struct listener l;
    struct error err;
    assert_int_equal(listener_open(&l, &config, &err), 0);
    close(l.fd);
    close(l.lock_fd);
    free(l.path);
    free(l.lock_path);
    assert_int_equal(connect_to(path), -ECONNREFUSED);
    assert_int_equal(listener_open(&l, &config, &err), 0);
    assert_int_equal(connect_to(path), 0);
    listener_close(&l);
}

/* Who finds the socket is not refused: it has no name, or it listens. */
static void test_nobody_sees_it_before_it_listens(void **state)
{
    struct listener_config config = config_for(path);
    struct listener l;
    struct error err;
    seen = 0;
    assert_int_equal(listener_open(&l, &config, &err), 0);
    assert_int_equal(seen, -ENOENT);
    assert_int_equal(connect_to(path), 0);
    listener_close(&l);
}

static void bind_at(const char *where)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.107s", where);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

/* What a daemon that was killed before it listened has left goes; what is no socket stays. */
static void test_what_is_left_under_the_first_name(void **state)
{
    struct listener l;
    struct error err;
    char aside[160];
    struct listener_config config = config_for(path);
    snprintf(aside, sizeof aside, "%s.new", path);
    bind_at(aside);
    assert_int_equal(listener_open(&l, &config, &err), 0);
    assert_int_equal(connect_to(path), 0);
    assert_int_equal(access(aside, F_OK), -1);
    listener_close(&l);
    int fd = open(aside, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    assert_int_equal(listener_open(&l, &config, &err), -EEXIST);
    assert_non_null(strstr(err.text, aside));
    assert_int_equal(unlink(aside), 0);
}

static void test_another_file_is_left_alone(void **state)
{
    struct listener_config config = config_for(path);
    struct listener l;
    struct error err;
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    assert_int_equal(listener_open(&l, &config, &err), -EEXIST);
    assert_non_null(strstr(err.text, "not a socket"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(access(lock_path, F_OK), -1);
}

/* Somebody has put another socket there meanwhile: it isn't ours to unlink. */
static void test_anothers_socket_is_not_unlinked(void **state)
{
    struct listener_config config = config_for(path);
    struct listener l, other;
    struct error err;
    char aside[160];
    snprintf(aside, sizeof aside, "%s/aside", dir);
    assert_int_equal(listener_open(&l, &config, &err), 0);
    config.path = aside;
    assert_int_equal(listener_open(&other, &config, &err), 0);
    assert_int_equal(rename(aside, path), 0);
    listener_close(&l);
    assert_int_equal(connect_to(path), 0);
    listener_close(&other);
    unlink(path);
}

static void test_long_path(void **state)
{
    char name[160];
    struct listener l;
    struct error err;
    int n = snprintf(name, sizeof name, "%s/", dir);
    memset(name + n, 'x', 108 - (size_t)n);
    name[108] = '\0';
    struct listener_config config = config_for(name);
    assert_int_equal(listener_open(&l, &config, &err), -ENAMETOOLONG);
    assert_non_null(strstr(err.text, "107"));
    assert_non_null(strstr(err.text, "shorter"));
    /* Those that fit do work, also where a longer first name would not. */
    for (size_t len = 107; len >= 102; len--) {
        name[len] = '\0';
        assert_int_equal(listener_open(&l, &config, &err), 0);
        assert_int_equal(connect_to(name), 0);
        listener_close(&l);
    }
}

static void test_parent(void **state)
{
    char sub[160], name[200];
    struct listener l;
    struct error err;
    struct stat st;
    snprintf(sub, sizeof sub, "%s/sub", dir);
    snprintf(name, sizeof name, "%s/sock", sub);
    struct listener_config config = config_for(name);
    assert_int_equal(listener_open(&l, &config, &err), -ENOENT);
    assert_non_null(strstr(err.text, "directory"));
    config.dir_mode = 0700;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(listener_open(&l, &config, &err), 0);
        assert_int_equal(stat(sub, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        listener_close(&l);
    }
    assert_int_equal(rmdir(sub), 0);
}

static void test_unknown_group(void **state)
{
    struct listener_config config = config_for(path);
    struct listener l;
    struct error err;
    config.group = "no-such-group-here";
    assert_int_equal(listener_open(&l, &config, &err), -ENOENT);
    assert_non_null(strstr(err.text, "control.group"));
    assert_non_null(strstr(err.text, "no-such-group-here"));
    /* by name */
    struct group *group = getgrgid(getgid());
    if (!group)
        return;
    config.group = group->gr_name;
    assert_int_equal(listener_open(&l, &config, &err), 0);
    listener_close(&l);
}

static void test_inherited(void **state)
{
    struct listener_config config = config_for(path);
    struct listener owner, l;
    struct error err;
    assert_int_equal(listener_open(&owner, &config, &err), 0);
    /* One that another daemon lives on is not taken: each would answer every second client. */
    struct listener_config inherit = {.inherited_fd = dup(owner.fd)};
    assert_int_equal(listener_open(&l, &inherit, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, "in use by a running penstockd"));
    assert_int_equal(connect_to(path), 0);
    listener_close(&owner);

    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    inherit.inherited_fd = pair[0];
    assert_int_equal(listener_open(&l, &inherit, &err), -EINVAL);
    assert_non_null(strstr(err.text, "ListenStream"));
    close(pair[0]);
    close(pair[1]);
}

/* By a service manager: another daemon, started by hand, must leave it alone. */
static void test_inherited_is_locked(void **state)
{
    struct listener_config config = config_for(path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct listener l, other;
    struct error err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.107s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    struct listener_config inherit = {.inherited_fd = dup(fd)};
    assert_int_equal(listener_open(&l, &inherit, &err), 0);
    assert_true(fcntl(l.fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(listener_open(&other, &config, &err), -EADDRINUSE);
    listener_close(&l);
    assert_int_equal(connect_to(path), 0); /* it is the manager's still */
    close(fd);
    assert_int_equal(listener_open(&other, &config, &err), 0);
    listener_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_opens_and_cleans_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_live_one_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stale_one_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_sees_it_before_it_listens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_left_under_the_first_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_file_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anothers_socket_is_not_unlinked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_path, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_group, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inherited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inherited_is_locked, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
