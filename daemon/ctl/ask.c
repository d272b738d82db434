#include "ctl/ask.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json_read.h"
#include "base/suggest.h"
#include "client/wire.h"
#include "ctl/when.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int no_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "out of memory");
}

static int read_all(int fd, const char *path, struct buf *b, struct error *err)
{
    for (;;) {
        if (buf_reserve(b, 65536) < 0)
            return no_memory(err);
        ssize_t n = read(fd, b->data + b->len, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, -errno, "%s: %s", path, strerror(errno));
        if (n == 0)
            return 0;
        b->len += (size_t)n;
        if (b->len > WIRE_MAX_LINE)
            return error_set(err, -EFBIG, "%s: a body has to fit into a request of 1 MiB", path);
    }
}

/* The file as a JSON string. */
static int file_value(const char *path, json_t **ret, struct error *err)
{
    struct buf b = BUF_INIT;
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, -errno, "--body: %s: %s", path, strerror(errno));
    int r = read_all(fd, path, &b, err);
    if (!standard)
        close(fd);
    if (r == 0 && !(*ret = json_stringn(b.data, b.len)))
        r = error_set(err, -EINVAL, "--body: %s: a body has to be UTF-8 text", path);
    buf_deinit(&b);
    return r;
}

static int integer_value(const struct opt_def *def, const char *value, json_t **ret,
                         struct error *err)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (end == value || *end || errno == ERANGE)
        return error_set(err, -EINVAL, "--%s: '%.64s' is not a whole number", def->name, value);
    *ret = json_integer(n);
    return *ret ? 0 : no_memory(err);
}

static int time_value(const struct opt_def *def, const char *value, int direction, json_t **ret,
                      struct error *err)
{
    struct error why;
    char stamp[CLOCK_STAMP_SIZE];
    int64_t us;
    if (when_parse(value, clock_real_us(), direction, &us, &why) < 0)
        return error_set(err, -EINVAL, "--%s: %s", def->name, why.text);
    clock_stamp(us, stamp);
    *ret = json_string(stamp);
    return *ret ? 0 : no_memory(err);
}

static int text_value(const struct opt_def *def, const char *value, json_t **ret, struct error *err)
{
    *ret = json_string(value);
    return *ret ? 0 : error_set(err, -EINVAL, "--%s: the value is not UTF-8", def->name);
}

/* The container under `name`, made if it is not there. Borrowed. */
static json_t *inner(json_t *object, const char *name, json_t *(*make)(void))
{
    json_t *value = json_object_get(object, name);
    if (!value && json_object_set_new(object, name, make()) == 0)
        value = json_object_get(object, name);
    return value;
}

static int add_pair(json_t *object, const struct opt_def *def, const char *name, const char *value,
                    struct error *err)
{
    json_t *text, *pairs = inner(object, name, json_object);
    const char *equals = strchr(value, '=');
    if (!equals || equals == value)
        return error_set(err, -EINVAL, "--%s: '%.64s' is not of the form K=V", def->name, value);
    int r = text_value(def, equals + 1, &text, err);
    if (r < 0)
        return r;
    char *key = strndup(value, (size_t)(equals - value));
    r = key && pairs && json_object_set_new(pairs, key, text) == 0
            ? 0
            : error_set(err, -EINVAL, "--%s: the name is not UTF-8", def->name);
    free(key);
    return r;
}

static int add_option(json_t *object, enum opt opt, const char *text, struct error *err)
{
    const struct opt_def *def = &opt_defs[opt];
    char storage[64];
    const char *name = opt_json_name(opt, storage, sizeof storage);
    json_t *value = NULL;
    int r = 0;
    switch (def->form) {
    case FORM_NONE:
        return 0;
    case FORM_PAIRS:
        return add_pair(object, def, name, text, err);
    case FORM_LIST:
        r = text_value(def, text, &value, err);
        if (r == 0)
            r = json_array_append_new(inner(object, name, json_array), value);
        return r == 0 ? 0 : r == -1 ? no_memory(err) : r;
    case FORM_TEXT:
        r = text_value(def, text, &value, err);
        break;
    case FORM_INTEGER:
        r = integer_value(def, text, &value, err);
        break;
    case FORM_FILE:
        r = file_value(text, &value, err);
        break;
    case FORM_LATER:
    case FORM_EARLIER:
        r = time_value(def, text, def->form == FORM_LATER ? 1 : -1, &value, err);
        break;
    }
    if (r < 0)
        return r;
    return json_object_set_new(object, name, value) == 0 ? 0 : no_memory(err);
}

int ask_options(const struct args *args, unsigned groups, json_t **ret_object, struct error *err)
{
    json_t *object = json_object();
    int r = object ? 0 : no_memory(err);
    for (size_t i = 0; r == 0 && i < args->given_count; i++)
        if (opt_defs[args->given[i].opt].groups & groups)
            r = add_option(object, args->given[i].opt, args->given[i].value, err);
    if (r == 0 && json_object_get(object, "body") && !json_object_get(object, "method") &&
        json_object_set_new(object, "method", json_string("POST")) < 0)
        r = no_memory(err);
    if (r < 0) {
        json_decref(object);
        return r;
    }
    *ret_object = object;
    return 0;
}

static int job_from_json(const char *line, size_t len, json_t **ret_job, struct error *err)
{
    json_error_t why;
    json_t *job = json_read(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!job)
        return error_set(err, -EINVAL, "not a JSON object: %s (at byte %d)", why.text,
                         why.position);
    *ret_job = job;
    return 0;
}

int ask_job(const char *line, size_t len, json_t **ret_job, struct error *err)
{
    if (memchr(line, '\0', len))
        return error_set(err, -EINVAL, "there is a NUL byte in the line");
    while (len > 0 && strchr(" \t\r", line[0]))
        line++, len--;
    while (len > 0 && strchr(" \t\r", line[len - 1]))
        len--;
    if (len == 0)
        return error_set(err, -EINVAL, "the line is empty");
    if (line[0] == '{')
        return job_from_json(line, len, ret_job, err);
    json_t *url = json_stringn(line, len);
    if (!url)
        return error_set(err, -EINVAL, "the URL is not UTF-8");
    *ret_job = json_pack("{s:o}", "url", url);
    return *ret_job ? 0 : no_memory(err);
}

/* Members of `from` that `to` has not. */
static int add_missing(json_t *to, const json_t *from)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)from, key, value)
    {
        if (!json_object_get(to, key) && json_object_set(to, key, value) < 0)
            return -ENOMEM;
    }
    return 0;
}

int ask_merge(json_t *job, const json_t *common)
{
    static const char *const maps[] = {"labels", "options"};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        json_t *own = json_object_get(job, maps[i]), *more = json_object_get(common, maps[i]);
        if (!json_is_object(own) || !more)
            continue;
        int r = add_missing(own, more);
        if (r < 0)
            return r;
    }
    return add_missing(job, common);
}

static int ids_params(const struct args *args, json_t **ret_params, struct error *err)
{
    json_t *ids = json_array();
    for (size_t i = 0; i < args->operand_count; i++) {
        uint64_t id;
        int r = args_id(args, i, &id, err);
        if (r == 0 && json_array_append_new(ids, json_integer((json_int_t)id)) < 0)
            r = no_memory(err);
        if (r < 0) {
            json_decref(ids);
            return r;
        }
    }
    *ret_params = json_pack("{s:o}", "ids", ids);
    return *ret_params ? 0 : no_memory(err);
}

/* Jobs have many labels, a selection names one. */
static int select_params(const struct args *args, json_t **ret_params, struct error *err)
{
    json_t *params;
    int r = ask_options(args, GROUP_SELECT, &params, err);
    if (r < 0)
        return r;
    json_t *labels = json_object_get(params, "labels");
    if (labels && json_object_size(labels) > 1)
        r = error_set(err, -EINVAL, "--label selects by one label only");
    else if (labels && json_object_set(params, "label", labels) < 0)
        r = no_memory(err);
    if (r < 0) {
        json_decref(params);
        return r;
    }
    json_object_del(params, "labels");
    *ret_params = params;
    return 0;
}

int ask_jobs(const struct args *args, bool all, json_t **ret_params, struct error *err)
{
    bool select = args_has_group(args, GROUP_SELECT);
    const char *name = args->command->name;
    if (select && args->operand_count > 0)
        return error_set(err, -EINVAL, "`%s` takes ids or a selection, not both", name);
    if (args->operand_count > 0)
        return ids_params(args, ret_params, err);
    if (!select && !all)
        return error_set(err, -EINVAL, "`%s` needs ids or a selection: penstockctl %s %s", name,
                         name, args->command->synopsis);
    return select_params(args, ret_params, err);
}

/* The names are checked here, as `submit --follow` asks the daemon for no events. */
static int check_event(const char *name, size_t len, struct error *err)
{
    static const char *const names[] = {"start", "record", "attempt", "verdict", "stop", "revoke"};
    char word[32], hint[64];
    struct suggest near;
    snprintf(word, sizeof word, "%.*s", (int)(len < 31 ? len : 31), name);
    suggest_init(&near, word);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], word) == 0)
            return 0;
        suggest_offer(&near, names[i]);
    }
    return error_set(err, -EINVAL,
                     "--events: there is no event '%s'%s (there are start, record, attempt, "
                     "verdict, stop and revoke)",
                     word, suggest_text(&near, hint, sizeof hint));
}

int ask_events(const char *list, json_t **ret_events, struct error *err)
{
    static const char separators[] = ", \t";
    json_t *events = json_array();
    for (const char *p = list + strspn(list, separators); *p; p += strspn(p, separators)) {
        size_t len = strcspn(p, separators);
        int r = check_event(p, len, err);
        if (r < 0) {
            json_decref(events);
            return r;
        }
        if (json_array_append_new(events, json_stringn(p, len)) < 0) {
            json_decref(events);
            return error_set(err, -EINVAL, "--events: the list is not UTF-8");
        }
        p += len;
    }
    if (json_array_size(events) == 0) {
        json_decref(events);
        return error_set(err, -EINVAL, "--events needs a list, as record,verdict");
    }
    *ret_events = events;
    return 0;
}
