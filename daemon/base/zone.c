/* Zone files are read as RFC 8536 has them: a list of moments and of what the offset is from each
 * on, and in the second version a rule for the time after the last one. Files of the first version,
 * which has 32 bits for a moment and no rule, are read as well. */
#include "base/zone.h"

#include "base/fd.h"
#include "base/list.h"
#include "base/zone_rule.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_LEN 64
#define FILE_MAX_LEN ((size_t)64 << 10) /* the longest one known has 4 KiB */
#define HEAD_LEN     44
#define ZONES        "/usr/share/zoneinfo"
#define LOCAL        "/etc/localtime"
#define UTC_RULE     "UTC0" /* also where no zone files are */

/* From `at` on (seconds since 1970) the offset is this one. */
struct change {
    int64_t at;
    int32_t offset;
};

struct zone {
    struct list link; /* in `open`, under its lock */
    unsigned refs;
    char path[128];
    int32_t before; /* the offset before the first change */
    bool ruled;     /* `rule` holds after the last change */
    struct zone_rule rule;
    size_t count;
    struct change changes[];
};

/* What is open is shared: schedules by the thousand have a handful of zones. */
static struct list open_zones = {&open_zones, &open_zones};
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- the file --------------------------------------------------------------------------------- */

/* How much of what a block has, and how long its times are. */
struct block {
    size_t utc_flags, std_flags, leaps, changes, types, name_bytes, time_len;
};

static uint64_t number(const unsigned char *p, size_t len)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++)
        n = n << 8 | p[i];
    return n;
}

static int32_t number32(const unsigned char *p)
{
    return (int32_t)(uint32_t)number(p, 4);
}

static int64_t read_moment(const unsigned char *p, size_t len)
{
    return len == 8 ? (int64_t)number(p, 8) : number32(p);
}

static bool read_head(const unsigned char *p, size_t len, size_t time_len, struct block *ret)
{
    if (len < HEAD_LEN || memcmp(p, "TZif", 4) != 0)
        return false;
    *ret = (struct block){
        .utc_flags = number(p + 20, 4),
        .std_flags = number(p + 24, 4),
        .leaps = number(p + 28, 4),
        .changes = number(p + 32, 4),
        .types = number(p + 36, 4),
        .name_bytes = number(p + 40, 4),
        .time_len = time_len,
    };
    return ret->types > 0 && ret->types <= 256;
}

static size_t block_len(const struct block *b)
{
    return HEAD_LEN + b->changes * (b->time_len + 1) + b->types * 6 + b->name_bytes +
           b->leaps * (b->time_len + 4) + b->std_flags + b->utc_flags;
}

static bool read_changes(const unsigned char *p, const struct block *b, struct zone *zone)
{
    const unsigned char *kinds = p + HEAD_LEN + b->changes * b->time_len,
                        *types = kinds + b->changes;
    for (size_t i = 0; i < b->types; i++) {
        int32_t offset = number32(types + 6 * i);
        if (offset <= -26 * 3600 || offset >= 26 * 3600)
            return false;
    }
    zone->before = number32(types);
    for (size_t i = 0; i < b->changes; i++) {
        struct change *c = &zone->changes[i];
        if (kinds[i] >= b->types)
            return false;
        c->at = read_moment(p + HEAD_LEN + i * b->time_len, b->time_len);
        c->offset = number32(types + 6 * kinds[i]);
        if (i > 0 && c->at <= c[-1].at)
            return false;
    }
    zone->count = b->changes;
    return true;
}

/* "\nRULE\n" behind the second block; an empty one says nothing. */
static bool read_rule(const unsigned char *p, size_t len, struct zone *zone)
{
    char text[128];
    const unsigned char *end = len > 1 && p[0] == '\n' ? memchr(p + 1, '\n', len - 1) : NULL;
    if (!end || (size_t)(end - p) > sizeof text)
        return false;
    size_t rule_len = (size_t)(end - p) - 1;
    memcpy(text, p + 1, rule_len);
    text[rule_len] = '\0';
    zone->ruled = rule_len > 0;
    return rule_len == 0 || zone_rule_parse(text, &zone->rule) == 0;
}

/* 0; -EINVAL: it is no zone's file; or -ENOMEM. */
static int read_zone(const unsigned char *p, size_t len, struct zone **ret_zone)
{
    struct block b;
    if (!read_head(p, len, 4, &b) || block_len(&b) > len)
        return -EINVAL;
    bool second = p[4] != '\0';
    if (second) {
        size_t skip = block_len(&b);
        p += skip;
        len -= skip;
        if (!read_head(p, len, 8, &b) || block_len(&b) > len)
            return -EINVAL;
    }
    struct zone *zone = calloc(1, sizeof *zone + b.changes * sizeof *zone->changes);
    if (!zone)
        return -ENOMEM;
    size_t used = block_len(&b);
    if (!read_changes(p, &b, zone) || (second && !read_rule(p + used, len - used, zone))) {
        free(zone);
        return -EINVAL;
    }
    *ret_zone = zone;
    return 0;
}

static int read_file(const char *path, unsigned char *data, size_t size, size_t *ret_len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = 0;
    if (fd < 0)
        return -errno;
    size_t len = 0;
    if (fstat(fd, &st) < 0)
        r = -errno;
    else if (!S_ISREG(st.st_mode))
        r = -EINVAL;
    for (ssize_t n = 1; r == 0 && n != 0 && len < size; len += (size_t)n) {
        n = read(fd, data + len, size - len);
        if (n < 0) {
            r = -errno;
            break;
        }
    }
    fd_close(&fd);
    *ret_len = len;
    return r;
}

static int load_file(const char *path, struct zone **ret_zone)
{
    unsigned char *data = malloc(FILE_MAX_LEN);
    size_t len = 0;
    if (!data)
        return -ENOMEM;
    int r = read_file(path, data, FILE_MAX_LEN, &len);
    if (r == 0)
        r = len < FILE_MAX_LEN ? read_zone(data, len, ret_zone) : -EINVAL;
    free(data);
    return r;
}

/* --- which one -------------------------------------------------------------------------------- */

/* A zone's name is a path below the system's zone files, and must stay there. */
static int check_name(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
    size_t len = strlen(name);
    bool letter = (name[0] | 0x20) >= 'a' && (name[0] | 0x20) <= 'z';
    return letter && len <= NAME_MAX_LEN && strspn(name, good) == len ? 0 : -ENOENT;
}

/* One that has a rule and no file. */
static int make_ruled(const char *text, struct zone **ret_zone)
{
    struct zone *zone = calloc(1, sizeof *zone);
    if (!zone)
        return -ENOMEM;
    zone->ruled = true;
    int r = zone_rule_parse(text, &zone->rule);
    zone->before = zone->rule.standard;
    if (r < 0)
        free(zone);
    else
        *ret_zone = zone;
    return r;
}

/* What the file says; without a good one, what the rule says, which may be NULL. A `path` that does
 * not begin with a slash is no file. */
static int load(const char *path, const char *rule, struct zone **ret_zone)
{
    int r = *path == '/' ? load_file(path, ret_zone) : -ENOENT;
    if (r < 0 && r != -ENOMEM && rule)
        r = make_ruled(rule, ret_zone);
    return r == 0 || r == -ENOMEM ? r : -ENOENT;
}

static struct zone *find_open(const char *path)
{
    list_for_each(e, &open_zones)
    {
        struct zone *zone = container_of(e, struct zone, link);
        if (strcmp(zone->path, path) == 0)
            return zone;
    }
    return NULL;
}

static int open_shared(const char *path, const char *rule, struct zone **ret_zone)
{
    if (strlen(path) >= sizeof(*ret_zone)->path)
        return -ENOENT;
    pthread_mutex_lock(&open_lock);
    struct zone *zone = find_open(path);
    int r = zone ? 0 : load(path, rule, &zone);
    if (r == 0) {
        if (zone->refs++ == 0) {
            strcpy(zone->path, path);
            list_add_tail(&open_zones, &zone->link);
        }
        *ret_zone = zone;
    }
    pthread_mutex_unlock(&open_lock);
    return r;
}

static int open_named(const char *name, const char *rule, struct zone **ret_zone)
{
    char path[256];
    const char *folder = getenv("TZDIR");
    int n = snprintf(path, sizeof path, "%s/%s", folder && *folder ? folder : ZONES, name);
    return n > 0 && (size_t)n < sizeof path ? open_shared(path, rule, ret_zone) : -ENOENT;
}

/* As tzset(3) takes TZ: a zone's name, a path or a rule; whatever is none of these is UTC. */
static int open_local(struct zone **ret_zone)
{
    const char *tz = getenv("TZ"), *rule = UTC_RULE;
    struct zone_rule good;
    if (!tz)
        return open_shared(LOCAL, rule, ret_zone);
    if (*tz == ':')
        tz++;
    if (zone_rule_parse(tz, &good) == 0)
        rule = tz;
    int r = check_name(tz) == 0 ? open_named(tz, rule, ret_zone) : open_shared(tz, rule, ret_zone);
    return r == -ENOENT ? open_shared("", rule, ret_zone) : r;
}

int zone_open(const char *name, struct zone **ret_zone)
{
    if (!name)
        return open_local(ret_zone);
    int r = check_name(name);
    return r < 0 ? r : open_named(name, strcmp(name, "UTC") == 0 ? UTC_RULE : NULL, ret_zone);
}

void zone_free(struct zone *zone)
{
    if (!zone)
        return;
    pthread_mutex_lock(&open_lock);
    bool last = --zone->refs == 0;
    if (last)
        list_del(&zone->link);
    pthread_mutex_unlock(&open_lock);
    if (last)
        free(zone);
}

/* How many changes were at or before that moment. */
static size_t changes_until(const struct zone *zone, int64_t utc)
{
    size_t low = 0, high = zone->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->changes[middle].at <= utc)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t zone_offset(const struct zone *zone, int64_t utc)
{
    size_t passed = changes_until(zone, utc);
    if (passed == zone->count && zone->ruled)
        return zone_rule_offset(&zone->rule, utc);
    return passed ? zone->changes[passed - 1].offset : zone->before;
}
