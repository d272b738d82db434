/* The text of an order: numbers of eight bytes in the machine's own order, strings with a length in
 * front and a NUL behind, lists with a count in front. Both ends are of one build: the version
 * comes first. */
#include "parse/order.h"

#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ORDER_MAX (UINT64_C(64) << 20) /* the headers of a response are the most of it */

/* --- writing ---------------------------------------------------------------------------------- */

static void put_u64(struct buf *b, uint64_t value)
{
    buf_put(b, &value, sizeof value);
}

static void put_string(struct buf *b, const char *s)
{
    size_t len = s ? strlen(s) : 0;
    put_u64(b, len);
    buf_put(b, s ? s : "", len + 1);
}

static void put_pairs(struct buf *b, const struct parse_pair *pairs, size_t count)
{
    put_u64(b, count);
    for (size_t i = 0; i < count; i++) {
        put_string(b, pairs[i].name);
        put_string(b, pairs[i].value);
    }
}

static void put_stages(struct buf *b, const struct order *o)
{
    put_u64(b, o->stage_count);
    for (size_t i = 0; i < o->stage_count; i++) {
        size_t words = 0;
        while (o->stages[i][words])
            words++;
        put_u64(b, words);
        for (size_t w = 0; w < words; w++)
            put_string(b, o->stages[i][w]);
    }
}

int order_put(struct buf *b, const struct order *o)
{
    const struct parse_facts *f = &o->facts;
    size_t start = b->len;
    put_u64(b, 0); /* the length, filled in at the end */
    put_string(b, PENSTOCK_VERSION);
    buf_put(b, &o->limits, sizeof o->limits);
    put_u64(b, o->kind);
    put_stages(b, o);
    put_string(b, o->plugin);
    put_string(b, o->name);
    put_u64(b, o->sandbox);
    put_u64(b, o->grace);
    put_u64(b, o->record_bytes);
    put_u64(b, o->drain_after_enough);
    buf_put(b, &o->decode, sizeof o->decode);
    buf_put(b, &o->text, sizeof o->text);
    put_string(b, f->url);
    put_u64(b, (uint64_t)f->status);
    put_pairs(b, f->headers, f->header_count);
    put_pairs(b, f->options, f->option_count);
    put_pairs(b, f->labels, f->label_count);
    if (b->failed)
        return -ENOMEM;
    uint64_t len = b->len - start - sizeof len;
    memcpy(b->data + start, &len, sizeof len);
    return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What is left of the text, and the lists made of it: pointers to strings, one behind another. */
struct reading {
    char *at, *end;
    char **lists;
    size_t used, size;
    bool torn;
};

static uint64_t get_u64(struct reading *r)
{
    uint64_t value = 0;
    if ((size_t)(r->end - r->at) < sizeof value) {
        r->torn = true;
        return 0;
    }
    memcpy(&value, r->at, sizeof value);
    r->at += sizeof value;
    return value;
}

static char *get_string(struct reading *r)
{
    uint64_t len = get_u64(r);
    if (r->torn || len >= (uint64_t)(r->end - r->at) || r->at[len]) {
        r->torn = true;
        return r->end; /* a NUL stands there */
    }
    char *s = r->at;
    r->at += len + 1;
    return s;
}

/* Each entry of a list takes at least nine bytes of the text, or a count of eight. */
static char **take_slots(struct reading *r, uint64_t count)
{
    if (r->torn || count > r->size - r->used) {
        r->torn = true;
        return NULL;
    }
    char **slots = r->lists + r->used;
    r->used += count;
    return slots;
}

static void get_stages(struct reading *r, struct order *o)
{
    uint64_t count = get_u64(r);
    char ***stages = (char ***)take_slots(r, count);
    for (uint64_t i = 0; i < count && !r->torn; i++) {
        uint64_t words = get_u64(r);
        char **argv = take_slots(r, words + 1);
        for (uint64_t w = 0; w < words && !r->torn; w++)
            argv[w] = get_string(r);
        if (!r->torn)
            argv[words] = NULL;
        if (!r->torn)
            stages[i] = argv;
    }
    o->stages = (char *const *const *)stages;
    o->stage_count = count;
}

_Static_assert(sizeof(struct parse_pair) == 2 * sizeof(char *), "a pair is two slots");

static const struct parse_pair *get_pairs(struct reading *r, size_t *ret_count)
{
    uint64_t count = get_u64(r);
    char **slots = count <= r->size ? take_slots(r, 2 * count) : take_slots(r, UINT64_MAX);
    for (uint64_t i = 0; i < 2 * count && !r->torn; i++)
        slots[i] = get_string(r);
    *ret_count = r->torn ? 0 : count;
    return (const struct parse_pair *)slots;
}

static void get_bytes(struct reading *r, void *to, size_t len)
{
    if ((size_t)(r->end - r->at) < len) {
        r->torn = true;
        return;
    }
    memcpy(to, r->at, len);
    r->at += len;
}

static void get_facts(struct reading *r, struct parse_facts *f)
{
    f->url = get_string(r);
    f->status = (int)get_u64(r);
    f->headers = get_pairs(r, &f->header_count);
    f->options = get_pairs(r, &f->option_count);
    f->labels = get_pairs(r, &f->label_count);
}

static int decode(struct reading *r, struct order *o)
{
    if (strcmp(get_string(r), PENSTOCK_VERSION) != 0)
        return -EPROTO;
    get_bytes(r, &o->limits, sizeof o->limits);
    o->kind = (enum order_kind)get_u64(r);
    get_stages(r, o);
    o->plugin = get_string(r);
    o->name = get_string(r);
    o->sandbox = get_u64(r);
    o->grace = get_u64(r);
    o->record_bytes = get_u64(r);
    o->drain_after_enough = get_u64(r);
    get_bytes(r, &o->decode, sizeof o->decode);
    get_bytes(r, &o->text, sizeof o->text);
    get_facts(r, &o->facts);
    return r->torn || r->at != r->end || o->stage_count > PIPELINE_STAGES ? -EPROTO : 0;
}

static int receive(int fd, void *to, size_t len)
{
    char *p = to;
    while (len > 0) {
        ssize_t n = recv(fd, p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EPIPE;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int order_receive(int fd, struct order *ret_order)
{
    struct order o = {0};
    uint64_t len;
    int e = receive(fd, &len, sizeof len);
    if (e < 0)
        return e;
    if (len > ORDER_MAX)
        return -EPROTO;
    struct reading r = {.size = len / 8 + 1};
    o.memory = malloc(len + 1);
    o.lists = r.lists = calloc(r.size, sizeof *r.lists);
    if (o.memory && o.lists) {
        e = receive(fd, o.memory, len);
        r.at = o.memory;
        r.end = o.memory + len;
        *r.end = '\0';
        if (e == 0)
            e = decode(&r, &o);
    } else {
        e = -ENOMEM;
    }
    if (e < 0)
        order_free(&o);
    else
        *ret_order = o;
    return e;
}

void order_free(struct order *order)
{
    free(order->memory);
    free(order->lists);
    *order = (struct order){0};
}

/* The name of what cannot be, or NULL. */
static const char *forged(const struct report *report)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        {"decoded_bytes", report->bytes_decoded},
        {"notes", report->notes},
        {"skipped", report->skipped},
        {"replaced", report->replaced},
        {"repaired", report->repaired},
        {"line", report->line},
        {"offset", report->offset == PENSTOCK_NO_OFFSET ? 0 : report->offset},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (counts[i].value >
            INT64_MAX) /* nobody has counted so far; most readers of JSON neither */
            return counts[i].name;
    bool known = report->result == PENSTOCK_OK || report->result == PENSTOCK_ENOUGH ||
                 report->result == PENSTOCK_FAILED;
    return report->returned && !known ? "result" : NULL;
}

void report_check(struct report *report)
{
    report->text[sizeof report->text - 1] = '\0';
    report->charset[sizeof report->charset - 1] = '\0';
    const char *name = forged(report);
    if (!name)
        return;
    *report = (struct report){.kind = report->kind,
                              .stage = report->stage,
                              .status = report->status,
                              .returned = 1,
                              .result = PENSTOCK_FAILED,
                              .error_kind = KIND_PARSER_CRASHED,
                              .offset = PENSTOCK_NO_OFFSET};
    snprintf(report->text, sizeof report->text,
             "its process has written over what it shares with penstock-host: `%s` cannot be",
             name);
}

void report_take_text(const struct report *report, struct parse_task *task)
{
    const struct charset *charset = charset_find(report->charset);
    snprintf(task->charset, sizeof task->charset, "%s", charset ? charset->name : "");
    task->replaced += report->replaced;
    task->repaired += report->repaired;
    task->skipped = report->skipped;
    task->notes = report->notes;
}
