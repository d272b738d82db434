#define PCRE2_CODE_UNIT_WIDTH 8
#include "parse/regex.h"

#include "base/json_string.h"

#include <errno.h>
#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MATCH_STEPS  1000000
#define MATCH_KIB    8192
#define PARENS_DEPTH 50

/* PCRE2 looks up the other cases of each character of a range, one by one, whenever letters' case
 * does not count: some 4 ms for a range up to the last character, and 3 s for a pattern that is
 * full of them. */
#define CASELESS_REACH 0x40000
#define LAST_CHARACTER 0x10ffff

struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    uint32_t groups, entry_size;
    PCRE2_SPTR names; /* `groups` entries: a number of two bytes, a name with its NUL */
};

static int explain(int code, size_t offset, struct error *err)
{
    PCRE2_UCHAR why[128];
    if (code == PCRE2_ERROR_HEAP_FAILED)
        return error_set(err, -ENOMEM, "out of memory");
    if (pcre2_get_error_message(code, why, sizeof why) < 0)
        why[0] = '\0';
    return error_set(err, -EINVAL, "it is no regular expression: %s, at character %zu",
                     (const char *)why, offset + 1);
}

/* --- what it costs to compile ----------------------------------------------------------------- */

/* Does it say anywhere that case does not count, as "(?i)" or "(?s-xi:" do? */
static bool may_be_caseless(const char *pattern)
{
    for (const char *p = pattern; (p = strstr(p, "(?")); p += 2) {
        const char *flags = p + 2;
        size_t n = strspn(flags, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ^-");
        if (memchr(flags, 'i', n))
            return true;
    }
    return false;
}

static uint32_t number_at(const char *text, int base)
{
    unsigned long n = strtoul(text, NULL, base);
    return n < LAST_CHARACTER ? (uint32_t)n : LAST_CHARACTER;
}

/* The character that an escape names; 0 of one that names none; the last one of all where that
 * would need more understanding. */
static uint32_t escaped(const char *p)
{
    switch (*p) {
    case 'x':
        return number_at(p[1] == '{' ? p + 2 : p + 1, 16);
    case 'o':
        return p[1] == '{' ? number_at(p + 2, 8) : 0;
    case 'N':
        return strncmp(p + 1, "{U+", 3) == 0 ? number_at(p + 4, 16) : 0;
    case 'Q':
    case 'E':
        return LAST_CHARACTER;
    default:
        return *p >= '0' && *p <= '9' ? number_at(p, 8) : (unsigned char)*p;
    }
}

/* The character at `p`, in UTF-8 or as an escape; at least that, and for broken UTF-8 anything. */
static uint32_t character_at(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    if (*p == '\\')
        return escaped(p + 1);
    if (u[0] < 0x80)
        return u[0];
    uint32_t c = u[0] >= 0xf0 ? u[0] & 0x07 : u[0] >= 0xe0 ? u[0] & 0x0f : u[0] & 0x1f;
    for (int i = 1; (u[i] & 0xc0) == 0x80 && i < 4; i++)
        c = c << 6 | (u[i] & 0x3f);
    return c;
}

/* How far what may be ranges reach, all together: at least as far as they do. */
static uint64_t ranges_reach(const char *pattern)
{
    uint64_t reach = 0;
    for (const char *p = pattern; (p = strchr(p, '-')); p++)
        reach += character_at(p + 1 + strspn(p + 1, " \t"));
    return reach;
}

static int check_cost(const char *pattern, struct error *err)
{
    if (strlen(pattern) > REGEX_LENGTH)
        return error_set(err, -EINVAL, "it has more than %d bytes", REGEX_LENGTH);
    if (may_be_caseless(pattern) && ranges_reach(pattern) > CASELESS_REACH)
        return error_set(err, -EINVAL,
                         "its ranges of characters are too wide for one where case does not count: "
                         "leave (?i) out, or exclude the others, as [^\\x00-\\x7f] does");
    return 0;
}

/* --- compiled --------------------------------------------------------------------------------- */

static int compile(const char *pattern, uint32_t options, pcre2_code **ret_code, struct error *err)
{
    int code, r = check_cost(pattern, err);
    size_t offset, len = strlen(pattern);
    if (r < 0)
        return r;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        return error_set(err, -ENOMEM, "out of memory");
    pcre2_set_parens_nest_limit(context, PARENS_DEPTH);
    *ret_code =
        pcre2_compile((PCRE2_SPTR)pattern, len,
                      options | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                      &code, &offset, context);
    pcre2_compile_context_free(context);
    return *ret_code ? 0 : explain(code, offset, err);
}

int regex_check(const char *pattern, struct error *err)
{
    pcre2_code *code;
    uint32_t as_it_is = PCRE2_NO_AUTO_POSSESS | PCRE2_NO_START_OPTIMIZE | PCRE2_NO_DOTSTAR_ANCHOR;
    int r = compile(pattern, as_it_is, &code, err);
    if (r == 0)
        pcre2_code_free(code);
    return r;
}

int regex_new(const char *pattern, struct regex **ret_regex, struct error *err)
{
    struct regex *regex = calloc(1, sizeof *regex);
    int r =
        regex ? compile(pattern, 0, &regex->code, err) : error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        free(regex);
        return r;
    }
    /* Where writable memory cannot be executed it is interpreted. */
    (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    regex->match = pcre2_match_data_create_from_pattern(regex->code, NULL);
    regex->limits = pcre2_match_context_create(NULL);
    if (!regex->match || !regex->limits) {
        regex_free(regex);
        return error_set(err, -ENOMEM, "out of memory");
    }
    pcre2_set_match_limit(regex->limits, MATCH_STEPS);
    pcre2_set_heap_limit(regex->limits, MATCH_KIB);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMECOUNT, &regex->groups);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMEENTRYSIZE, &regex->entry_size);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &regex->names);
    *ret_regex = regex;
    return 0;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_match_data_free(regex->match);
    pcre2_match_context_free(regex->limits);
    pcre2_code_free(regex->code);
    free(regex);
}

int regex_match(struct regex *regex, const char *text, size_t len)
{
    int r = pcre2_match(regex->code, (PCRE2_SPTR)text, len, 0, 0, regex->match, regex->limits);
    if (r > 0)
        return 1;
    switch (r) {
    case PCRE2_ERROR_NOMATCH:
        return 0;
    case PCRE2_ERROR_NOMEMORY:
        return -ENOMEM;
    default:
        return -E2BIG;
    }
}

bool regex_has_groups(const struct regex *regex)
{
    return regex->groups > 0;
}

void regex_put_groups(const struct regex *regex, const char *text, struct buf *b)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(regex->match);
    PCRE2_SPTR entry = regex->names;
    for (uint32_t i = 0; i < regex->groups; i++, entry += regex->entry_size) {
        const PCRE2_SIZE *group = at + 2 * (size_t)(entry[0] << 8 | entry[1]);
        buf_putc(b, i > 0 ? ',' : '{');
        json_put_string(b, (const char *)entry + 2, strlen((const char *)entry + 2));
        buf_putc(b, ':');
        if (group[0] == PCRE2_UNSET)
            buf_puts(b, "null");
        else
            json_put_string(b, text + group[0], group[1] - group[0]);
    }
    buf_putc(b, '}');
}
