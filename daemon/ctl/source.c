#include "ctl/source.h"
#include "client/wire.h"
#include "ctl/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 65536

int source_init(struct source *s, const char *from, const char **urls, size_t count,
                struct error *err)
{
    *s = (struct source){.urls = urls, .url_count = count, .fd = -1};
    if (!from)
        return 0;
    s->owned = strcmp(from, "-") != 0;
    s->fd = s->owned ? open(from, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (s->fd < 0)
        return error_set(err, -errno, "--from: %s: %s", from, strerror(errno));
    jsonl_init(&s->lines, WIRE_MAX_LINE);
    s->dry = true;
    return 0;
}

void source_deinit(struct source *s)
{
    if (s->fd < 0)
        return;
    if (s->owned)
        close(s->fd);
    jsonl_deinit(&s->lines);
    s->fd = -1;
}

static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

static int next_line(struct source *s, char **ret_line, size_t *ret_len)
{
    int r = jsonl_next(&s->lines, ret_line, ret_len);
    if (r == 0 && s->end && !s->last_taken) {
        s->last_taken = true;
        r = jsonl_last(&s->lines, ret_line, ret_len);
    }
    return r;
}

int source_next(struct source *s, const char **ret_text, size_t *ret_len)
{
    char *line;
    size_t len;
    int r;
    if (s->fd < 0) {
        if (s->next_url == s->url_count)
            return 0;
        *ret_text = s->urls[s->next_url++];
        *ret_len = strlen(*ret_text);
        return 1;
    }
    while ((r = next_line(s, &line, &len)) != 0) {
        s->line++;
        if (r < 0)
            return r;
        if (is_blank(line, len))
            continue;
        *ret_text = line;
        *ret_len = len;
        return 1;
    }
    s->dry = true;
    return 0;
}

bool source_dry(const struct source *s)
{
    return s->fd >= 0 && !s->end && s->dry;
}

int source_read(struct source *s)
{
    char data[READ_SIZE];
    ssize_t n = read(s->fd, data, sizeof data);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    s->dry = false;
    s->end = n == 0;
    return n > 0 ? jsonl_feed(&s->lines, data, (size_t)n) : 0;
}

bool source_done(const struct source *s)
{
    if (s->fd < 0)
        return s->next_url == s->url_count;
    return s->end && s->last_taken;
}
