/* The syntax, line by line: what a line is shows in its first column or, if it is neither comment
 * nor header, in its first `=`. The libraries that read INI files do not do here: inih cuts long
 * lines and names of sections, libini_config 0.7 does not tell where a value stands. */
#include "base/config_ini.h"

#include "base/config_build.h"
#include "base/config_tree.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors leave it */

struct reader {
    struct config *config;
    struct config_section *section; /* NULL before the first header */
    const char *file;
    unsigned line;
};

/* Part of a line. */
struct span {
    const char *text;
    size_t len;
};

static int complain(const struct reader *r, struct error *err, const char *what)
{
    return error_set(err, -EINVAL, "%s:%u: %s", r->file, r->line, what);
}

static int no_memory(const struct reader *r, struct error *err)
{
    return error_set(err, -ENOMEM, "%s: out of memory", r->file);
}

static int no_room(const struct reader *r, int result, struct error *err)
{
    return error_set(err, result, "%s:%u: %s", r->file, r->line, config_limit_text(result));
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span trim(const char *text, size_t len)
{
    while (len > 0 && is_space(text[len - 1]))
        len--;
    while (len > 0 && is_space(*text)) {
        text++;
        len--;
    }
    return (struct span){text, len};
}

static bool is_plain(struct span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.text[i] == '!' || (unsigned char)name.text[i] >= 0x7f ||
            ((unsigned char)name.text[i] < ' ' && name.text[i] != '\t'))
            return false;
    return true;
}

static int check_name(const struct reader *r, struct span name, struct error *err)
{
    return is_plain(name)
               ? 0
               : complain(r, err, "names of sections and keys are printable ASCII without !");
}

static int open_section(struct reader *r, const char *header, struct error *err)
{
    char *kind = NULL, *name = NULL;
    struct error why;

    int result = config_split_header(header, &kind, &name, &why);
    if (result == -ENOMEM)
        return no_memory(r, err);
    if (result < 0)
        return complain(r, err, why.text);
    r->section = config_open(r->config, kind, name, r->file, r->line);
    result = r->section ? 0 : -errno;
    free(kind);
    free(name);
    return result < 0 ? no_room(r, result, err) : 0;
}

static int read_header(struct reader *r, struct span line, struct error *err)
{
    if (line.text[line.len - 1] != ']')
        return complain(r, err, "a section's header ends with ], as in [sink \"records\"]");
    struct span inside = trim(line.text + 1, line.len - 2);
    if (inside.len == 0)
        return complain(r, err, "the section's name is missing between [ and ]");
    int result = check_name(r, inside, err);
    if (result < 0)
        return result;
    char *header = strndup(inside.text, inside.len);
    result = header ? open_section(r, header, err) : no_memory(r, err);
    free(header);
    return result;
}

static int add_value(struct reader *r, const char *key, struct span text, struct error *err)
{
    struct error why;

    if (!r->section)
        return error_set(err, -EINVAL, "%s:%u: %.60s: stands before the first [SECTION]", r->file,
                         r->line, key);
    if (config_check_key(key, &why) < 0)
        return complain(r, err, why.text);
    char *value = strndup(text.text, text.len);
    int result = value ? config_add(r->section, key, value, r->file, r->line) : -ENOMEM;
    free(value);
    return result < 0 ? no_room(r, result, err) : 0;
}

static int read_value(struct reader *r, struct span line, struct error *err)
{
    const char *equal = memchr(line.text, '=', line.len);
    if (!equal)
        return complain(
            r, err,
            "the line has no =; a line is KEY = VALUE, [SECTION], or begins with # as a comment");
    struct span name = trim(line.text, (size_t)(equal - line.text));
    if (name.len == 0)
        return complain(r, err, "there is no key before the =");
    int result = check_name(r, name, err);
    if (result < 0)
        return result;
    const char *value = equal + 1;
    char *key = strndup(name.text, name.len);
    result = key ? add_value(r, key, trim(value, (size_t)(line.text + line.len - value)), err)
                 : no_memory(r, err);
    free(key);
    return result;
}

static int read_line(struct reader *r, const char *text, size_t len, struct error *err)
{
    struct span line = trim(text, len);
    if (line.len == 0 || *text == '#' || *text == ';')
        return 0;
    return *text == '[' ? read_header(r, line, err) : read_value(r, line, err);
}

static unsigned count_lines(const char *text, size_t len)
{
    unsigned n = 0;
    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

/* The values end as C strings do, and what is not UTF-8 could not go into the log. */
static int check_text(struct reader *r, const char *text, size_t len, struct error *err)
{
    const char *nul = memchr(text, '\0', len);
    size_t valid = utf8_valid(text, len);

    if (!nul && valid == len)
        return 0;
    r->line = count_lines(text, nul ? (size_t)(nul - text) : valid) + 1;
    return complain(r, err,
                    nul ? "there is a NUL byte; a config is plain text" : "the text is not UTF-8");
}

int config_parse(struct config *config, const char *text, size_t len, const char *file,
                 struct error *err)
{
    struct reader r = {.config = config, .file = file};
    const char *end = text + len;

    int result = check_text(&r, text, len, err);
    if (len >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0)
        text += 3;
    while (result == 0 && text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t line = newline ? (size_t)(newline - text) : (size_t)(end - text);
        r.line++;
        result = read_line(&r, text, line, err);
        text += line + (newline != NULL);
    }
    return result;
}
