#include "parse/json_scan.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum state {
    TOP,           /* between values at the top */
    VALUE,         /* a value must come */
    FIRST_ELEMENT, /* behind [ */
    FIRST_NAME,    /* behind { */
    NAME,          /* behind a comma in an object */
    COLON,
    AFTER, /* behind a value in a container */
    STRING,
    ESCAPE,
    HEX,
    WORD,
    /* Numbers, by what has come. The order counts: from ZERO on, see ends_number. */
    MINUS,
    POINT,
    EXPONENT,
    SIGN,
    ZERO,
    DIGITS,
    FRACTION,
    POWER,
    WRONG,
};

/* What a call works on. */
struct cursor {
    const char *p, *end;
};

void json_scan_init(struct json_scan *s, unsigned max_depth, unsigned watch)
{
    *s = (struct json_scan){.max_depth = max_depth, .watch = watch, .state = TOP};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool ends_number(int state)
{
    return state >= ZERO && state <= POWER;
}

static enum json_event bad(struct json_scan *s, const char *reason)
{
    s->state = WRONG;
    s->reason = reason;
    return JSON_BAD;
}

/* --- containers ------------------------------------------------------------------------------- */

static enum json_event told(const struct json_scan *s, enum json_event event)
{
    return s->depth <= s->watch ? event : JSON_MORE;
}

/* A value has ended. */
static enum json_event finish(struct json_scan *s)
{
    s->state = s->depth > 0 ? AFTER : TOP;
    s->values += s->depth == 0;
    s->bare = s->depth == 0;
    return told(s, JSON_END);
}

static enum json_event open_container(struct json_scan *s, bool object)
{
    if (s->depth == s->max_depth) {
        s->state = WRONG;
        s->reason = "nested too deep";
        return JSON_TOO_DEEP;
    }
    enum json_event event = told(s, JSON_BEGIN);
    uint64_t bit = UINT64_C(1) << s->depth % 64, *word = &s->objects[s->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    s->depth++;
    s->state = object ? FIRST_NAME : FIRST_ELEMENT;
    return event;
}

static enum json_event close_container(struct json_scan *s, struct cursor *c)
{
    bool object = json_scan_in_object(s, s->depth);
    if (*c->p != (object ? '}' : ']'))
        return bad(s, object ? "a comma or } must come" : "a comma or ] must come");
    c->p++;
    s->depth--;
    return finish(s);
}

/* --- strings ---------------------------------------------------------------------------------- */

static bool plain(char byte)
{
    return byte != '"' && byte != '\\' && (unsigned char)byte >= 0x20;
}

/* The first byte that is no plain part of a string. */
static const char *skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, control), v);
        __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_or_si128(low, mark));
        if (found)
            return p + __builtin_ctz(found);
    }
#endif
    while (p < end && plain(*p))
        p++;
    return p;
}

static enum json_event end_string(struct json_scan *s)
{
    if (!s->in_name)
        return finish(s);
    s->in_name = false;
    s->state = COLON;
    return told(s, JSON_NAME_END);
}

static enum json_event scan_string(struct json_scan *s, struct cursor *c)
{
    c->p = skip_plain(c->p, c->end);
    if (c->p == c->end)
        return JSON_MORE;
    if (*c->p == '"') {
        c->p++;
        return end_string(s);
    }
    if (*c->p != '\\')
        return bad(s, "a control character in a string");
    c->p++;
    s->state = ESCAPE;
    return JSON_MORE;
}

static enum json_event scan_escape(struct json_scan *s, struct cursor *c)
{
    if (!memchr("\"\\/bfnrtu", *c->p, 9))
        return bad(s, "no escape that there is");
    s->state = *c->p++ == 'u' ? HEX : STRING;
    s->hex = 4;
    return JSON_MORE;
}

static enum json_event scan_hex(struct json_scan *s, struct cursor *c)
{
    char low = (char)(*c->p | 0x20);
    if (!is_digit(*c->p) && (low < 'a' || low > 'f'))
        return bad(s, "four hexadecimal digits must follow \\u");
    c->p++;
    if (--s->hex == 0)
        s->state = STRING;
    return JSON_MORE;
}

/* --- other tokens ----------------------------------------------------------------------------- */

static enum json_event scan_word(struct json_scan *s, struct cursor *c)
{
    while (*s->word && c->p < c->end) {
        if (*c->p != *s->word)
            return bad(s, "no JSON value");
        c->p++;
        s->word++;
    }
    return *s->word ? JSON_MORE : finish(s);
}

/* The state that a byte leads to, or -1 if it belongs to no number. */
static int next_of_number(int state, char byte)
{
    switch (state) {
    case MINUS:
        return byte == '0' ? ZERO : is_digit(byte) ? DIGITS : -1;
    case POINT:
        return is_digit(byte) ? FRACTION : -1;
    case EXPONENT:
        return is_digit(byte) ? POWER : byte == '+' || byte == '-' ? SIGN : -1;
    case SIGN:
        return is_digit(byte) ? POWER : -1;
    case POWER:
        return is_digit(byte) ? POWER : -1;
    default:
        if (byte == '.' && state != FRACTION)
            return POINT;
        if (byte == 'e' || byte == 'E')
            return EXPONENT;
        return is_digit(byte) && state != ZERO ? state : -1;
    }
}

static enum json_event scan_number(struct json_scan *s, struct cursor *c)
{
    int state = s->state;
    const char *p = c->p;
    for (; p < c->end; p++) {
        int next = next_of_number(state, *p);
        if (next < 0)
            break;
        state = next;
    }
    s->state = state;
    c->p = p;
    if (p == c->end)
        return JSON_MORE;
    return ends_number(state) ? finish(s) : bad(s, "no number that JSON knows");
}

static enum json_event begin_word(struct json_scan *s, const char *rest)
{
    s->word = rest;
    s->state = WORD;
    return told(s, JSON_BEGIN);
}

static enum json_event begin_number(struct json_scan *s, int state)
{
    s->state = state;
    return told(s, JSON_BEGIN);
}

/* The first byte of a value. */
static enum json_event begin_value(struct json_scan *s, struct cursor *c)
{
    enum json_event event;
    char byte = *c->p;
    switch (byte) {
    case '{':
    case '[':
        event = open_container(s, byte == '{');
        c->p += event != JSON_TOO_DEEP;
        return event;
    case '"':
        s->state = STRING;
        event = told(s, JSON_BEGIN);
        break;
    case 't':
        event = begin_word(s, "rue");
        break;
    case 'f':
        event = begin_word(s, "alse");
        break;
    case 'n':
        event = begin_word(s, "ull");
        break;
    case '-':
        event = begin_number(s, MINUS);
        break;
    case '0':
        event = begin_number(s, ZERO);
        break;
    default:
        if (!is_digit(byte))
            return bad(s, "no JSON value");
        event = begin_number(s, DIGITS);
    }
    c->p++;
    return event;
}

static enum json_event scan_top(struct json_scan *s, struct cursor *c)
{
    if (s->separators && *c->p == '\x1e') {
        s->bare = false;
        c->p++;
        return JSON_MORE;
    }
    return s->bare ? bad(s, "white space must come between two JSON values") : begin_value(s, c);
}

static enum json_event scan_name(struct json_scan *s, struct cursor *c)
{
    if (*c->p != '"')
        return s->state == FIRST_NAME && *c->p == '}' ? close_container(s, c)
                                                      : bad(s, "a member's name must come");
    c->p++;
    s->in_name = true;
    s->state = STRING;
    return told(s, JSON_NAME);
}

static enum json_event scan_after(struct json_scan *s, struct cursor *c)
{
    if (*c->p != ',')
        return close_container(s, c);
    c->p++;
    s->state = json_scan_in_object(s, s->depth) ? NAME : VALUE;
    return JSON_MORE;
}

/* A token's first byte: c->p is at no white space. */
static enum json_event scan_between(struct json_scan *s, struct cursor *c)
{
    switch (s->state) {
    case TOP:
        return scan_top(s, c);
    case FIRST_ELEMENT:
        if (*c->p == ']')
            return close_container(s, c);
        return begin_value(s, c);
    case VALUE:
        return begin_value(s, c);
    case FIRST_NAME:
    case NAME:
        return scan_name(s, c);
    case COLON:
        if (*c->p != ':')
            return bad(s, "a colon must come");
        c->p++;
        s->state = VALUE;
        return JSON_MORE;
    default:
        return scan_after(s, c);
    }
}

static enum json_event scan_token(struct json_scan *s, struct cursor *c)
{
    switch (s->state) {
    case STRING:
        return scan_string(s, c);
    case ESCAPE:
        return scan_escape(s, c);
    case HEX:
        return scan_hex(s, c);
    case WORD:
        return scan_word(s, c);
    case WRONG:
        return JSON_BAD;
    default:
        return scan_number(s, c);
    }
}

static void skip_space(struct json_scan *s, struct cursor *c)
{
    s->bare = false;
    while (c->p < c->end && is_space(*c->p))
        c->p++;
}

enum json_event json_scan(struct json_scan *s, const char *text, size_t len, size_t *ret_used)
{
    struct cursor c = {text, text + len};
    enum json_event event = JSON_MORE;
    while (c.p < c.end && event == JSON_MORE) {
        if (s->state > AFTER)
            event = scan_token(s, &c);
        else if (is_space(*c.p))
            skip_space(s, &c);
        else
            event = scan_between(s, &c);
    }
    *ret_used = (size_t)(c.p - text);
    return event;
}

enum json_event json_scan_end(struct json_scan *s)
{
    if (s->state == TOP)
        return JSON_MORE;
    if (s->state == WRONG)
        return JSON_BAD;
    if (s->depth == 0 && ends_number(s->state)) {
        finish(s);
        return told(s, JSON_END);
    }
    return bad(s, "the JSON value is cut short");
}
