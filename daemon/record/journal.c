#include "record/journal.h"

#include "base/fd.h"
#include "base/json_read.h"
#include "record/journal_text.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SEND_BUFFER \
    (8 << 20) /* asked for; the kernel gives what it may, and longer entries go by memory files */
#define NAME_MAX_LEN 64 /* of a field, as journald has it */

int journal_open(const char *path, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int size = SEND_BUFFER;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path ? path : JOURNAL_SOCKET);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int r = -errno;
        fd_close(&fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

/* --- fields ----------------------------------------------------------------------------------- */

/* NAME=VALUE, or with its length where the value holds a newline. */
static void put_field(struct buf *b, const char *name, const char *value, size_t len)
{
    buf_puts(b, name);
    if (memchr(value, '\n', len)) {
        uint64_t le = htole64(len);
        buf_putc(b, '\n');
        buf_put(b, (const char *)&le, sizeof le);
    } else {
        buf_putc(b, '=');
    }
    buf_put(b, value, len);
    buf_putc(b, '\n');
}

static void put_member(struct buf *b, const char *field, const json_t *object, const char *key)
{
    char digits[24];
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value)) {
        put_field(b, field, json_string_value(value), json_string_length(value));
    } else if (json_is_integer(value)) {
        int n = snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        put_field(b, field, digits, (size_t)n);
    }
}

static void put_label(struct buf *b, const char *key, const json_t *value)
{
    char name[NAME_MAX_LEN + 1] = "PENSTOCK_LABEL_";
    size_t n = strlen(name);
    for (const char *p = key; *p && n < NAME_MAX_LEN; p++)
        name[n++] = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
    if (json_is_string(value))
        put_field(b, name, json_string_value(value), json_string_length(value));
}

static const char *message_id(enum event event)
{
    switch (event) {
    case EVENT_START:
        return "5d2a0f6c9b1e4c6d8a3e7f10c4b2d901";
    case EVENT_RECORD:
        return "5d2a0f6c9b1e4c6d8a3e7f10c4b2d902";
    case EVENT_ATTEMPT:
        return "5d2a0f6c9b1e4c6d8a3e7f10c4b2d903";
    case EVENT_VERDICT:
        return "5d2a0f6c9b1e4c6d8a3e7f10c4b2d904";
    case EVENT_AUDIT:
        return "5d2a0f6c9b1e4c6d8a3e7f10c4b2d906";
    default:
        return "5d2a0f6c9b1e4c6d8a3e7f10c4b2d905";
    }
}

/* A failed job is somebody's trouble; another try, and a cancel, are worth a look. */
static int priority(enum event event, const char *state)
{
    if (event == EVENT_ATTEMPT)
        return LOG_NOTICE;
    if (event != EVENT_VERDICT || !state || strcmp(state, "done") == 0)
        return LOG_INFO;
    return strcmp(state, "failed") == 0 ? LOG_ERR : LOG_NOTICE;
}

/* What a line says of itself. A record's data, which may be long, is not parsed: no quote within a
 * string stands unescaped, so the first such member is at the top. NULL: no memory. */
static json_t *read_head(const struct batch_line *line)
{
    static const char data[] = ",\"data\":";
    const char *end =
        line->event == EVENT_RECORD ? memmem(line->text, line->len, data, sizeof data - 1) : NULL;
    if (!end)
        return json_read(line->text, line->len, JSON_DISABLE_EOF_CHECK, NULL);
    struct buf head = BUF_INIT;
    buf_put(&head, line->text, (size_t)(end - line->text));
    buf_putc(&head, '}');
    json_t *object = head.failed ? NULL : json_read(head.data, head.len, 0, NULL);
    buf_deinit(&head);
    return object;
}

/* In place of a line that is too long. */
static void put_shortened(struct buf *b, const char *field, const json_t *head, size_t len)
{
    static const char *const kept[] = {"ts",       "event", "job",     "attempt", "seq",
                                       "schedule", "state", "outcome", "parser"};
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        json_t *value = json_object_get(head, kept[i]);
        if (value)
            json_object_set(object, kept[i], value);
    }
    json_object_set_new(object, "omitted", json_integer((json_int_t)len));
    char *text = json_dumps(object, JSON_COMPACT);
    if (text)
        put_field(b, field, text, strlen(text));
    else
        b->failed = true;
    free(text);
    json_decref(object);
}

static void put_text(struct buf *b, enum event event, const json_t *head)
{
    struct buf text = BUF_INIT;
    journal_put_text(&text, event, head);
    if (text.failed)
        b->failed = true;
    else
        put_field(b, "MESSAGE", text.data, text.len);
    buf_deinit(&text);
}

void journal_entry(struct buf *b, const struct batch_line *line, bool as_text)
{
    const char *whole = as_text ? "PENSTOCK_JSON" : "MESSAGE";
    char digit[2];
    const char *key;
    json_t *label, *head = read_head(line);
    const char *state = json_string_value(json_object_get(head, "state"));

    if (as_text)
        put_text(b, line->event, head);
    if (line->len - 1 > JOURNAL_LINE_MAX)
        put_shortened(b, whole, head, line->len - 1);
    else
        put_field(b, whole, line->text, line->len - 1); /* without its newline */
    snprintf(digit, sizeof digit, "%d", priority(line->event, state));
    put_field(b, "PRIORITY", digit, 1);
    put_field(b, "MESSAGE_ID", message_id(line->event), 32);
    put_field(b, "SYSLOG_IDENTIFIER", "penstockd", 9);
    put_member(b, "PENSTOCK_EVENT", head, "event");
    put_member(b, "PENSTOCK_JOB", head, "job");
    put_member(b, "PENSTOCK_ATTEMPT", head, "attempt");
    put_member(b, "PENSTOCK_STATE", head, "state");
    put_member(b, "PENSTOCK_OUTCOME", head, "outcome");
    put_member(b, "PENSTOCK_SCHEDULE", head, "schedule");
    put_member(b, "PENSTOCK_ERROR", json_object_get(head, "error"), "kind");
    put_member(b, "PENSTOCK_UID", head, "uid");
    put_member(b, "PENSTOCK_ACTION", head, "action");
    json_object_foreach(json_object_get(head, "labels"), key, label) put_label(b, key, label);
    json_decref(head);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* An entry that is too long for a datagram goes by a sealed file in memory. */
static int memory_file(const struct buf *b)
{
    int fd = memfd_create("penstock-entry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int r = fd_write_all(fd, b->data, b->len);
    if (r == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        r = -errno;
    if (r < 0)
        fd_close(&fd);
    return r < 0 ? r : fd;
}

static ssize_t send_file(int fd, int file)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct msghdr msg = {.msg_control = &control, .msg_controllen = sizeof control.space};
    memcpy(CMSG_DATA(&control.header), &file, sizeof file);
    return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int outcome(ssize_t n)
{
    if (n >= 0)
        return 1;
    return errno == EAGAIN ? 0 : -errno;
}

int journal_send(int fd, const struct batch_line *line, bool as_text)
{
    struct buf b = BUF_INIT;
    journal_entry(&b, line, as_text);
    int r = b.failed ? -ENOMEM : outcome(send(fd, b.data, b.len, MSG_DONTWAIT | MSG_NOSIGNAL));
    if (r == -EMSGSIZE || r == -ENOBUFS) {
        int file = memory_file(&b);
        r = file < 0 ? file : outcome(send_file(fd, file));
        fd_close(&file);
    }
    buf_deinit(&b);
    return r;
}
