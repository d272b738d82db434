#include "flow/pipeline_split.h"

#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct split {
    const char *at;
    struct buf word;
    char **argv;
    size_t count;
};

void pipeline_argv_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        free(argv[i]);
    free(argv);
}

/* --- escapes ---------------------------------------------------------------------------------- */

/* A number of exactly `digits` digits. False: they are not there. */
static bool number(struct split *s, int base, int digits, unsigned *ret)
{
    unsigned value = 0;
    for (int i = 0; i < digits; i++, s->at++) {
        const char *all = "0123456789abcdef";
        char c = *s->at >= 'A' && *s->at <= 'F' ? (char)(*s->at + 'a' - 'A') : *s->at;
        const char *digit = c ? strchr(all, c) : NULL;
        if (!digit || digit - all >= base)
            return false;
        value = value * (unsigned)base + (unsigned)(digit - all);
    }
    *ret = value;
    return value > 0 && value < 256;
}

/* Behind a backslash. */
static int escape(struct split *s, struct error *err)
{
    static const char from[] = "abfnrtvs\\\"'|<>&; ", to[] = "\a\b\f\n\r\t\v \\\"'|<>&; ";
    const char *begin = s->at, *known = *s->at ? strchr(from, *s->at) : NULL;
    unsigned value;
    if (known) {
        s->at++;
        return buf_putc(&s->word, to[known - from]);
    }
    if (*s->at == 'x') {
        s->at++;
        if (number(s, 16, 2, &value))
            return buf_putc(&s->word, (char)value);
    } else if (number(s, 8, 3, &value)) {
        return buf_putc(&s->word, (char)value);
    }
    if (!*begin)
        return error_set(err, -EINVAL, "a \\ stands at its end; write \\\\ for the character");
    return error_set(err, -EINVAL, "\\%c is no escape; write \\\\ for the character \\", *begin);
}

/* --- words ------------------------------------------------------------------------------------ */

static int quoted(struct split *s, struct error *err)
{
    char quote = *s->at++;
    int r = 0;
    while (*s->at && *s->at != quote && r == 0) {
        if (*s->at != '\\') {
            r = buf_putc(&s->word, *s->at++);
        } else {
            s->at++;
            r = escape(s, err);
        }
    }
    if (r < 0)
        return r;
    if (!*s->at)
        return error_set(err, -EINVAL, "a %c is not closed", quote);
    s->at++;
    return 0;
}

static int refuse_shell(char c, struct error *err)
{
    if (c == '|')
        return error_set(
            err, -EINVAL,
            "an unquoted | connects nothing here: give each process a `stage =` line of "
            "its own, or quote it");
    if (c == '<' || c == '>')
        return error_set(
            err, -EINVAL,
            "an unquoted %c redirects nothing here: the body is the standard input, and "
            "the output's lines are records; quote it, or run sh -c '…'",
            c);
    return error_set(err, -EINVAL,
                     "an unquoted %c means nothing here, as no shell reads it: quote it, or run "
                     "sh -c '…'",
                     c);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int read_word(struct split *s, struct error *err)
{
    int r = buf_reserve(&s->word, 1);
    while (*s->at && !is_space(*s->at) && r == 0) {
        if (*s->at == '"' || *s->at == '\'') {
            r = quoted(s, err);
        } else if (*s->at == '\\') {
            s->at++;
            r = escape(s, err);
        } else if (strchr("|<>&;", *s->at)) {
            r = refuse_shell(*s->at, err);
        } else {
            r = buf_putc(&s->word, *s->at++);
        }
    }
    return r;
}

static int add_word(struct split *s)
{
    char **argv = reallocarray(s->argv, s->count + 2, sizeof *argv);
    if (!argv)
        return -ENOMEM;
    s->argv = argv;
    argv[s->count] = strndup(s->word.len ? s->word.data : "", s->word.len);
    if (!argv[s->count])
        return -ENOMEM;
    argv[++s->count] = NULL;
    return 0;
}

int pipeline_split(const char *text, char ***ret_argv, struct error *err)
{
    struct split s = {.at = text};
    int r = 0;
    for (;;) {
        while (is_space(*s.at))
            s.at++;
        if (!*s.at)
            break;
        buf_reset(&s.word);
        r = read_word(&s, err);
        if (r == 0)
            r = add_word(&s);
        if (r < 0)
            break;
    }
    buf_deinit(&s.word);
    if (r == 0 && (s.count == 0 || !s.argv[0][0]))
        r = error_set(err, -EINVAL, "there is no command in it");
    if (r == -ENOMEM)
        error_set(err, r, "out of memory");
    if (r < 0)
        pipeline_argv_free(s.argv);
    else
        *ret_argv = s.argv;
    return r;
}
