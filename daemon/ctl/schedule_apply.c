/* `schedule apply FILE`: JSON lines to schedules. What fits into a request is one, and so all or
 * none. More is tried without effect first, so that a bad line in the middle changes nothing
 * either. */
#include "base/buf.h"
#include "base/json_read.h"
#include "ctl/ask.h"
#include "ctl/out.h"
#include "ctl/schedule_apply.h"
#include "ctl/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_ITEMS 1000
#define REQUEST_BYTES ((size_t)512 * 1024)

static const char *const kinds[] = {"created", "updated", "unchanged", "removed"};
#define KINDS (sizeof kinds / sizeof kinds[0])

struct chunk {
    json_t *schedules;
    uint64_t *lines; /* of the file, one for each */
    size_t bytes;
};

struct apply {
    struct ctl *ctl;
    struct chunk *chunks;
    size_t count;
    json_t *names; /* each with its line */
    size_t bad;
    uint64_t told[KINDS];
};

/* --- the file --------------------------------------------------------------------------------- */

static void bad_line(struct apply *a, uint64_t line, const char *why)
{
    out_error("line %" PRIu64 ": %s", line, why);
    a->bad++;
}

/* The last chunk if `bytes` more fit into it, or a new one. NULL: out of memory. */
static struct chunk *chunk_for(struct apply *a, size_t bytes)
{
    struct chunk *c = a->count > 0 ? &a->chunks[a->count - 1] : NULL;
    if (c && c->bytes + bytes <= REQUEST_BYTES && json_array_size(c->schedules) < REQUEST_ITEMS)
        return c;
    struct chunk *more = reallocarray(a->chunks, a->count + 1, sizeof *more);
    if (!more)
        return NULL;
    a->chunks = more;
    c = &a->chunks[a->count];
    *c =
        (struct chunk){.schedules = json_array(), .lines = calloc(REQUEST_ITEMS, sizeof *c->lines)};
    a->count++;
    return c->schedules && c->lines ? c : NULL;
}

/* What `--json schedule list` tells besides what was asked for. A list is an export: without these
 * it can be applied. */
static void drop_told(json_t *schedule)
{
    static const char *const told[] = {"paused",   "next",    "runs",        "skipped",
                                       "failures", "failing", "conditional", "last_job",
                                       "running",  "last",    "last_done",   "problem"};
    if (!json_is_object(schedule) || !json_object_get(schedule, "runs"))
        return;
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        json_object_del(schedule, told[i]);
}

/* True if it may be sent; else it was told. */
static bool check_line(struct apply *a, const json_t *schedule, uint64_t line)
{
    char why[96];
    const char *name = json_string_value(json_object_get(schedule, "name"));
    if (!json_is_object(schedule)) {
        bad_line(a, line, "a schedule is a JSON object with name, url and every or cron");
        return false;
    }
    if (!name) {
        bad_line(a, line, "name: it is missing, or no string");
        return false;
    }
    const char *url = json_string_value(json_object_get(schedule, "url"));
    if (url && strstr(url, "***")) {
        bad_line(a, line,
                 "url: it was listed without its secret (***); write it as it is, or use a "
                 "credential");
        return false;
    }
    json_t *first = json_object_get(a->names, name);
    if (first) {
        snprintf(why, sizeof why, "name: it stands in line %" JSON_INTEGER_FORMAT " already",
                 json_integer_value(first));
        bad_line(a, line, why);
    }
    return !first;
}

static int take_line(struct apply *a, const char *text, size_t len, uint64_t line)
{
    json_error_t why;
    json_t *schedule = json_read(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!schedule) {
        bad_line(a, line, why.text);
        return 0;
    }
    drop_told(schedule);
    if (!check_line(a, schedule, line)) {
        json_decref(schedule);
        return 0;
    }
    const char *name = json_string_value(json_object_get(schedule, "name"));
    struct chunk *c = chunk_for(a, len);
    if (!c || json_object_set_new(a->names, name, json_integer((json_int_t)line)) < 0) {
        json_decref(schedule);
        return -ENOMEM;
    }
    c->lines[json_array_size(c->schedules)] = line;
    c->bytes += len + 1;
    return json_array_append_new(c->schedules, schedule) == 0 ? 0 : -ENOMEM;
}

static int take_lines(struct apply *a, struct source *source)
{
    const char *text;
    size_t len;
    int r;
    while ((r = source_next(source, &text, &len)) != 0) {
        if (r == -EMSGSIZE)
            bad_line(a, source->line, "the line is longer than 1 MiB");
        else if (r > 0)
            r = take_line(a, text, len, source->line);
        if (r < 0 && r != -EMSGSIZE)
            return r;
    }
    return 0;
}

static int read_file(struct apply *a, const char *path, struct error *err)
{
    struct source source;
    struct error why;
    int r = source_init(&source, path, NULL, 0, &why);
    if (r < 0)
        return error_set(err, -EINVAL, "%s: %s", path, strerror(-r));
    while (r == 0 && !source_done(&source)) {
        r = take_lines(a, &source);
        if (r == 0 && source_dry(&source))
            r = source_read(&source);
    }
    source_deinit(&source);
    return r < 0 ? error_set(err, r, "%s: %s", path, strerror(-r)) : 0;
}

/* --- the requests ----------------------------------------------------------------------------- */

void schedule_tell_change(const struct ctl *ctl, const json_t *change)
{
    const char *name = json_string_value(json_object_get(change, "name"));
    const char *what = json_string_value(json_object_get(change, "change"));
    if (ctl->json) {
        char *text = json_dumps(change, JSON_COMPACT);
        if (text)
            out_json(text, strlen(text));
        free(text);
    } else if (name && what && strcmp(what, "unchanged") != 0) {
        out_printf("%s %s\n", what, name);
    }
}

static void tell(struct apply *a, const json_t *result)
{
    size_t i;
    json_t *change;
    json_array_foreach(json_object_get(result, "changes"), i, change)
    {
        const char *what = json_string_value(json_object_get(change, "change"));
        for (size_t k = 0; k < KINDS; k++)
            a->told[k] += what && strcmp(what, kinds[k]) == 0;
        schedule_tell_change(a->ctl, change);
    }
}

/* "schedules[3].url": the line of the third. 0: it names none. */
static uint64_t line_of(const struct chunk *chunk, const char *field)
{
    char *end;
    static const char head[] = "schedules[";
    if (!chunk || !field || strncmp(field, head, sizeof head - 1) != 0)
        return 0;
    unsigned long i = strtoul(field + sizeof head - 1, &end, 10);
    return *end == ']' && i < json_array_size(chunk->schedules) ? chunk->lines[i] : 0;
}

/* Params are taken over. An exit status. */
static int request(struct apply *a, const struct chunk *chunk, json_t *params, bool quiet)
{
    struct error err;
    struct answer answer;
    int r = conn_call(&a->ctl->conn, "schedule_apply", params, &answer, &err);
    if (r < 0)
        return ctl_fail(r == -EINVAL ? -EIO : r, &err);
    if (answer.code != 0) {
        uint64_t line = line_of(chunk, answer.field);
        if (line > 0)
            bad_line(a, line, answer.message);
        else
            out_error("%s", answer.message);
    } else if (!quiet) {
        tell(a, answer.result);
    }
    int status = answer.code ? EXIT_REFUSED : EXIT_ALL_WELL;
    answer_deinit(&answer);
    return status;
}

static int send_chunk(struct apply *a, const struct chunk *chunk, bool dry, bool prune, bool quiet)
{
    json_t *params =
        json_pack("{s:O, s:b, s:b}", "schedules", chunk->schedules, "dry_run", dry, "prune", prune);
    return request(a, chunk, params, quiet);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Prunes what lies between two of the names, and is none of those in between. They are in order. */
static int prune_part(struct apply *a, const char **names, size_t count, const char *after,
                      bool last, bool dry)
{
    static const struct chunk none = {0};
    json_t *keep = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(keep, json_string(names[i]));
    return request(a, &none,
                   json_pack("{s:[], s:b, s:b, s:o, s:s*, s:s*}", "schedules", "dry_run", dry,
                             "prune", 1, "keep", keep, "after", after, "until",
                             last ? NULL : names[count - 1]),
                   false);
}

/* In as many requests as the names need. */
static int prune_all(struct apply *a, bool dry)
{
    size_t count = 0, total = json_object_size(a->names);
    const char *name, **names = calloc(total, sizeof *names);
    json_t *line;
    int status = names ? 0 : EXIT_REFUSED;
    if (!names)
        out_error("out of memory");
    json_object_foreach(a->names, name, line) if (names) names[count++] = name;
    if (names)
        qsort(names, total, sizeof *names, compare);
    for (size_t from = 0, n; names && from < total && status == 0; from += n) {
        size_t bytes = 0;
        for (n = 0; from + n < total && bytes < REQUEST_BYTES; n++)
            bytes += strlen(names[from + n]) + 3;
        status =
            prune_part(a, names + from, n, from ? names[from - 1] : NULL, from + n == total, dry);
    }
    free(names);
    return status;
}

static int send_all(struct apply *a, bool dry, bool prune)
{
    int status = 0;
    if (a->count == 1)
        return send_chunk(a, &a->chunks[0], dry, prune, false);
    for (size_t i = 0; i < a->count && status == 0 && !dry; i++)
        status = send_chunk(a, &a->chunks[i], true, false, true);
    for (size_t i = 0; i < a->count && status == 0; i++)
        status = send_chunk(a, &a->chunks[i], dry, false, false);
    if (status == 0 && prune)
        status = prune_all(a, dry);
    return status;
}

static void summarize(const struct apply *a, bool dry)
{
    if (a->ctl->json)
        return;
    for (size_t k = 0; k < KINDS; k++)
        out_printf("%s%" PRIu64 " %s", k ? ", " : "", a->told[k], kinds[k]);
    out_printf("%s\n", dry ? " (dry run: nothing was changed)" : "");
}

static int apply_file(struct apply *a, const char *path)
{
    const struct args *args = &a->ctl->args;
    bool dry = args_has(args, OPT_DRY_RUN), prune = args_has(args, OPT_PRUNE);
    struct error err;
    int r = a->names ? read_file(a, path, &err) : error_set(&err, -ENOMEM, "out of memory");
    if (r < 0)
        return ctl_fail(r, &err);
    if (a->bad > 0) {
        out_error("nothing was changed");
        return EXIT_REFUSED;
    }
    if (a->count == 0 && prune) {
        out_error("%s has no schedules, and --prune would remove all there are; `schedule remove` "
                  "removes one",
                  path);
        return EXIT_USAGE;
    }
    int status = ctl_connect(a->ctl);
    if (status == 0)
        status = send_all(a, dry, prune);
    if (status == 0)
        summarize(a, dry);
    else if (a->bad > 0)
        out_error("nothing was changed");
    return status;
}

int schedule_apply(struct ctl *ctl)
{
    struct apply a = {.ctl = ctl, .names = json_object()};
    int status = apply_file(&a, ctl->args.operands[1]);
    for (size_t i = 0; i < a.count; i++) {
        json_decref(a.chunks[i].schedules);
        free(a.chunks[i].lines);
    }
    free(a.chunks);
    json_decref(a.names);
    return status;
}
