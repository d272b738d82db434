#include "flow/transcode.h"

#include "base/utf8.h"
#include "flow/transcode_codec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT    32768 /* bytes that wait to be converted; at least CHARSET_HEAD */
#define CUT_MAX  3     /* bytes of UTF-8 that a read can leave over */
#define SMALLEST 64    /* room in which a step can always do something */

_Static_assert(INPUT > CHARSET_HEAD && SMALLEST > TEXT_STEP_ROOM, "room");

struct transcode {
    struct charset_plan plan;
    transcode_source source;
    void *arg;
    struct charset_choice choice; /* its charset is NULL until it is known */
    struct text_codec codec;
    /* What has come and is not converted yet. Well-formed UTF-8 is not kept here. */
    unsigned char *input;
    size_t at, len;
    unsigned char cut[CUT_MAX]; /* UTF-8's first bytes of a character */
    size_t cut_len;
    /* For reads of a few bytes. */
    unsigned char small[SMALLEST];
    size_t small_at, small_len;
    uint64_t taken; /* bytes of the source that are text, or were replaced */
    uint64_t replaced;
    bool starved; /* what waits is less than a character */
    bool ended;   /* the source gave 0 */
    bool over;    /* and nothing is held back */
    enum transcode_fault fault;
    struct error message;
};

struct transcode *transcode_new(const struct charset_plan *plan, transcode_source source, void *arg)
{
    struct transcode *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->plan = *plan;
    t->source = source;
    t->arg = arg;
    return t;
}

void transcode_free(struct transcode *t)
{
    if (!t)
        return;
    text_codec_deinit(&t->codec);
    free(t->input);
    free(t);
}

/* --- faults ----------------------------------------------------------------------------------- */

static ssize_t set_fault(struct transcode *t, enum transcode_fault fault)
{
    if (t->fault == TRANSCODE_FINE)
        t->fault = fault;
    return -1;
}

static void describe_bytes(const struct transcode *t, const unsigned char *bytes, size_t count,
                           char *text, size_t size)
{
    size_t n = (size_t)snprintf(text, size, "byte%s", count == 1 ? "" : "s");
    for (size_t i = 0; i < count && i < 4; i++)
        n += (size_t)snprintf(text + n, size - n, " 0x%02x", bytes[i]);
    snprintf(text + n, size - n, " at offset %" PRIu64, t->taken);
}

/* At the fault stand bytes that are no character. */
static void set_wrong(struct transcode *t, const unsigned char *bytes, size_t count, bool cut)
{
    char what[80];
    bool guessed =
        !t->plan.option[0] && !t->plan.header[0] && t->choice.charset->form == CHARSET_UTF8;
    describe_bytes(t, bytes, count, what, sizeof what);
    error_set(&t->message, 0, "%s %s no text in %s%s; %scharset_errors = replace puts U+FFFD there",
              what, count == 1 ? "is" : "are", t->choice.charset->name,
              cut ? ", and the body ends in the middle of a character" : "",
              guessed ? "charset = NAME says what else it is in, " : "");
    set_fault(t, TRANSCODE_WRONG);
}

/* --- input ------------------------------------------------------------------------------------ */

static bool has_input(struct transcode *t)
{
    if (!t->input)
        t->input = malloc(INPUT);
    if (!t->input)
        set_fault(t, TRANSCODE_NO_MEMORY);
    return t->input;
}

/* More behind what waits. 1; 0: there is none; -1. */
static int fill(struct transcode *t)
{
    if (t->ended)
        return 0;
    memmove(t->input, t->input + t->at, t->len - t->at);
    t->len -= t->at;
    t->at = 0;
    ssize_t n = t->source(t->arg, (char *)t->input + t->len, INPUT - t->len);
    if (n < 0)
        return (int)set_fault(t, TRANSCODE_BROKEN_SOURCE);
    t->len += (size_t)n;
    t->ended = n == 0;
    return n > 0;
}

/* Reads until the first bytes tell the charset, and sets its converter up. 0 or -1. */
static int begin(struct transcode *t)
{
    int r;
    if (!has_input(t))
        return -1;
    while ((r = charset_choose(&t->plan, (const char *)t->input, t->len, t->ended, &t->choice,
                               &t->message)) > 0)
        if (fill(t) < 0)
            return -1;
    if (r == 0)
        r = text_codec_init(&t->codec, t->choice.charset);
    if (r == -EINVAL && !t->message.text[0])
        error_set(&t->message, 0,
                  "this system's iconv does not know the charset %s: part of the C library is not "
                  "installed "
                  "(libc-gconv-modules-extra)",
                  t->choice.charset->name);
    if (r < 0)
        return (int)set_fault(t, r == -EINVAL ? TRANSCODE_WRONG : TRANSCODE_NO_MEMORY);
    t->at = t->choice.mark;
    t->taken = t->choice.mark;
    return 0;
}

/* --- UTF-8 where it lies ---------------------------------------------------------------------- */

/* What is well-formed stays in `data`; what is behind it waits. */
static ssize_t keep_rest(struct transcode *t, const unsigned char *data, size_t good, size_t len)
{
    size_t rest = len - good;
    const unsigned char *p = data + good;
    struct text_step probe = {
        .in = p, .in_end = p + rest, .out = t->small, .out_end = t->small + SMALLEST};
    t->taken += good;
    if (rest <= CUT_MAX && t->codec.run(&t->codec, &probe) == TEXT_MORE && probe.in == p) {
        memcpy(t->cut, p, rest);
        t->cut_len = rest;
    } else if (has_input(t)) {
        memcpy(t->input, p, rest);
        t->at = 0;
        t->len = rest;
        t->starved = false;
    } else if (good == 0) {
        return -1;
    }
    return (ssize_t)good;
}

/* The bytes that are well-formed, at the start of `data`; 0: none, and others wait, or the source
 * has ended. */
static ssize_t read_in_place(struct transcode *t, char *data, size_t size)
{
    size_t held = t->cut_len, room = size < INPUT ? size : INPUT;
    memcpy(data, t->cut, held);
    ssize_t n = t->source(t->arg, data + held, room - held);
    if (n < 0)
        return set_fault(t, TRANSCODE_BROKEN_SOURCE);
    t->cut_len = 0;
    t->ended = n == 0;
    size_t len = held + (size_t)n;
    if (t->ended && held > 0) { /* a character that will not become whole */
        if (!has_input(t))
            return -1;
        memcpy(t->input, data, held);
        t->at = 0;
        t->len = held;
        return 0;
    }
    size_t good = utf8_valid(data, len);
    if (good < len)
        return keep_rest(t, (const unsigned char *)data, good, len);
    t->taken += len;
    return (ssize_t)len;
}

/* --- what waits ------------------------------------------------------------------------------- */

/* At the input stand `count` bytes that are no character. True: they were replaced. */
static bool take_wrong(struct transcode *t, struct text_step *s, size_t count, bool cut)
{
    if (!t->plan.replace) {
        set_wrong(t, s->in, count, cut);
        return false;
    }
    memcpy(s->out, "\xef\xbf\xbd", 3);
    s->out += 3;
    s->in += count;
    t->taken += count;
    t->replaced++;
    return true;
}

/* Once the input is used up but for a part of a character: reads more, or ends. True: there is more
 * to do. */
static bool take_more(struct transcode *t, struct text_step *s)
{
    size_t left = (size_t)(s->in_end - s->in);
    t->starved = !t->ended;
    if (!t->ended)
        return false;
    if (left > 0)
        return take_wrong(t, s, left, true);
    t->over = true;
    if (text_codec_flush(&t->codec, s) < 0)
        set_fault(t, TRANSCODE_NO_MEMORY);
    return false;
}

/* One step and what it calls for. True: another one. */
static bool take_step(struct transcode *t, struct text_step *s, const unsigned char *start)
{
    const unsigned char *from = s->in;
    if (s->out_end - s->out < TEXT_STEP_ROOM)
        return false;
    enum text_result result = t->codec.run(&t->codec, s);
    t->taken += (uint64_t)(s->in - from);
    switch (result) {
    case TEXT_MORE:
        return take_more(t, s);
    case TEXT_WRONG:
        if (text_codec_flush(&t->codec, s) < 0)
            break;
        /* What stands before it is given first. */
        if (!t->plan.replace && s->out > start)
            return false;
        return s->out_end - s->out >= 3 && take_wrong(t, s, t->codec.wrong, false);
    case TEXT_FULL:
        return false;
    case TEXT_FAILED:
        break;
    }
    set_fault(t, TRANSCODE_NO_MEMORY);
    return false;
}

/* Converts what waits. The bytes of text; 0: more input is needed, or it is over; -1. */
static ssize_t convert(struct transcode *t, char *data, size_t size)
{
    unsigned char *start = (unsigned char *)data;
    struct text_step s = {
        .in = t->input + t->at, .in_end = t->input + t->len, .out = start, .out_end = start + size};
    while (take_step(t, &s, start))
        ;
    t->at = (size_t)(s.in - t->input);
    if (s.out > start)
        return s.out - start;
    /* Nothing came of so much room: the converter does not keep its word. */
    if (t->fault == TRANSCODE_FINE && !t->starved && !t->over)
        set_fault(t, TRANSCODE_NO_MEMORY);
    return t->fault != TRANSCODE_FINE ? -1 : 0;
}

/* Can what comes next be checked where it lies? Then nothing of the input is wanted any more. */
static bool go_in_place(struct transcode *t)
{
    size_t left = t->len - t->at;
    if (t->choice.charset->form != CHARSET_UTF8 || t->ended ||
        (left > 0 && (!t->starved || left > CUT_MAX)))
        return false;
    if (left > 0) {
        memcpy(t->cut, t->input + t->at, left);
        t->cut_len = left;
    }
    free(t->input);
    t->input = NULL;
    t->at = t->len = 0;
    return true;
}

/* At least SMALLEST bytes of room. */
static ssize_t read_text(struct transcode *t, char *data, size_t size)
{
    ssize_t n = 0;
    if (t->fault == TRANSCODE_FINE && !t->choice.charset)
        begin(t);
    while (n == 0 && t->fault == TRANSCODE_FINE && !t->over) {
        bool in_place = go_in_place(t);
        if (!in_place && (!has_input(t) || (t->starved && fill(t) < 0)))
            return -1;
        t->starved = false;
        n = in_place ? read_in_place(t, data, size) : convert(t, data, size);
    }
    return n == 0 && t->fault != TRANSCODE_FINE ? -1 : n;
}

ssize_t transcode_read(struct transcode *t, char *data, size_t size)
{
    if (size >= SMALLEST && t->small_at == t->small_len)
        return read_text(t, data, size);
    if (t->small_at == t->small_len) {
        char text[SMALLEST]; /* `small` is also a probe's */
        ssize_t n = read_text(t, text, sizeof text);
        if (n <= 0)
            return n;
        memcpy(t->small, text, (size_t)n);
        t->small_at = 0;
        t->small_len = (size_t)n;
    }
    size_t n = t->small_len - t->small_at;
    if (n > size)
        n = size;
    memcpy(data, t->small + t->small_at, n);
    t->small_at += n;
    return (ssize_t)n;
}

/* --- what came of it -------------------------------------------------------------------------- */

enum transcode_fault transcode_fault(const struct transcode *t)
{
    return t->fault;
}

const char *transcode_message(const struct transcode *t)
{
    if (t->fault == TRANSCODE_NO_MEMORY)
        return "no memory for converting the text";
    return t->fault == TRANSCODE_WRONG ? t->message.text : "";
}

uint64_t transcode_offset(const struct transcode *t)
{
    return t->taken;
}

uint64_t transcode_replaced(const struct transcode *t)
{
    return t->replaced;
}

const struct charset *transcode_charset(const struct transcode *t)
{
    return t->choice.charset;
}

bool transcode_contradicted(const struct transcode *t)
{
    return t->choice.contradicted;
}

size_t transcode_mark(const struct transcode *t)
{
    return t->choice.charset && t->choice.charset->form == CHARSET_UTF8 ? t->choice.mark : 0;
}
