#include "fetch/head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct head_field {
    size_t name, value; /* offsets */
};

void head_init(struct head *head, uint64_t max_bytes)
{
    *head = (struct head){.max = max_bytes, .content_length = -1};
}

void head_deinit(struct head *head)
{
    buf_deinit(&head->text);
    free(head->fields);
    free(head->headers);
    *head = (struct head){0};
}

static int refuse(struct head *head, int code, const char *why)
{
    head->error = why;
    return code;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* HTTP/1.1 200 OK, or HTTP/2 200. */
static int status_line(struct head *head, const char *line, size_t len)
{
    const char *end = line + len, *p = line + 5;
    if (len < 8 || memcmp(line, "HTTP/", 5) != 0 || !digit(*p))
        return refuse(head, -EPROTO, "the status line is not HTTP's");
    int version = (*p++ - '0') * 10;
    if (p + 1 < end && p[0] == '.' && digit(p[1])) {
        version += p[1] - '0';
        p += 2;
    }
    while (p < end && *p == ' ')
        p++;
    if (end - p < 3 || !digit(p[0]) || !digit(p[1]) || !digit(p[2]) || (end - p > 3 && p[3] != ' '))
        return refuse(head, -EPROTO, "the status line has no three-digit status");
    int status = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
    if (status < 100) /* those above 599 are nobody's, and as 5xx (RFC 9110, 15) */
        return refuse(head, -EPROTO, "the status is below 100");
    if (status == 101)
        return refuse(head, -EPROTO, "the server switched protocols unasked (101)");
    head->version = version;
    head->status = status;
    return 0;
}

/* Digits, possibly the same several times with commas between. */
static int content_length(struct head *head, const char *value)
{
    const char *p = value;
    for (;;) {
        int64_t n = 0;
        if (!digit(*p))
            return refuse(head, -EPROTO, "Content-Length is not a number");
        for (; digit(*p); p++)
            if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
                return refuse(head, -EPROTO, "Content-Length is too large");
        if (head->content_length >= 0 && head->content_length != n)
            return refuse(head, -EPROTO, "there are two Content-Lengths, and they differ");
        head->content_length = n;
        while (blank(*p))
            p++;
        if (!*p)
            return 0;
        if (*p++ != ',')
            return refuse(head, -EPROTO, "Content-Length is not a number");
        while (blank(*p))
            p++;
    }
}

static int transfer_encoding(struct head *head, const char *value)
{
    if (strcasecmp(value, "chunked") != 0)
        return refuse(head, -EPROTO, "Transfer-Encoding is something else than `chunked`");
    if (++head->transfer_encodings > 1)
        return refuse(head, -EPROTO, "Transfer-Encoding is there twice");
    return 0;
}

/* Only once all fields are there: a folded line may go on with any of them. */
static int framing(struct head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const struct transfer_header *h = &head->headers[i];
        int r = 0;
        if (strcasecmp(h->name, "Content-Length") == 0)
            r = content_length(head, h->value);
        else if (strcasecmp(h->name, "Transfer-Encoding") == 0)
            r = transfer_encoding(head, h->value);
        if (r)
            return r;
    }
    if (!head->transfer_encodings)
        return 0;
    if (head->content_length >= 0)
        return refuse(head, -EPROTO, "Transfer-Encoding and Content-Length came together");
    if (head->version != 11)
        return refuse(head, -EPROTO, "Transfer-Encoding came with a version other than HTTP/1.1");
    return 0;
}

static int finish(struct head *head)
{
    head->headers = calloc(head->field_count + 1, sizeof *head->headers);
    if (!head->headers)
        return -ENOMEM;
    for (size_t i = 0; i < head->field_count; i++) {
        head->headers[i].name = head->text.data + head->fields[i].name;
        head->headers[i].value = head->text.data + head->fields[i].value;
    }
    int r = framing(head);
    if (r)
        return r;
    head->done = true;
    return HEAD_DONE;
}

/* RFC 9112 §5.2: a folded line goes on with the last value, behind one space. */
static int fold(struct head *head, const char *value, size_t len)
{
    if (!head->field_count)
        return refuse(head, -EPROTO, "the first header begins with white space");
    if (!len)
        return 0;
    head->text.len--; /* the value's NUL */
    if (buf_putc(&head->text, ' ') || buf_put(&head->text, value, len) ||
        buf_putc(&head->text, '\0'))
        return -ENOMEM;
    return 0;
}

static int add_field(struct head *head, size_t name, size_t value)
{
    if (head->field_count == head->field_room) {
        size_t room = head->field_room ? head->field_room * 2 : 16;
        struct head_field *grown = realloc(head->fields, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        head->fields = grown;
        head->field_room = room;
    }
    head->fields[head->field_count++] = (struct head_field){name, value};
    return 0;
}

static int field_line(struct head *head, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line)
        return refuse(head, -EPROTO, "a header line has no name");
    size_t name_len = (size_t)(colon - line);
    for (size_t i = 0; i < name_len; i++)
        if ((unsigned char)line[i] <= ' ' || line[i] == 0x7f)
            return refuse(head, -EPROTO, "a header's name has white space in it");
    const char *value = colon + 1;
    while (value < line + len && blank(*value))
        value++;
    size_t at = head->text.len;
    if (buf_put(&head->text, line, name_len) || buf_putc(&head->text, '\0') ||
        buf_put(&head->text, value, (size_t)(line + len - value)) || buf_putc(&head->text, '\0'))
        return -ENOMEM;
    return add_field(head, at, at + name_len + 1);
}

static void next_response(struct head *head)
{
    buf_reset(&head->text);
    head->field_count = 0;
    head->status = head->version = 0;
}

int head_line(struct head *head, const char *line, size_t len)
{
    head->bytes += len;
    if (head->bytes > head->max)
        return refuse(head, -EMSGSIZE, "the response's head is larger than the limit");
    if (head->done)
        return 0;
    if (memchr(line, '\0', len))
        return refuse(head, -EPROTO, "a header line has a NUL in it");
    if (len && line[len - 1] == '\n')
        len--;
    if (len && line[len - 1] == '\r')
        len--;
    if (memchr(line, '\r', len))
        return refuse(head, -EPROTO, "a header line has a carriage return in it");
    if (!head->status)
        return status_line(head, line, len);
    if (!len && head->status >= 200)
        return finish(head);
    if (!len) {
        next_response(head);
        return 0;
    }
    bool folded = blank(line[0]);
    while (len && blank(line[len - 1]))
        len--;
    if (!folded)
        return field_line(head, line, len);
    while (len && blank(*line))
        line++, len--;
    return fold(head, line, len);
}

const char *head_get(const struct head *head, const char *name)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (strcasecmp(head->headers[i].name, name) == 0)
            return head->headers[i].value;
    return NULL;
}
