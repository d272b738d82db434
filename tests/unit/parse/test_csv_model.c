/* csv against a plain reading of its rules, a byte after the other: every text of a few bytes that
 * can mean something, under each way of reading. */
#include "pieces.h"

struct way {
    const char *options;
    bool strict, ragged_fail;
    int comment;
    size_t skip_lines;
};

/* What the rules say of one text. */
struct model {
    const struct way *way;
    struct buf row, field, all;
    size_t fields, first_fields, line, repaired;
    bool wrong;
};

static void put_text(struct buf *b, const char *text, size_t len)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' || text[i] == '\r')
            buf_puts(b, text[i] == '\n' ? "\\n" : "\\r");
        else if (text[i] == '"')
            buf_puts(b, "\\\"");
        else
            buf_putc(b, text[i]);
    }
    buf_putc(b, '"');
}

static void end_field(struct model *m)
{
    buf_putc(&m->row, m->fields++ ? ',' : '[');
    put_text(&m->row, m->field.data, m->field.len);
    buf_reset(&m->field);
}

static void end_row(struct model *m)
{
    if (m->first_fields == 0)
        m->first_fields = m->fields;
    if (m->way->ragged_fail && m->fields != m->first_fields)
        m->wrong = true;
    if (!m->wrong) {
        buf_put(&m->all, m->row.data, m->row.len);
        buf_puts(&m->all, "]\n");
    }
    buf_reset(&m->row);
    m->fields = 0;
}

/* Behind the line's end at p: LF, CR, or both. */
static const char *behind_line_end(const char *p)
{
    return p[0] == '\r' && p[1] == '\n' ? p + 2 : p + 1;
}

static const char *skip_line(const char *p)
{
    p += strcspn(p, "\r\n");
    return *p ? behind_line_end(p) : p;
}

/* A quoted field from behind its first quote; up to what ends it. */
static const char *read_quoted(struct model *m, const char *p)
{
    for (; *p; p++) {
        if (*p != '"')
            buf_putc(&m->field, *p);
        else if (p[1] == '"')
            buf_putc(&m->field, *p++);
        else
            break;
    }
    if (!*p) {
        m->wrong = true;
        return p;
    }
    size_t rest = strcspn(++p, ",\r\n");
    if (rest > 0 && m->way->strict)
        m->wrong = true;
    m->repaired += rest > 0;
    buf_put(&m->field, p, rest);
    return p + rest;
}

static const char *read_plain(struct model *m, const char *p)
{
    size_t len = strcspn(p, ",\r\n");
    if (m->way->strict && memchr(p, '"', len))
        m->wrong = true;
    buf_put(&m->field, p, len);
    return p + len;
}

static const char *read_row(struct model *m, const char *p)
{
    for (;;) {
        p = *p == '"' ? read_quoted(m, p + 1) : read_plain(m, p);
        if (m->wrong)
            return p;
        end_field(m);
        if (*p != ',')
            break;
        p++;
    }
    end_row(m);
    return *p ? behind_line_end(p) : p;
}

static void read_all(struct model *m, const char *p)
{
    for (size_t i = 0; i < m->way->skip_lines; i++)
        p = skip_line(p);
    while (*p && !m->wrong) {
        if (*p == '\n' || *p == '\r')
            p++;
        else if (*p == m->way->comment)
            p = skip_line(p);
        else
            p = read_row(m, p);
    }
}

/* --- both ------------------------------------------------------------------------------------- */

static void compare(const struct way *way, const char *text, size_t len, size_t chunk)
{
    struct model m = {.way = way};
    struct input in = {&parser_csv, way->options, text, len};
    buf_puts(&m.all, "");
    read_all(&m, text);
    struct told told = tell(&in, 0, chunk);
    if (strcmp(told.records, m.all.data) != 0 || (told.kind != KIND_NONE) != m.wrong ||
        (!m.wrong && told.repaired != m.repaired))
        fail_msg("%s: \"%s\" in pieces of %zu\n%s%s\nand by the rules%s\n%s", way->options, text,
                 chunk, told.records, told.message, m.wrong ? ", wrong:" : ":", m.all.data);
    told_deinit(&told);
    buf_deinit(&m.row);
    buf_deinit(&m.field);
    buf_deinit(&m.all);
}

/* Every text of up to `most` bytes. */
static void enumerate(const struct way *way, const char *alphabet, size_t most)
{
    size_t letters = strlen(alphabet), count = 1;
    char text[16];
    for (size_t len = 0; len <= most; len++, count *= letters) {
        for (size_t number = 0; number < count; number++) {
            size_t rest = number;
            for (size_t i = 0; i < len; i++, rest /= letters)
                text[i] = alphabet[rest % letters];
            text[len] = '\0';
            compare(way, text, len, number % 3 + 1);
        }
    }
}

#define PLAIN   "header=no"
#define COMMENT "header=no\ncomment=#"

static void each_short_text_is_read_by_the_rules(void **state)
{
    static const struct way way = {.options = PLAIN, .comment = -1};
    (void)state;
    enumerate(&way, "a,\"\r\n", test_sanitized() ? 4 : 5);
}

static void strictly_no_quote_is_out_of_place(void **state)
{
    static const struct way way = {
        .options = PLAIN "\nquotes=strict", .strict = true, .comment = -1};
    (void)state;
    enumerate(&way, "a,\"\n", test_sanitized() ? 4 : 5);
}

static void comments_stand_where_a_row_could(void **state)
{
    static const struct way way = {.options = COMMENT, .comment = '#'};
    (void)state;
    enumerate(&way, "a#\"\r\n", 4);
}

static void lines_are_skipped_whatever_is_in_them(void **state)
{
    static const struct way ways[] = {
        {.options = PLAIN "\nskip_lines=1", .comment = -1, .skip_lines = 1},
        {.options = COMMENT "\nskip_lines=2", .comment = '#', .skip_lines = 2}};
    (void)state;
    enumerate(&ways[0], "a\"\r\n", 5);
    enumerate(&ways[1], "#\"\r\n", 5);
}

static void rows_of_one_length(void **state)
{
    static const struct way way = {
        .options = PLAIN "\nragged=fail", .comment = -1, .ragged_fail = true};
    (void)state;
    enumerate(&way, "a,\n", 6);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_short_text_is_read_by_the_rules),
        cmocka_unit_test(strictly_no_quote_is_out_of_place),
        cmocka_unit_test(comments_stand_where_a_row_could),
        cmocka_unit_test(lines_are_skipped_whatever_is_in_them),
        cmocka_unit_test(rows_of_one_length),
    };
    return cmocka_run_group_tests_name("csv by its rules", tests, NULL, NULL);
}
