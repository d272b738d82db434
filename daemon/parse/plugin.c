#include "parse/plugin.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "base/list.h"
#include "parse/plugin_check.h"
#include "parse/process.h"
#include "parse/process_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIBE_TIME (5 * NS_PER_SEC)
#define DESCRIBE_MAX  ((size_t)1 << 20)

/* --- may it be trusted? ----------------------------------------------------------------------- */

/* Whoever can change it can run code as the daemon's user. */
static int check_owner(const char *what, const struct stat *st, struct error *err)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return error_set(err, -EPERM,
                         "%s belongs to user %u; it must belong to root or to the "
                         "daemon's user",
                         what, (unsigned)st->st_uid);
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return error_set(err, -EPERM, "%s may be written by others (mode %04o): chmod go-w", what,
                         (unsigned)st->st_mode & 07777);
    return 0;
}

/* For a symbolic link, the file that it leads to and the folder of that are checked as well. */
static int check_place(const char *file, struct stat *ret_st, struct error *err)
{
    char real[PATH_MAX], folder[PATH_MAX];
    struct stat st;
    if (!realpath(file, real) || stat(real, ret_st) < 0)
        return error_set(err, -errno, "it cannot be looked at: %s", strerrordesc_np(errno));
    if (!S_ISREG(ret_st->st_mode))
        return error_set(err, -EINVAL, "it is no regular file");
    int r = check_owner("the file", ret_st, err);
    strcpy(folder, real);
    if (r == 0 && stat(dirname(folder), &st) < 0)
        r = error_set(err, -errno, "its directory: %s", strerrordesc_np(errno));
    return r < 0 ? r : check_owner("its directory", &st, err);
}

/* --- what it says of itself ------------------------------------------------------------------- */

/* A reload asks again only where a file has changed. Never shrinks: there are few plug-ins. */
struct remembered {
    struct list link;
    struct stat st;
    char *answer; /* JSON; NULL: `fault` */
    char fault[512];
    char file[];
};
static struct list memory = {&memory, &memory};
static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Under the lock. */
static struct remembered *recall(const char *file)
{
    list_for_each(link, &memory)
    {
        struct remembered *m = container_of(link, struct remembered, link);
        if (strcmp(m->file, file) == 0)
            return m;
    }
    return NULL;
}

/* Under the lock. NULL: out of memory. */
static struct remembered *ask(const char *file, const struct stat *st)
{
    const char *const argv[] = {"penstock-host", "--describe", file, NULL};
    struct remembered *m = recall(file);
    struct error err = {""};
    if (m && same_file(&m->st, st))
        return m;
    if (!m) {
        m = calloc(1, sizeof *m + strlen(file) + 1);
        if (!m)
            return NULL;
        strcpy(m->file, file);
        list_add_tail(&memory, &m->link);
    }
    free(m->answer);
    m->answer = NULL;
    m->st = *st;
    process_ask(argv, DESCRIBE_MAX, DESCRIBE_TIME, &m->answer, &err);
    memcpy(m->fault, err.text, sizeof m->fault);
    return m;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* Options as an array that ends with an empty one; their texts stay the manifest's. */
static int read_options(struct plugin *plugin, const json_t *list)
{
    size_t count = json_array_size(list);
    struct penstock_option *options = calloc(count + 1, sizeof *options);
    if (!options)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *o = json_array_get(list, i);
        options[i] =
            (struct penstock_option){text_of(o, "name"), text_of(o, "default"), text_of(o, "help")};
    }
    plugin->described.options = options;
    return 0;
}

static int unusable_parse(FILE *body, struct penstock_run *run)
{
    (void)body;
    return run->fail(run, 0, PENSTOCK_NO_OFFSET, "the plug-in is not loaded in this process");
}

static int read_manifest(struct plugin *plugin, const char *answer)
{
    struct error err;
    json_t *m = json_read_text(answer, JSON_REJECT_DUPLICATES, NULL);
    if (!m) {
        snprintf(plugin->fault, sizeof plugin->fault, "what it says of itself cannot be read");
        return 0;
    }
    plugin->manifest = m;
    if (read_options(plugin, json_object_get(m, "options")) < 0)
        return -ENOMEM;
    struct penstock_parser *p = &plugin->described;
    p->abi = (uint32_t)json_integer_value(json_object_get(m, "abi"));
    p->size = sizeof *p;
    p->name = text_of(m, "name");
    p->summary = text_of(m, "summary");
    p->parse = unusable_parse;
    /* What the daemon itself goes by; what a thread of ours runs is loaded, and has them all. */
    p->flags = (uint32_t)json_integer_value(json_object_get(m, "flags")) &
               (PENSTOCK_PARSER_TEXT | PENSTOCK_PARSER_DECLARES | PENSTOCK_PARSER_AS_IS);
    plugin->prints = json_is_true(json_object_get(m, "stdio"));
    if (parser_check(p, &err) < 0) {
        memcpy(plugin->fault, err.text, sizeof plugin->fault);
        p->name = NULL;
    }
    return 0;
}

static int describe(struct plugin *plugin)
{
    struct error err;
    struct stat st;
    int r = 0;
    if (check_place(plugin->file, &st, &err) < 0) {
        memcpy(plugin->fault, err.text, sizeof plugin->fault);
        return 0;
    }
    pthread_mutex_lock(&memory_lock);
    const struct remembered *m = ask(plugin->file, &st);
    if (!m)
        r = -ENOMEM;
    else if (m->answer)
        r = read_manifest(plugin, m->answer);
    else
        memcpy(plugin->fault, m->fault, sizeof plugin->fault);
    pthread_mutex_unlock(&memory_lock);
    return r;
}

/* --- the directory ---------------------------------------------------------------------------- */

static void plugin_free(struct plugin *plugin)
{
    if (!plugin)
        return;
    free((void *)plugin->described.options);
    json_decref(plugin->manifest);
    free(plugin->file);
    free(plugin);
}

struct plugin *plugins_add(struct plugins *plugins, const char *file)
{
    struct plugin **items = reallocarray(plugins->items, plugins->count + 1, sizeof *items);
    if (!items)
        return NULL;
    plugins->items = items;
    struct plugin *plugin = calloc(1, sizeof *plugin);
    if (!plugin || !(plugin->file = strdup(file)) || describe(plugin) < 0) {
        plugin_free(plugin);
        return NULL;
    }
    return items[plugins->count++] = plugin;
}

static int is_object(const struct dirent *e)
{
    size_t len = strlen(e->d_name);
    return len > 3 && e->d_name[0] != '.' && strcmp(e->d_name + len - 3, ".so") == 0;
}

int plugins_scan(struct plugins *plugins, const char *dir)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, is_object, alphasort), r = 0;
    if (count < 0)
        return errno == ENOMEM ? -ENOMEM : 0;
    for (int i = 0; i < count; i++) {
        char file[PATH_MAX];
        if (r == 0 && snprintf(file, sizeof file, "%s/%s", dir, entries[i]->d_name) < PATH_MAX &&
            !plugins_add(plugins, file))
            r = -ENOMEM;
        free(entries[i]);
    }
    free(entries);
    return r;
}

void plugins_deinit(struct plugins *plugins)
{
    for (size_t i = 0; i < plugins->count; i++)
        plugin_free(plugins->items[i]);
    free(plugins->items);
    *plugins = (struct plugins){0};
}

/* --- in this process -------------------------------------------------------------------------- */

/* The parsers whose setup was called. Never shrinks, as they stay loaded. */
static const struct penstock_parser **set_up;
static size_t set_up_count;

/* Under the lock. */
static int set_up_once(const struct penstock_parser *parser, struct error *err)
{
    for (size_t i = 0; i < set_up_count; i++)
        if (set_up[i] == parser)
            return 0;
    void *more = reallocarray(set_up, set_up_count + 1, sizeof *set_up);
    if (!more)
        return error_set(err, -ENOMEM, "out of memory");
    set_up = more;
    if (parser->setup && parser->setup() != 0)
        return error_set(err, -EINVAL, "its setup failed");
    set_up[set_up_count++] = parser;
    return 0;
}

int plugin_load(struct plugin *plugin, struct error *err)
{
    struct stat st;
    if (plugin->loaded)
        return 0;
    int r = check_place(plugin->file, &st, err);
    if (r < 0)
        return r;
    const struct penstock_parser *parser = plugin_open(plugin->file, err);
    if (!parser)
        return -EINVAL;
    pthread_mutex_lock(&memory_lock);
    r = set_up_once(parser, err);
    pthread_mutex_unlock(&memory_lock);
    if (r == 0)
        plugin->loaded = parser;
    return r;
}
