/* `schedule apply FILE`: JSON lines to schedules. What fits into a request is one, and so all or
 * none. More is tried without effect first, so that a bad line in the middle changes nothing
 * either. What was read waits in a file that has no name: in memory are the names, and one
 * request. */
#include "base/buf.h"
#include "base/json_read.h"
#include "ctl/ask.h"
#include "ctl/name_set.h"
#include "ctl/out.h"
#include "ctl/schedule_apply.h"
#include "ctl/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REQUEST_ITEMS 1000
#define REQUEST_BYTES ((size_t)512 * 1024)

static const char *const kinds[] = {"created", "updated", "unchanged", "removed"};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* What one request has, in the spool: lines of a number and a schedule. */
struct chunk {
    off_t at;
    size_t items, bytes;
};

struct apply {
    struct ctl *ctl;
    FILE *spool;
    off_t spooled;
    struct chunk *chunks;
    size_t count;
    uint64_t lines[REQUEST_ITEMS]; /* of the file, for each item of the request under way */
    struct name_set names;         /* each with its line */
    size_t bad;
    uint64_t told[KINDS];
    char next[256]; /* the last request has pruned up to here, and there is more; "" */
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
    if (c && c->bytes + bytes <= REQUEST_BYTES && c->items < REQUEST_ITEMS)
        return c;
    struct chunk *more = reallocarray(a->chunks, a->count + 1, sizeof *more);
    if (!more)
        return NULL;
    a->chunks = more;
    c = &a->chunks[a->count++];
    *c = (struct chunk){.at = a->spooled};
    return c;
}

/* Where there is no room for a file, memory is what there is. */
static FILE *open_spool(void)
{
    const char *folder = getenv("TMPDIR");
    int fd = open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        fd = memfd_create("schedules", MFD_CLOEXEC);
    FILE *spool = fd < 0 ? NULL : fdopen(fd, "w+");
    if (!spool && fd >= 0)
        close(fd);
    return spool;
}

static int spool_line(struct apply *a, struct chunk *c, const json_t *schedule, uint64_t line)
{
    char *text = json_dumps(schedule, JSON_COMPACT);
    if (!text)
        return -ENOMEM;
    int n = fprintf(a->spool, "%" PRIu64 " %s\n", line, text);
    free(text);
    if (n < 0)
        return -errno;
    c->items++;
    c->bytes += (size_t)n;
    a->spooled += n;
    return 0;
}

/* The schedules of a request. 0, or a negative errno. */
static int load_chunk(struct apply *a, const struct chunk *c, json_t **ret_schedules)
{
    char *text = NULL, *end;
    size_t size = 0;
    json_t *schedules = json_array();
    int r = schedules ? 0 : -ENOMEM;
    if (r == 0 && (fflush(a->spool) != 0 || fseeko(a->spool, c->at, SEEK_SET) != 0))
        r = -errno;
    for (size_t i = 0; i < c->items && r == 0; i++) {
        ssize_t len = getline(&text, &size, a->spool);
        if (len < 0) {
            r = -EIO;
            break;
        }
        a->lines[i] = strtoull(text, &end, 10);
        json_t *one = json_read_text(end, 0, NULL);
        r = one && json_array_append_new(schedules, one) == 0 ? 0 : -ENOMEM;
    }
    free(text);
    if (r < 0)
        json_decref(schedules);
    else
        *ret_schedules = schedules;
    return r;
}

/* What a list tells besides what was asked for. `schedule export` leaves it out, and so does
 * `schedule apply` of `--json schedule list`. */
void schedule_drop_told(json_t *schedule)
{
    static const char *const told[] = {"paused",   "next",    "runs",        "skipped",
                                       "failures", "failing", "conditional", "last_job",
                                       "running",  "last",    "last_done",   "problem"};
    if (!json_is_object(schedule) || !json_object_get(schedule, "runs"))
        return;
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        json_object_del(schedule, told[i]);
}

bool schedule_hides_secret(const json_t *schedule)
{
    const char *url = json_string_value(json_object_get(schedule, "url"));
    return url && strstr(url, "***");
}

/* True if it may be sent; else it was told. */
static bool check_line(struct apply *a, const json_t *schedule, uint64_t line)
{
    const char *name = json_string_value(json_object_get(schedule, "name"));
    if (!json_is_object(schedule)) {
        bad_line(a, line, "a schedule is a JSON object with name, url and every or cron");
        return false;
    }
    if (!name) {
        bad_line(a, line, "name: it is missing, or no string");
        return false;
    }
    if (schedule_hides_secret(schedule)) {
        bad_line(a, line,
                 "url: it was listed without its secret (***); write it as it is, or use a "
                 "credential");
        return false;
    }
    return true;
}

static int take_schedule(struct apply *a, const json_t *schedule, size_t len, uint64_t line)
{
    char why[96];
    uint64_t first;
    const char *name = json_string_value(json_object_get(schedule, "name"));
    int r = name_set_add(&a->names, name, line, &first);
    if (r == 1) {
        snprintf(why, sizeof why, "name: it stands in line %" PRIu64 " already", first);
        bad_line(a, line, why);
        return 0;
    }
    struct chunk *c = r == 0 ? chunk_for(a, len) : NULL;
    return c ? spool_line(a, c, schedule, line) : -ENOMEM;
}

static int take_line(struct apply *a, const char *text, size_t len, uint64_t line)
{
    json_error_t why;
    json_t *schedule = json_read(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!schedule) {
        bad_line(a, line, why.text);
        return 0;
    }
    schedule_drop_told(schedule);
    if (!check_line(a, schedule, line)) {
        json_decref(schedule);
        return 0;
    }
    int r = take_schedule(a, schedule, len, line);
    json_decref(schedule);
    return r;
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
    const char *next = json_string_value(json_object_get(result, "next"));
    snprintf(a->next, sizeof a->next, "%s", next ? next : "");
    json_array_foreach(json_object_get(result, "changes"), i, change)
    {
        const char *what = json_string_value(json_object_get(change, "change"));
        for (size_t k = 0; k < KINDS; k++)
            a->told[k] += what && strcmp(what, kinds[k]) == 0;
        schedule_tell_change(a->ctl, change);
    }
}

/* "schedules[3].url": the line of the third. 0: it names none. */
static uint64_t line_of(const struct apply *a, const struct chunk *chunk, const char *field)
{
    char *end;
    static const char head[] = "schedules[";
    if (!chunk || !field || strncmp(field, head, sizeof head - 1) != 0)
        return 0;
    unsigned long i = strtoul(field + sizeof head - 1, &end, 10);
    return *end == ']' && i < chunk->items ? a->lines[i] : 0;
}

/* Takes ownership of params. An exit status. */
static int request(struct apply *a, const struct chunk *chunk, json_t *params, bool quiet)
{
    struct error err;
    struct answer answer;
    int r = conn_call(&a->ctl->conn, "schedule_apply", params, &answer, &err);
    if (r < 0)
        return ctl_fail(r == -EINVAL ? -EIO : r, &err);
    if (answer.code != 0) {
        uint64_t line = line_of(a, chunk, answer.field);
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
    struct error err;
    json_t *schedules;
    int r = load_chunk(a, chunk, &schedules);
    if (r < 0) {
        error_set(&err, r, "what was read cannot be read again: %s", strerror(-r));
        return ctl_fail(r, &err);
    }
    return request(
        a, chunk,
        json_pack("{s:o, s:b, s:b}", "schedules", schedules, "dry_run", dry, "prune", prune),
        quiet);
}

/* Prunes what lies between two of the names, and is none of those in between. They are in order. */
static int prune_part(struct apply *a, const char **names, size_t count, const char *after,
                      bool last, bool dry)
{
    static const struct chunk none = {0};
    json_t *keep = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(keep, json_string(names[i]));
    int status;
    do {
        status = request(a, &none,
                         json_pack("{s:[], s:b, s:b, s:O, s:s*, s:s*}", "schedules", "dry_run", dry,
                                   "prune", 1, "keep", keep, "after", *a->next ? a->next : after,
                                   "until", last ? NULL : names[count - 1]),
                         false);
    } while (status == 0 && *a->next);
    json_decref(keep);
    return status;
}

/* In as many requests as the names need. */
static int prune_all(struct apply *a, bool dry)
{
    size_t total = a->names.count;
    const char **names = name_set_sorted(&a->names);
    int status = names ? 0 : EXIT_REFUSED;
    if (!names)
        out_error("out of memory");
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
    if (a->count == 1) {
        status = send_chunk(a, &a->chunks[0], dry, prune, false);
        return status == 0 && *a->next ? prune_all(a, dry) : status;
    }
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
    int r = a->spool ? read_file(a, path, &err) : error_set(&err, -ENOMEM, "out of memory");
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
    struct apply a = {.ctl = ctl, .spool = open_spool()};
    int status = apply_file(&a, ctl->args.operands[1]);
    if (a.spool)
        fclose(a.spool);
    free(a.chunks);
    name_set_deinit(&a.names);
    return status;
}
