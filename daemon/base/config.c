#include "base/config_build.h"

#include "base/buf.h"
#include "base/config_ini.h"
#include "base/config_tree.h"
#include "base/fd.h"
#include "base/utf8.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* All files together have at most so many bytes: a config of more is the wrong file. */
#define CONFIG_MAX (16 << 20)
#define SET_FILE   "--set"

/* Where SECTION ends in SECTION.KEY=VALUE: the first dot outside quotes and before the =. */
static const char *section_end(const char *p)
{
    bool quoted = false;
    for (; *p && (quoted || *p != '='); p++) {
        if (*p == '"')
            quoted = !quoted;
        else if (*p == '.' && !quoted)
            return p;
    }
    return NULL;
}

/* Copies [from, to) without the white space around it. NULL: out of memory. */
static char *trimmed(const char *from, const char *to)
{
    while (from < to && isspace((unsigned char)*from))
        from++;
    while (to > from && isspace((unsigned char)to[-1]))
        to--;
    return strndup(from, (size_t)(to - from));
}

static int set_apart(struct config *config, const char *header, const char *key, const char *value,
                     struct error *err)
{
    char *kind = NULL, *name = NULL;
    struct error why;

    int r = config_check_key(key, &why);
    if (r == 0)
        r = config_split_header(header, &kind, &name, &why);
    if (r < 0)
        return error_set(err, r, "--set %s.%s: %s", header, key, why.text);
    struct config_section *section = config_open(config, kind, name, SET_FILE, 0);
    r = section ? config_add(section, key, value, SET_FILE, 0) : -errno;
    if (r < 0)
        error_set(err, r, "--set %s.%s: %s", header, key, config_limit_text(r));
    free(kind);
    free(name);
    return r;
}

int config_set(struct config *config, const char *assignment, struct error *err)
{
    const char *dot = section_end(assignment);
    const char *equal = dot ? strchr(dot, '=') : NULL;
    size_t len = strlen(assignment);

    if (!equal)
        return error_set(err, -EINVAL,
                         "--set %.80s: write SECTION.KEY=VALUE, as in policy.allow=127.0.0.0/8",
                         assignment);
    if (utf8_valid(assignment, len) < len || strpbrk(assignment, "\r\n"))
        return error_set(err, -EINVAL, "--set %.*s: the value is one line of UTF-8",
                         (int)(equal - assignment), assignment);
    char *header = trimmed(assignment, dot);
    char *key = trimmed(dot + 1, equal);
    char *value = trimmed(equal + 1, assignment + len);
    int r = header && key && value ? set_apart(config, header, key, value, err)
                                   : error_set(err, -ENOMEM, "out of memory");
    free(header);
    free(key);
    free(value);
    return r;
}

/* -EFBIG: there is more. */
static int read_all(int fd, size_t max, struct buf *text)
{
    char chunk[16384];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? 0 : -errno;
        if (text->len + (size_t)n > max)
            return -EFBIG;
        int r = buf_put(text, chunk, (size_t)n);
        if (r < 0)
            return r;
    }
}

/* --config /dev/stdin, or a shell's <(command). */
static bool is_own_descriptor(const char *path)
{
    return strcmp(path, "/dev/stdin") == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
           strncmp(path, "/proc/self/fd/", 14) == 0;
}

/* Whoever can write a config can have commands run as the daemon's user. */
static int check_owner(const struct stat *st, const char *path, struct error *err)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return error_set(err, -EPERM,
                         "%s belongs to user %u: it must belong to root or to the daemon's user",
                         path, (unsigned)st->st_uid);
    if (st->st_mode & S_IWOTH)
        return error_set(err, -EPERM, "%s may be written by everybody (mode %04o): chmod o-w", path,
                         (unsigned)st->st_mode & 07777);
    return 0;
}

static int check_file(int fd, const char *path, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return error_set(err, -EISDIR, "%s: %s", path, strerror(EISDIR));
    if (S_ISREG(st.st_mode))
        return check_owner(&st, path, err);
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) /* /dev/null (null(4)) */
        return 0;
    if (S_ISFIFO(st.st_mode) && is_own_descriptor(path))
        return fcntl(fd, F_SETFL, 0) < 0 ? error_set(err, -errno, "%s: %s", path, strerror(errno))
                                         : 0;
    return error_set(err, -EINVAL, "%s is no regular file", path);
}

/* Without waiting: the open of a FIFO lasts until somebody writes to it. */
static int open_file(const char *path, int *ret_fd, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    int r = check_file(fd, path, err);
    if (r < 0)
        fd_close(&fd);
    *ret_fd = fd;
    return r;
}

static int read_file(struct config *config, const char *path, struct error *err)
{
    struct buf text = BUF_INIT;
    int fd;
    int r = open_file(path, &fd, err);
    if (r < 0)
        return r;
    r = read_all(fd, CONFIG_MAX - config->bytes, &text);
    config->bytes += text.len;
    fd_close(&fd);
    if (r < 0)
        error_set(err, r, "%s: %s", path,
                  r == -EFBIG ? "with this file it is over 16 MiB: not a config" : strerror(-r));
    else
        r = config_parse(config, text.data ? text.data : "", text.len, path, err);
    buf_deinit(&text);
    return r;
}

static int is_drop_in(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* *ret_count: how many there were. */
static int read_drop_ins(struct config *config, const char *path, int *ret_count, struct error *err)
{
    struct dirent **entries = NULL;
    struct stat st;
    char *dir = NULL;
    int r = 0;

    if (asprintf(&dir, "%s.d", path) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    int count = scandir(dir, &entries, is_drop_in, by_name);
    if (count < 0 && errno != ENOENT && errno != ENOTDIR)
        r = error_set(err, -errno, "%s: %s", dir, strerror(errno));
    else if (count >= 0)
        r = stat(dir, &st) < 0 ? error_set(err, -errno, "%s: %s", dir, strerror(errno))
                               : check_owner(&st, dir, err);
    for (int i = 0; i < count; i++) {
        char *file = NULL;
        if (r == 0 && asprintf(&file, "%s/%s", dir, entries[i]->d_name) < 0)
            r = error_set(err, -ENOMEM, "out of memory");
        else if (r == 0)
            r = read_file(config, file, err);
        free(file);
        free(entries[i]);
    }
    free(entries);
    free(dir);
    *ret_count = count > 0 ? count : 0;
    return r;
}

int config_read(const char *path, struct config *ret_config, struct error *err)
{
    struct config config = {0};
    int drop_ins = 0;

    int main_file = read_file(&config, path, err);
    int r = main_file == -ENOENT ? 0 : main_file;
    if (r == 0)
        r = read_drop_ins(&config, path, &drop_ins, err);
    if (r == 0 && main_file == -ENOENT && drop_ins == 0)
        r = main_file; /* the sentence is there already */
    if (r < 0) {
        config_deinit(&config);
        return r;
    }
    *ret_config = config;
    return 0;
}
