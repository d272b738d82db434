/* The syntax, by libini_config. The text is cut at its section headers and each piece is given to
 * the library by itself: it would merge [parser "Fx"] with [parser "fx"], as it compares names
 * without case, and tells the line of a value but not that of a header. Everything else about a
 * line is its business. */
#include "base/config_build.h"
#include "base/utf8.h"

#include <errno.h>
#include <ini_configobj.h>
#include <stdlib.h>
#include <string.h>

#define PARSE_FLAGS     (INI_PARSE_NOWRAP | INI_PARSE_NO_C_COMMENTS)
#define COLLISION_FLAGS (INI_MS_MERGE | INI_MV1S_ALLOW | INI_MV2S_ALLOW)

/* Stands before lines that no header precedes, so that the library can say where they are. */
#define ORPHANS "[-]\n"

/* A piece of a file: a header's line and those up to the next. */
struct piece {
    struct config *config;
    const char *text;
    size_t len;
    const char *file;
    unsigned line; /* of its first line in the file */
    bool orphans;  /* begins with ORPHANS, which is not in the file */
};

static int piece_error(const struct piece *p, unsigned line, int code, struct error *err,
                       const char *what)
{
    return error_set(err, code, "%s:%u: %s", p->file, line, what);
}

static const char *syntax_error(int code)
{
    switch (code) {
    case ERR_NOCLOSESEC:
        return "a section's header ends with ], as in [sink \"records\"]";
    case ERR_NOSECTION:
        return "the section's name is missing between [ and ]";
    case ERR_SECTIONLONG:
        return "the section's name is too long";
    case ERR_NOEQUAL:
        return "the line has no =; a line is KEY = VALUE, [SECTION], or begins with # as a comment";
    case ERR_NOKEY:
        return "there is no key before the =";
    case ERR_LONGKEY:
        return "the key is too long";
    case ERR_LONGDATA:
        return "the line is too long";
    default:
        return "the line cannot be read; a line is KEY = VALUE, [SECTION], or begins with #";
    }
}

/* The next number in a text; 0 and NULL for the rest if there is none. */
static unsigned next_number(const char **text)
{
    char *end;
    const char *p = *text ? *text + strcspn(*text, "0123456789") : "";
    unsigned long n = *p ? strtoul(p, &end, 10) : 0;
    *text = *p ? end : NULL;
    return (unsigned)n;
}

/* The library tells its errors as texts: "Error (5) on line 11: …". */
static int report_syntax(const struct piece *p, struct ini_cfgobj *ini, struct error *err)
{
    char **texts = NULL;

    if (ini_config_get_errors(ini, &texts) != 0)
        return error_set(err, -ENOMEM, "%s: out of memory", p->file);
    const char *text = texts ? texts[0] : NULL;
    unsigned code = next_number(&text);
    unsigned line = next_number(&text);
    if (texts)
        ini_config_free_errors(texts);
    return piece_error(p, p->line + (line ? line - 1 : 0), -EINVAL, err, syntax_error((int)code));
}

/* The library refuses some characters in names, and says neither which nor where. */
static int report_character(const struct piece *p, struct error *err)
{
    unsigned line = p->line;
    const char *end = p->text + p->len;

    for (const char *at = p->text, *next; at < end; at = next, line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        next = newline ? newline + 1 : end;
        if (*at == '#' || *at == ';')
            continue;
        const char *name_end = *at == '[' ? next : memchr(at, '=', (size_t)(next - at));
        for (; name_end && at < name_end; at++)
            if (*at == '!' || (unsigned char)*at >= 0x7f ||
                ((unsigned char)*at < 0x20 && !strchr("\t\r\n", *at)))
                return piece_error(p, line, -EINVAL, err,
                                   "names of sections and keys are printable ASCII without !");
    }
    return piece_error(p, p->line, -EINVAL, err, "the section cannot be read");
}

static int parse_ini(const struct piece *p, struct ini_cfgobj **ret_ini, struct error *err)
{
    struct ini_cfgfile *file = NULL;
    struct ini_cfgobj *ini = NULL;

    if (ini_config_create(&ini) != 0)
        return error_set(err, -ENOMEM, "%s: out of memory", p->file);
    int r = ini_config_file_from_mem((void *)p->text, (uint32_t)p->len, &file);
    if (r == 0)
        r = ini_config_parse(file, INI_STOP_ON_ANY, COLLISION_FLAGS, PARSE_FLAGS, ini);
    if (file)
        ini_config_file_destroy(file);
    if (r == 0) {
        *ret_ini = ini;
        return 0;
    }
    if (ini_config_error_count(ini) > 0)
        r = report_syntax(p, ini, err);
    else if (r == EINVAL)
        r = report_character(p, err);
    else
        r = error_set(err, -r, "%s: %s", p->file, strerror(r));
    ini_config_destroy(ini);
    return r;
}

static int add_value(const struct piece *p, struct config_section *section, const char *key,
                     struct value_obj *value, struct error *err)
{
    const char *text = NULL;
    uint32_t line = 0;

    if (value_get_line(value, &line) != 0 || value_get_concatenated(value, &text) != 0 || !text)
        return error_set(err, -ENOMEM, "%s: out of memory", p->file);
    line += p->line - 1;
    if (p->orphans)
        return error_set(err, -EINVAL, "%s:%u: %s: stands before the first [SECTION]", p->file,
                         line, key);
    struct error why;
    if (config_check_key(key, &why) < 0)
        return piece_error(p, line, -EINVAL, err, why.text);
    if (config_add(section, key, text, p->file, line) < 0)
        return error_set(err, -ENOMEM, "%s: out of memory", p->file);
    return 0;
}

/* Has keys[i] stood in keys[0 … i) before, as the library sees it, which is without case? */
static bool seen_before(char **keys, int i)
{
    for (int j = 0; j < i; j++)
        if (strcasecmp(keys[j], keys[i]) == 0)
            return true;
    return false;
}

/* All values of one key, in the file's order; of other spellings of it too, which add_value
 * refuses. */
static int add_values(const struct piece *p, struct ini_cfgobj *ini, const char *header,
                      char **keys, int first, int count, struct config_section *section,
                      struct error *err)
{
    int mode = INI_GET_FIRST_VALUE;
    struct value_obj *value = NULL;

    for (int i = first; i < count; i++) {
        if (strcasecmp(keys[i], keys[first]) != 0)
            continue;
        if (ini_get_config_valueobj(header, keys[first], ini, mode, &value) != 0)
            return error_set(err, -ENOMEM, "%s: out of memory", p->file);
        if (!value)
            break;
        int r = add_value(p, section, keys[i], value, err);
        if (r < 0)
            return r;
        mode = INI_GET_NEXT_VALUE;
    }
    return 0;
}

static int add_keys(const struct piece *p, struct ini_cfgobj *ini, const char *header,
                    struct config_section *section, struct error *err)
{
    int count = 0, error = 0, r = 0;
    char **keys = ini_get_attribute_list(ini, header, &count, &error);
    if (!keys)
        return error_set(err, -ENOMEM, "%s: out of memory", p->file);
    for (int i = 0; i < count && r == 0; i++)
        if (!seen_before(keys, i))
            r = add_values(p, ini, header, keys, i, count, section, err);
    ini_free_attribute_list(keys);
    return r;
}

static int add_section(const struct piece *p, struct ini_cfgobj *ini, const char *header,
                       struct error *err)
{
    char *kind = NULL, *name = NULL;
    struct error why;

    if (p->orphans)
        return add_keys(p, ini, header, NULL, err);
    int r = config_split_header(header, &kind, &name, &why);
    if (r < 0)
        return piece_error(p, p->line, r, err, why.text);
    struct config_section *section = config_open(p->config, kind, name, p->file, p->line);
    free(kind);
    free(name);
    if (!section)
        return error_set(err, -ENOMEM, "%s: out of memory", p->file);
    return add_keys(p, ini, header, section, err);
}

static int parse_piece(const struct piece *p, struct error *err)
{
    struct ini_cfgobj *ini = NULL;
    int count = 0, error = 0;

    int r = parse_ini(p, &ini, err);
    if (r < 0)
        return r;
    char **headers = ini_get_section_list(ini, &count, &error);
    if (!headers)
        r = error_set(err, -ENOMEM, "%s: out of memory", p->file);
    else if (count > 0)
        r = add_section(p, ini, headers[0], err);
    if (headers)
        ini_free_section_list(headers);
    ini_config_destroy(ini);
    return r;
}

/* What no header precedes: comments, or a mistake. */
static int parse_orphans(const struct piece *p, struct error *err)
{
    struct piece with_header = *p;
    char *text = malloc(p->len + sizeof ORPHANS);
    if (!text)
        return error_set(err, -ENOMEM, "%s: out of memory", p->file);
    memcpy(text, ORPHANS, sizeof ORPHANS - 1);
    memcpy(text + sizeof ORPHANS - 1, p->text, p->len);
    with_header.text = text;
    with_header.len += sizeof ORPHANS - 1;
    with_header.line--;
    with_header.orphans = true;
    int r = parse_piece(&with_header, err);
    free(text);
    return r;
}

static unsigned count_lines(const char *text, size_t len)
{
    unsigned n = 0;
    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

/* NUL would end a line early in the library, and what is not UTF-8 could not go into the log. */
static int check_text(const char *text, size_t len, const char *file, struct error *err)
{
    const char *nul = memchr(text, '\0', len);
    size_t valid = utf8_valid(text, len);

    if (nul)
        return error_set(err, -EINVAL, "%s:%u: there is a NUL byte; a config is plain text", file,
                         count_lines(text, (size_t)(nul - text)) + 1);
    if (valid < len)
        return error_set(err, -EINVAL, "%s:%u: the text is not UTF-8", file,
                         count_lines(text, valid) + 1);
    return 0;
}

/* The length up to the next header after the first byte. */
static size_t piece_length(const char *text, size_t len)
{
    for (size_t i = 1; i < len; i++)
        if (text[i] == '[' && text[i - 1] == '\n')
            return i;
    return len;
}

int config_parse(struct config *config, const char *text, size_t len, const char *file,
                 struct error *err)
{
    struct piece p = {.config = config, .file = file, .line = 1};

    if (len >= UINT32_MAX / 2)
        return error_set(err, -EFBIG, "%s: the file is too large", file);
    if (len == 0)
        return 0;
    int r = check_text(text, len, file, err);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3; /* a byte order mark, as some editors leave it */
        len -= 3;
    }
    while (r == 0 && len > 0) {
        p.text = text;
        p.len = piece_length(text, len);
        r = *text == '[' ? parse_piece(&p, err) : parse_orphans(&p, err);
        p.line += count_lines(text, p.len);
        text += p.len;
        len -= p.len;
    }
    return r;
}
