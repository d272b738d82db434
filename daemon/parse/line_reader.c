#include "parse/line_reader.h"

#include "base/error.h"
#include "parse/task.h"

#include <errno.h>
#include <string.h>

void lines_init(struct lines *lines, FILE *file, size_t max)
{
    *lines = (struct lines){.max = max};
    block_init(&lines->block, file);
}

void lines_deinit(struct lines *lines)
{
    buf_deinit(&lines->part);
}

static int give(struct lines *lines, const char *line, size_t len, const char **ret_line,
                size_t *ret_len)
{
    if (len > lines->max)
        return -EMSGSIZE;
    *ret_line = line;
    *ret_len = len;
    return 1;
}

/* Ends the line with the block's bytes up to `end`, its newline. */
static int finish(struct lines *lines, const char *start, const char *end, const char **ret_line,
                  size_t *ret_len)
{
    size_t len = (size_t)(end - start);
    if (lines->part.len > 0) {
        if (buf_put(&lines->part, start, len) < 0)
            return -ENOMEM;
        lines->part_given = true;
        start = lines->part.data;
        len = lines->part.len;
    }
    if (len > 0 && start[len - 1] == '\r')
        len--;
    return give(lines, start, len, ret_line, ret_len);
}

/* The body has ended in a line, or at the end of one. */
static int finish_last(struct lines *lines, const char **ret_line, size_t *ret_len)
{
    if (ferror_unlocked(lines->block.file))
        return -EIO;
    if (lines->part.len == 0)
        return 0;
    lines->part_given = true;
    return give(lines, lines->part.data, lines->part.len, ret_line, ret_len);
}

int lines_next(struct lines *lines, const char **ret_line, size_t *ret_len)
{
    struct block *block = &lines->block;
    if (lines->part_given)
        buf_reset(&lines->part);
    lines->part_given = false;
    lines->number++;
    lines->offset = block->offset + lines->taken;
    for (;;) {
        size_t left = block->len - lines->taken;
        const char *start = left > 0 ? block->data + lines->taken : NULL;
        const char *end = left > 0 ? memchr(start, '\n', left) : NULL;
        if (end) {
            lines->taken += (size_t)(end - start) + 1;
            return finish(lines, start, end, ret_line, ret_len);
        }
        /* One byte more than allowed: it may be the CR of the line's end. */
        if (lines->part.len + left > lines->max + 1)
            return -EMSGSIZE;
        if (left > 0 && buf_put(&lines->part, start, left) < 0)
            return -ENOMEM;
        lines->taken = 0;
        if (!block_next(block))
            return finish_last(lines, ret_line, ret_len);
        if (lines->part.len == 0)
            lines->offset = block->offset;
    }
}

void lines_fail(struct lines *lines, struct penstock_run *run, int r)
{
    struct error why;
    if (r == -EMSGSIZE) {
        error_set(&why, r, "the line is longer than %zu bytes (option max_line)", lines->max);
        parse_task_fail(run, KIND_LIMIT_EXCEEDED, lines->number, lines->offset, why.text);
    } else if (r == -ENOMEM) {
        parse_task_fail(run, KIND_RESOURCES, lines->number, lines->offset, "out of memory");
    }
}
