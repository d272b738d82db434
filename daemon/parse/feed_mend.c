#include "parse/feed_mend.h"

#include "base/utf8.h"
#include "parse/feed_declaration.h"
#include "parse/html_entities.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_REFERENCE 40   /* bytes of a reference that is one */
#define MAX_NAME      64   /* bytes of a document's element's name that are looked at */
#define MAX_DECLARED  1024 /* bytes of an XML declaration that is looked at */
#define MAX_FRONT     ((size_t)64 << 10) /* bytes that may stand in front of a feed */

/* The piece at hand, from p on. */
struct cursor {
    const char *p, *end;
    bool last;
};

/* --- life ------------------------------------------------------------------------------------- */

void feed_mend_init(struct feed_mend *m, bool strict)
{
    static const char *const looked_at[MEND_STATES_] = {[MEND_TEXT] = "<&]",
                                                        [MEND_TAG] = ">\"'&=",
                                                        [MEND_BARE] = " \t\r\n>\"'<&/",
                                                        [MEND_QUOTE] = "\"'&<",
                                                        [MEND_COMMENT] = "-",
                                                        [MEND_CDATA] = "]",
                                                        [MEND_PI] = "?",
                                                        [MEND_DOCTYPE] = "<>\"'[]",
                                                        [MEND_DOCTYPE_QUOTE] = "\"'",
                                                        [MEND_DOCTYPE_COMMENT] = "-",
                                                        [MEND_DOCTYPE_PI] = "?",
                                                        [MEND_DROPPED] = ">\n",
                                                        [MEND_FRONT] = "<\n"};
    *m = (struct feed_mend){.strict = strict};
    for (size_t s = 0; s < MEND_STATES_; s++)
        for (const char *p = looked_at[s]; p && *p; p++)
            m->stops[s][(unsigned char)*p] = true;
    feed_clean_init(&m->clean);
    memset(m->stops[MEND_START], true, sizeof m->stops[MEND_START]);
    memset(m->stops[MEND_VALUE], true, sizeof m->stops[MEND_VALUE]);
    memset(m->stops[MEND_PROLOG], true, sizeof m->stops[MEND_PROLOG]);
    memset(m->stops[MEND_EPILOG], true, sizeof m->stops[MEND_EPILOG]);
}

void feed_mend_deinit(struct feed_mend *m)
{
    feed_clean_deinit(&m->clean);
    buf_deinit(&m->held);
    buf_deinit(&m->out);
}

/* --- steps: each takes something off the cursor, or nothing if it needs more of the text ------ */

static bool put(struct feed_mend *m, struct cursor *c, size_t len)
{
    buf_put(&m->out, c->p, len);
    c->p += len;
    return true;
}

/* False: it cannot be told yet. */
static bool has(const struct cursor *c, size_t len)
{
    return (size_t)(c->end - c->p) >= len || c->last;
}

static bool is_next(const struct cursor *c, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(c->end - c->p) >= len && memcmp(c->p, text, len) == 0;
}

/* Where a comment, a declaration or the like leads back to. */
static enum mend_state home(const struct feed_mend *m)
{
    if (m->strict || m->depth > 0)
        return MEND_TEXT;
    return m->root ? MEND_EPILOG : MEND_PROLOG;
}

/* Something of the document was given to the parser, in this piece or before it. */
static bool is_begun(const struct feed_mend *m)
{
    return m->begun || m->out.len > 0;
}

static bool pass_space(struct feed_mend *m, struct cursor *c)
{
    m->space = true;
    m->lines += *c->p++ == '\n';
    return true;
}

static bool take_start(struct feed_mend *m, struct cursor *c)
{
    if (isspace((unsigned char)*c->p))
        return pass_space(m, c);
    if (!has(c, 5))
        return false;
    if (is_next(c, "\xef\xbb\xbf") && !m->strict) {
        m->repaired++;
        c->p += 3;
        return true;
    }
    m->state = home(m);
    if (!m->space || !is_next(c, "<?xml"))
        return true;
    if (m->strict)
        buf_putc(&m->out, ' ');
    else
        m->repaired++;
    return true;
}

/* --- references ------------------------------------------------------------------------------- */

/* "#160", "#xA0": a character that XML has? */
static bool is_character(const char *text, size_t len)
{
    char digits[MAX_REFERENCE + 1], *end;
    bool hex = len > 1 && text[1] == 'x';
    size_t skip = hex ? 2 : 1;
    memcpy(digits, text + skip, len - skip);
    digits[len - skip] = '\0';
    if (!isxdigit((unsigned char)digits[0]))
        return false;
    unsigned long n = strtoul(digits, &end, hex ? 16 : 10);
    if (*end || n > 0x10ffff || (n >= 0xd800 && n < 0xe000) || n == 0xfffe || n == 0xffff)
        return false;
    return n >= 0x20 || n == '\t' || n == '\n' || n == '\r';
}

/* The bytes between & and ; or 0: it is no reference; -1: more is needed. */
static int reference_len(const struct cursor *c)
{
    int n = 0;
    while (c->p + 1 + n < c->end && n < MAX_REFERENCE) {
        unsigned char byte = (unsigned char)c->p[1 + n];
        if (byte == ';')
            return n;
        if (!isalnum(byte) && byte != '#' && byte != '_' && byte != '-' && byte != '.' &&
            byte != ':' && byte < 0x80)
            return 0;
        n++;
    }
    return n == MAX_REFERENCE || c->last ? 0 : -1;
}

static bool take_reference(struct feed_mend *m, struct cursor *c)
{
    int len = reference_len(c);
    const char *name = c->p + 1;
    if (len < 0)
        return false;
    if (len > 0 && *name == '#') {
        if (is_character(name, (size_t)len))
            return put(m, c, (size_t)len + 2);
    } else if (len > 0) {
        if (m->doctype || html_entity_is_xml(name, (size_t)len))
            return put(m, c, (size_t)len + 2);
        unsigned character = html_entity(name, (size_t)len);
        if (character) {
            char text[4];
            buf_put(&m->out, text, utf8_encode(text, character));
            c->p += len + 2;
            return true;
        }
    }
    if (m->strict)
        return put(m, c, 1);
    m->repaired++;
    buf_puts(&m->out, "&amp;");
    c->p++;
    return true;
}

/* --- markup ----------------------------------------------------------------------------------- */

static bool enter(struct feed_mend *m, struct cursor *c, size_t len, enum mend_state state)
{
    m->state = state;
    return put(m, c, len);
}

/* The bytes of the name behind <, as far as it is looked at; -1: more is needed. */
static int name_len(const struct cursor *c)
{
    int n = 0;
    while (c->p + 1 + n < c->end && n < MAX_NAME) {
        if (isspace((unsigned char)c->p[1 + n]) || strchr("/><", c->p[1 + n]))
            return n;
        n++;
    }
    return n == MAX_NAME || c->last ? n : -1;
}

static bool is_one_of(const char *const *names, const char *name, size_t len)
{
    for (; *names; names++)
        if (strlen(*names) == len && strncasecmp(*names, name, len) == 0)
            return true;
    return false;
}

static bool drop_tag(struct feed_mend *m)
{
    m->repaired++;
    m->state = MEND_DROPPED;
    return true;
}

/* One that is not at the very start, or is none, is left out: the charset is known by now. */
static bool take_declaration(struct feed_mend *m, struct cursor *c)
{
    if (!has(c, 6))
        return false;
    if (m->strict || c->end - c->p < 6 || strncasecmp(c->p, "<?xml", 5) != 0 ||
        !(isspace((unsigned char)c->p[5]) || strchr("?>", c->p[5])))
        return enter(m, c, 2, MEND_PI);
    if (is_begun(m))
        return drop_tag(m);
    size_t left = (size_t)(c->end - c->p);
    const char *close = memchr(c->p, '>', left < MAX_DECLARED ? left : MAX_DECLARED);
    if (!close && left < MAX_DECLARED && !c->last)
        return false;
    if (!close)
        return enter(m, c, 2, MEND_PI);
    if (!feed_declaration_put(&m->out, c->p, close + 1))
        return drop_tag(m);
    c->p = close + 1;
    return true;
}

/* What is left out, up to its end; lines are counted on. */
static bool take_dropped(struct feed_mend *m, struct cursor *c)
{
    if (*c->p == '>')
        m->state = home(m);
    else if (!is_begun(m))
        m->lines++;
    else if (m->depth == 0)
        buf_putc(&m->out, '\n');
    c->p++;
    return true;
}

/* A tag begins or ends. HTML's empty elements have no end of their own but at once. */
static bool begin_tag(struct feed_mend *m, struct cursor *c, unsigned char next)
{
    static const char *const empty[] = {"br", "hr", "img", "wbr", "input", "embed", NULL};
    bool end = next == '/';
    struct cursor name = {c->p + end, c->end, c->last};
    int len = m->strict || m->depth == 0 || next == '!' ? 0 : name_len(&name);
    if (len < 0)
        return false;
    m->step = end ? -1 : next != '!';
    m->empty_len = is_one_of(empty, name.p + 1, (size_t)len) ? (size_t)len : 0;
    memcpy(m->empty, name.p + 1, m->empty_len);
    if (m->empty_len > 0 && end && !m->paired)
        return drop_tag(m);
    m->paired = false;
    return enter(m, c, 1, MEND_TAG);
}

static bool take_less(struct feed_mend *m, struct cursor *c)
{
    if (!has(c, 2) || (c->end - c->p > 1 && c->p[1] == '!' && !has(c, 9)))
        return false;
    if (is_next(c, "<!--"))
        return enter(m, c, 4, MEND_COMMENT);
    if (is_next(c, "<![CDATA["))
        return enter(m, c, 9, MEND_CDATA);
    if (is_next(c, "<!DOCTYPE")) {
        m->doctype = true;
        return enter(m, c, 9, MEND_DOCTYPE);
    }
    if (is_next(c, "<?"))
        return take_declaration(m, c);
    unsigned char next = c->end - c->p > 1 ? (unsigned char)c->p[1] : ' ';
    if (isalpha(next) || next >= 0x80 || strchr("/_:!", next) || m->strict)
        return begin_tag(m, c, next);
    m->repaired++;
    buf_puts(&m->out, "&lt;");
    c->p++;
    return true;
}

/* Up to what ends this state. */
static bool take_end(struct feed_mend *m, struct cursor *c, const char *end, enum mend_state next)
{
    if (!has(c, strlen(end)))
        return false;
    if (is_next(c, end))
        return enter(m, c, strlen(end), next);
    return put(m, c, 1);
}

/* A comment of XML has no -- but at its end: what is too much of it is left out. */
static bool take_comment(struct feed_mend *m, struct cursor *c, enum mend_state next)
{
    if (!has(c, 3))
        return false;
    if (m->strict || !is_next(c, "--") || is_next(c, "-->"))
        return take_end(m, c, "-->", next);
    m->repaired++;
    c->p++;
    return true;
}

/* ]]> ends what has not begun. */
static bool take_bracket(struct feed_mend *m, struct cursor *c)
{
    if (!has(c, 3))
        return false;
    if (m->strict || !is_next(c, "]]>"))
        return put(m, c, 1);
    m->repaired++;
    buf_puts(&m->out, "]]&gt;");
    c->p += 3;
    return true;
}

static bool take_quote(struct feed_mend *m, struct cursor *c, enum mend_state next)
{
    if (*c->p == m->quote)
        return enter(m, c, 1, next);
    if (*c->p != '<' || m->strict)
        return put(m, c, 1);
    m->repaired++;
    buf_puts(&m->out, "&lt;");
    c->p++;
    return true;
}

static bool take_doctype(struct feed_mend *m, struct cursor *c)
{
    if (*c->p == '<' && !has(c, 4))
        return false;
    if (is_next(c, "<!--"))
        return enter(m, c, 4, MEND_DOCTYPE_COMMENT);
    if (is_next(c, "<?"))
        return enter(m, c, 2, MEND_DOCTYPE_PI);
    if (*c->p == '"' || *c->p == '\'') {
        m->quote = *c->p;
        return enter(m, c, 1, MEND_DOCTYPE_QUOTE);
    }
    if (*c->p == '[' || *c->p == ']')
        m->subset = *c->p == '[';
    if (*c->p == '>' && !m->subset)
        return enter(m, c, 1, home(m));
    return put(m, c, 1);
}

/* Behind = comes a quote, or a value without any, which gets them. */
static bool take_value(struct feed_mend *m, struct cursor *c)
{
    if (isspace((unsigned char)*c->p))
        return put(m, c, 1);
    m->state = MEND_TAG;
    if (strchr("\"'>", *c->p))
        return true;
    m->repaired++;
    buf_putc(&m->out, '"');
    m->state = MEND_BARE;
    return true;
}

static bool take_bare(struct feed_mend *m, struct cursor *c)
{
    if (!has(c, 2))
        return false;
    if (*c->p == '>' || isspace((unsigned char)*c->p) || is_next(c, "/>")) {
        buf_putc(&m->out, '"');
        m->state = MEND_TAG;
        return true;
    }
    if (*c->p != '"')
        return put(m, c, 1);
    buf_puts(&m->out, "&quot;");
    c->p++;
    return true;
}

static bool end_tag(struct feed_mend *m, struct cursor *c)
{
    char last = m->out.len > 0 ? m->out.data[m->out.len - 1] : m->last;
    if (m->empty_len > 0 && m->step > 0 && last != '/') {
        if (!has(c, 3 + m->empty_len))
            return false;
        m->paired = is_next(c, "></") && c->end - c->p >= 3 + (ptrdiff_t)m->empty_len &&
                    strncmp(c->p + 3, m->empty, m->empty_len) == 0;
        if (!m->paired) {
            m->repaired++;
            buf_putc(&m->out, last = '/');
        }
    }
    if (m->step < 0)
        m->depth -= m->depth > 0;
    else if (last != '/')
        m->depth += (size_t)m->step;
    m->root |= m->step != 0;
    return enter(m, c, 1, home(m));
}

static bool take_tag(struct feed_mend *m, struct cursor *c)
{
    if (*c->p == '>')
        return end_tag(m, c);
    if (*c->p == '=')
        return enter(m, c, 1, m->strict || m->step != 1 ? MEND_TAG : MEND_VALUE);
    m->quote = *c->p;
    return enter(m, c, 1, MEND_QUOTE);
}

/* --- around the document's element ------------------------------------------------------------ */

/* An element that a feed is, whatever its prefix; or a page of HTML, which is then named. */
static bool is_root(const char *name, size_t len)
{
    static const char *const roots[] = {"rss", "feed", "rdf", "channel", "entry", "html", NULL};
    const char *colon = memchr(name, ':', len);
    size_t prefix = colon ? (size_t)(colon - name) + 1 : 0;
    return is_one_of(roots, name + prefix, len - prefix);
}

/* What stands where the document's element is to be is left out up to a feed's, if one comes. */
static bool take_prolog(struct feed_mend *m, struct cursor *c)
{
    /* White space behind a declaration that was left out still stands at the start. */
    if (isspace((unsigned char)*c->p))
        return is_begun(m) ? put(m, c, 1) : pass_space(m, c);
    if (*c->p == '<') {
        int len = name_len(c);
        if (len < 0)
            return false;
        if (is_next(c, "<!") || is_next(c, "<?") || is_root(c->p + 1, (size_t)len))
            return take_less(m, c);
    }
    m->state = MEND_FRONT;
    m->front_len = m->front_lines = 0;
    memset(m->front, 0, sizeof m->front);
    return true;
}

/* The document fails as it would without having been looked through: by what it begins with. */
static void give_up(struct feed_mend *m)
{
    const char *name = m->front + 1;
    size_t len = m->front[0] == '<' ? strcspn(name, "/>< \t\r\n") : 0;
    if (len > 0)
        buf_printf(&m->out, "<%.*s/>", (int)len, name);
    else
        buf_putc(&m->out, '?');
    m->state = MEND_BEHIND;
}

static void pass_front(struct feed_mend *m, struct cursor *c, size_t len)
{
    for (size_t i = 0; i < len && m->front_len + i + 1 < sizeof m->front; i++)
        m->front[m->front_len + i] = c->p[i];
    m->front_len += len;
    c->p += len;
    if (m->front_len > MAX_FRONT)
        give_up(m);
}

static bool take_front(struct feed_mend *m, struct cursor *c)
{
    static const char *const feeds[] = {"rss", "feed", "rdf:RDF", "?xml", NULL};
    int len = *c->p == '<' ? name_len(c) : 0;
    if (len < 0)
        return false;
    if (len > 0 && is_one_of(feeds, c->p + 1, (size_t)len)) {
        bool begun = is_begun(m);
        for (size_t i = 0; begun && i < m->front_lines; i++)
            buf_putc(&m->out, '\n');
        m->lines += begun ? 0 : m->front_lines;
        m->repaired++;
        m->state = MEND_PROLOG;
        return true;
    }
    m->front_lines += *c->p == '\n';
    pass_front(m, c, 1);
    return true;
}

static bool take_epilog(struct feed_mend *m, struct cursor *c)
{
    if (isspace((unsigned char)*c->p))
        return put(m, c, 1);
    if (!has(c, 4))
        return false;
    if (is_next(c, "<!--") || is_next(c, "<?"))
        return take_less(m, c);
    m->repaired++;
    m->state = MEND_BEHIND;
    return true;
}

static bool step(struct feed_mend *m, struct cursor *c)
{
    unsigned char byte = (unsigned char)*c->p;
    if (m->state == MEND_START)
        return take_start(m, c);
    if (byte == '&' && m->state <= MEND_QUOTE)
        return take_reference(m, c);
    switch (m->state) {
    case MEND_TEXT:
        return byte == ']' ? take_bracket(m, c) : take_less(m, c);
    case MEND_TAG:
        return take_tag(m, c);
    case MEND_VALUE:
        return take_value(m, c);
    case MEND_BARE:
        return take_bare(m, c);
    case MEND_QUOTE:
        return take_quote(m, c, MEND_TAG);
    case MEND_COMMENT:
        return take_comment(m, c, home(m));
    case MEND_CDATA:
        return take_end(m, c, "]]>", home(m));
    case MEND_PROLOG:
        return take_prolog(m, c);
    case MEND_FRONT:
        return take_front(m, c);
    case MEND_EPILOG:
        return take_epilog(m, c);
    case MEND_DROPPED:
        return take_dropped(m, c);
    case MEND_PI:
        return take_end(m, c, "?>", home(m));
    case MEND_DOCTYPE_COMMENT:
        return take_comment(m, c, MEND_DOCTYPE);
    case MEND_DOCTYPE_PI:
        return take_end(m, c, "?>", MEND_DOCTYPE);
    case MEND_DOCTYPE_QUOTE:
        return *c->p == m->quote ? enter(m, c, 1, MEND_DOCTYPE) : put(m, c, 1);
    default:
        return take_doctype(m, c);
    }
}

/* --- a piece ---------------------------------------------------------------------------------- */

static void take_run(struct feed_mend *m, struct cursor *c, size_t len)
{
    if (m->state == MEND_FRONT)
        pass_front(m, c, len);
    else if (m->state == MEND_DROPPED || m->state == MEND_BEHIND)
        c->p += len;
    else
        put(m, c, len);
}

static void take_all(struct feed_mend *m, struct cursor *c)
{
    while (c->p < c->end) {
        const bool *stops = m->stops[m->state];
        const char *p = c->p;
        while (p < c->end && !stops[(unsigned char)*p])
            p++;
        take_run(m, c, (size_t)(p - c->p));
        if (c->p < c->end && !step(m, c))
            return;
    }
}

int feed_mend_take(struct feed_mend *m, const char **data, size_t *len, bool last)
{
    if (!m->strict && feed_clean_take(&m->clean, data, len, last, &m->repaired) < 0)
        return -ENOMEM;
    struct cursor c = {*data, *data + *len, last};
    bool held = m->held.len > 0;
    if (held) {
        if (buf_put(&m->held, *data, *len) < 0)
            return -ENOMEM;
        c = (struct cursor){m->held.data, m->held.data + m->held.len, last};
    }
    buf_reset(&m->out);
    take_all(m, &c);
    if (last && m->state == MEND_FRONT)
        give_up(m);
    if (m->out.len > 0)
        m->last = m->out.data[m->out.len - 1];
    m->begun |= m->out.len > 0;
    if (held)
        buf_drop(&m->held, (size_t)(c.p - m->held.data));
    else
        buf_put(&m->held, c.p, (size_t)(c.end - c.p));
    *data = m->out.data ? m->out.data : "";
    *len = m->out.len;
    return m->held.failed || m->out.failed ? -ENOMEM : 0;
}
