/* Stages, each reading from the one below: stage 0 reads the source. The last one may be for the
 * file itself, and then is made once the first bytes are known; where they tell of nothing to
 * decode, reads go straight to the stage below, or to the source. */
#include "flow/decode.h"

#include "flow/decode_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define INPUT      32768
#define MAX_STAGES (DECODE_STACK + 1)

struct stage {
    struct decode *decode;
    unsigned index;
    const struct codec *codec;
    void *state;
    uint8_t *in; /* INPUT bytes */
    size_t in_pos, in_len;
    bool ended;   /* what is below has ended: nothing follows what is in `in` */
    bool between; /* no stream is open */
    bool held;    /* the codec may hold output back, as the last one was full */
    uint64_t streams, padding;
    uint64_t taken, given;
    bool checked;  /* the last stream had a checksum */
    bool demanded; /* no stream at all is a fault, and not an empty body */
};

struct decode {
    decode_source source;
    void *arg;
    struct decode_plan plan;
    struct stage stages[MAX_STAGES];
    unsigned count;
    bool sniffing;           /* the file's own coding is not known yet */
    bool over;               /* the end was given */
    char head[DECODE_MAGIC]; /* read to tell, and not given yet: for reads smaller than that */
    size_t head_pos, head_len;
    enum decode_fault fault;
    bool cut; /* the fault is the source's end */
    struct error message;
};

static const struct codec *const codecs[DECODE_CODINGS_] = {
    [DECODE_GZIP] = &codec_gzip, [DECODE_DEFLATE] = &codec_deflate, [DECODE_BROTLI] = &codec_brotli,
    [DECODE_ZSTD] = &codec_zstd, [DECODE_BZIP2] = &codec_bzip2,     [DECODE_XZ] = &codec_xz,
};

/* --- what a file begins with ------------------------------------------------------------------ */

static bool begins(const char *head, size_t len, const char *magic, size_t magic_len)
{
    return memcmp(head, magic, len < magic_len ? len : magic_len) == 0;
}

/* zstd has sixteen magic numbers for frames that hold no data and stand anywhere among the others
 * (RFC 8878, 3.1.2); pzstd writes one in front of each. LZ4 has the same ones, but is none of
 * ours. */
static bool begins_skippable(const char *head, size_t len)
{
    return len > 0 && (head[0] & 0xf0) == 0x50 && begins(head + 1, len - 1, "\x2a\x4d\x18", 3);
}

int decode_sniff(const void *head, size_t len)
{
    static const struct {
        enum decode_coding coding;
        size_t len;
        const char *magic;
    } table[] = {{DECODE_GZIP, 3, "\x1f\x8b\x08"},
                 {DECODE_ZSTD, 4, "\x28\xb5\x2f\xfd"},
                 {DECODE_XZ, 6,
                  "\xfd"
                  "7zXZ\0"}};
    static const char block[] = "\x31\x41\x59\x26\x53\x59", empty[] = "\x17\x72\x45\x38\x50\x90";
    const char *p = head;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (begins(p, len, table[i].magic, table[i].len))
            return len >= table[i].len ? (int)table[i].coding : -2;
    if (begins_skippable(p, len))
        return len >= 4 ? DECODE_ZSTD : -2;
    if (!begins(p, len, "BZh", 3) || (len > 3 && (p[3] < '1' || p[3] > '9')))
        return -1;
    if (len > 4 && !begins(p + 4, len - 4, block, 6) && !begins(p + 4, len - 4, empty, 6))
        return -1;
    return len >= DECODE_MAGIC ? DECODE_BZIP2 : -2;
}

/* --- faults ----------------------------------------------------------------------------------- */

static ssize_t fail(struct decode *d, enum decode_fault fault)
{
    d->fault = fault;
    if (fault == DECODE_NO_MEMORY)
        error_set(&d->message, 0, "no memory to decode the body");
    return -1;
}

static ssize_t fail_cut(struct stage *s)
{
    error_set(&s->decode->message, 0, "the %s data is cut: it ends in the middle of a stream",
              s->codec->name);
    s->decode->cut = true;
    return fail(s->decode, DECODE_CORRUPT);
}

static ssize_t fail_corrupt(struct stage *s)
{
    if (s->streams > 0)
        error_set(&s->decode->message, 0,
                  "the %s data is damaged in stream %llu, near byte %llu, or what follows the "
                  "stream before is none",
                  s->codec->name, (unsigned long long)s->streams + 1, (unsigned long long)s->taken);
    else
        error_set(&s->decode->message, 0, "the %s data is damaged, near byte %llu", s->codec->name,
                  (unsigned long long)s->taken);
    return fail(s->decode, DECODE_CORRUPT);
}

static ssize_t fail_trailing(struct stage *s)
{
    error_set(&s->decode->message, 0, "something else follows the end of the %s data, at byte %llu",
              s->codec->name, (unsigned long long)s->taken);
    return fail(s->decode, DECODE_CORRUPT);
}

static ssize_t fail_window(struct stage *s)
{
    error_set(&s->decode->message, 0,
              "the %s data needs a larger window than %llu bytes (flow.decode_window)",
              s->codec->name, (unsigned long long)s->decode->plan.max_window);
    return fail(s->decode, DECODE_LIMIT);
}

/* --- a stage ---------------------------------------------------------------------------------- */

static ssize_t read_below(struct decode *d, unsigned index, char *data, size_t size);

static struct stage *push(struct decode *d, enum decode_coding coding)
{
    struct stage *s = &d->stages[d->count];
    *s = (struct stage){.decode = d, .index = d->count, .codec = codecs[coding], .between = true};
    s->in = malloc(INPUT);
    s->state = s->codec->open(d->plan.max_window);
    d->count++; /* decode_free frees whatever there is */
    return s->in && s->state ? s : NULL;
}

/* More input, if what is below has any. Blocks. False: a fault. */
static bool refill(struct stage *s)
{
    ssize_t n = read_below(s->decode, s->index, (char *)s->in, INPUT);
    if (n < 0)
        return false;
    s->ended = n == 0;
    s->in_pos = 0;
    s->in_len = (size_t)n;
    return true;
}

/* At the start of a stream, with input: 1, it is open; 0, what was there was padding; -1, a
 * fault. */
static int begin_stream(struct stage *s)
{
    if (s->streams > 0) {
        while (s->codec->padding && s->in_pos < s->in_len && s->in[s->in_pos] == 0) {
            s->in_pos++;
            s->taken++;
            s->padding++;
        }
        if (s->in_pos == s->in_len)
            return 0;
        bool another =
            s->codec->several && (!s->codec->first || s->in[s->in_pos] == s->codec->first);
        if (!another || (s->padding > 0 && s->padding % s->codec->padding != 0))
            return (int)fail_trailing(s);
    }
    if (!s->codec->begin(s->state))
        return (int)fail(s->decode, DECODE_NO_MEMORY);
    s->between = s->held = false;
    s->padding = 0;
    return 1;
}

/* How much the codec may give now: one byte more than the limit would tell. */
static size_t room(const struct stage *s, size_t size)
{
    uint64_t max = s->decode->plan.max_decoded;
    if (max == 0 || max - s->given >= size)
        return size;
    return (size_t)(max - s->given) + 1;
}

static ssize_t check_limits(struct stage *s)
{
    struct decode *d = s->decode;
    const struct decode_plan *plan = &d->plan;
    uint64_t body = d->stages[0].taken;
    if (plan->max_decoded > 0 && s->given > plan->max_decoded) {
        error_set(&d->message, 0, "the decoded body has more than %llu bytes (max_decoded)",
                  (unsigned long long)plan->max_decoded);
        return fail(d, DECODE_LIMIT);
    }
    if (plan->max_ratio > 0 && s->given > DECODE_RATIO_FREE && s->given / plan->max_ratio > body) {
        error_set(&d->message, 0,
                  "%llu bytes of the body became %llu, more than %llu times as many "
                  "(flow.decode_ratio)",
                  (unsigned long long)body, (unsigned long long)s->given,
                  (unsigned long long)plan->max_ratio);
        return fail(d, DECODE_LIMIT);
    }
    return 0;
}

/* One call of the codec. The bytes it gave, or -1. */
static ssize_t step(struct stage *s, char *data, size_t size)
{
    struct codec_io io = {s->in + s->in_pos, s->in_len - s->in_pos, (uint8_t *)data, room(s, size)};
    size_t in = io.in_len, out = io.out_len;
    enum codec_step r = s->codec->step(s->state, &io);
    size_t given = out - io.out_len;
    s->in_pos += in - io.in_len;
    s->taken += in - io.in_len;
    s->given += given;
    s->held = io.out_len == 0;
    switch (r) {
    case CODEC_CORRUPT:
        return fail_corrupt(s);
    case CODEC_WINDOW:
        return fail_window(s);
    case CODEC_NO_MEMORY:
        return fail(s->decode, DECODE_NO_MEMORY);
    case CODEC_END:
        s->between = true;
        s->streams++;
        s->checked = s->codec->checked(s->state);
        break;
    case CODEC_GOING:
        if (in > 0 && io.in_len == in && given == 0)
            return fail_corrupt(s); /* it would never end */
        break;
    }
    return check_limits(s) < 0 ? -1 : (ssize_t)given;
}

/* The end of what is below, and all of it used. */
static ssize_t end_stage(struct stage *s)
{
    if (!s->between || (s->demanded && s->streams == 0))
        return fail_cut(s);
    if (s->padding > 0 && s->padding % s->codec->padding != 0) {
        s->decode->cut = true;
        return fail_trailing(s);
    }
    return 0;
}

static ssize_t read_stage(struct stage *s, char *data, size_t size)
{
    for (;;) {
        bool input = s->in_pos < s->in_len;
        if (!input && !s->ended && (s->between || !s->held)) {
            if (!refill(s))
                return -1;
            input = s->in_pos < s->in_len;
        }
        if (s->between) {
            if (!input)
                return end_stage(s);
            int begun = begin_stream(s);
            if (begun < 0)
                return -1;
            if (begun == 0)
                continue;
        }
        bool drained = !input && !s->held;
        ssize_t n = step(s, data, size);
        if (n != 0)
            return n;
        if (drained && s->ended && !s->between)
            return fail_cut(s);
    }
}

static ssize_t read_below(struct decode *d, unsigned index, char *data, size_t size)
{
    if (index > 0)
        return read_stage(&d->stages[index - 1], data, size);
    ssize_t n = d->source(d->arg, data, size);
    return n < 0 ? fail(d, DECODE_BROKEN_SOURCE) : n;
}

/* --- the chain -------------------------------------------------------------------------------- */

static int file_coding(enum decode_file file)
{
    switch (file) {
    case DECODE_FILE_GZIP:
        return DECODE_GZIP;
    case DECODE_FILE_BZIP2:
        return DECODE_BZIP2;
    case DECODE_FILE_XZ:
        return DECODE_XZ;
    case DECODE_FILE_ZSTD:
        return DECODE_ZSTD;
    default:
        return -1;
    }
}

struct decode *decode_new(const struct decode_plan *plan, decode_source source, void *arg)
{
    struct decode *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->source = source;
    d->arg = arg;
    d->plan = *plan;
    if (d->plan.max_window == 0)
        d->plan.max_window = DECODE_WINDOW;
    d->sniffing = plan->file == DECODE_FILE_AUTO;
    bool made = true;
    for (size_t i = plan->coding_count; made && i-- > 0;)
        made = push(d, plan->codings[i]) != NULL;
    int coding = file_coding(plan->file);
    if (made && coding >= 0) {
        made = push(d, (enum decode_coding)coding) != NULL;
        d->stages[d->count - 1].demanded = true;
    }
    if (made)
        return d;
    decode_free(d);
    return NULL;
}

void decode_free(struct decode *d)
{
    if (!d)
        return;
    for (unsigned i = 0; i < d->count; i++) {
        d->stages[i].codec->close(d->stages[i].state);
        free(d->stages[i].in);
    }
    free(d);
}

/* The file's first bytes, `len` of them, are those of a coding: they become a stage's input. */
static ssize_t decode_head(struct decode *d, int coding, const char *head, size_t len)
{
    struct stage *s = push(d, (enum decode_coding)coding);
    if (!s)
        return fail(d, DECODE_NO_MEMORY);
    memcpy(s->in, head, len);
    s->in_len = len;
    return 0;
}

/* Reads until the first bytes tell. They stay in `data`, if nothing is to be decoded: returns how
 * many. 0: there is a stage now, or the end; -1: a fault. `size` is at least DECODE_MAGIC. */
static ssize_t sniff(struct decode *d, char *data, size_t size)
{
    size_t len = 0, most = size < INPUT ? size : INPUT;
    int coding;
    do {
        ssize_t n = read_below(d, d->count, data + len, most - len);
        if (n < 0)
            return -1;
        len += (size_t)n;
        coding = n == 0 ? -1 : decode_sniff(data, len);
    } while (coding == -2);
    d->sniffing = false;
    return coding >= 0 ? decode_head(d, coding, data, len) : (ssize_t)len;
}

static ssize_t read_top(struct decode *d, char *data, size_t size)
{
    if (d->sniffing) {
        ssize_t n = sniff(d, data, size);
        if (n != 0)
            return n;
    }
    return read_below(d, d->count, data, size);
}

static ssize_t give_head(struct decode *d, char *data, size_t size)
{
    size_t n = d->head_len - d->head_pos < size ? d->head_len - d->head_pos : size;
    memcpy(data, d->head + d->head_pos, n);
    d->head_pos += n;
    return (ssize_t)n;
}

ssize_t decode_read(struct decode *d, char *data, size_t size)
{
    if (d->fault != DECODE_FINE)
        return -1;
    if (d->over)
        return 0;
    if (d->sniffing && size < DECODE_MAGIC) {
        ssize_t n = sniff(d, d->head, DECODE_MAGIC);
        if (n < 0)
            return -1;
        d->head_len = (size_t)n;
    }
    if (d->head_pos < d->head_len)
        return give_head(d, data, size);
    ssize_t n = read_top(d, data, size);
    d->over = n == 0;
    return n;
}

enum decode_fault decode_fault(const struct decode *d)
{
    return d->fault;
}

bool decode_cut(const struct decode *d)
{
    return d->cut;
}

const char *decode_message(const struct decode *d)
{
    return d->message.text;
}

bool decode_active(const struct decode *d)
{
    return d->count > 0;
}

bool decode_vouches(const struct decode *d)
{
    if (!d->over)
        return false;
    for (unsigned i = 0; i < d->count; i++)
        if (d->stages[i].streams == 1 && d->stages[i].checked)
            return true;
    return false;
}
