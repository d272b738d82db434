#include "record/notice.h"

#include "base/clock.h"
#include "record/line.h"

#include <stdlib.h>

static void notice_free(struct sink_line *line)
{
    buf_deinit(&line->text);
    free(line);
}

struct sink_line *notice_new(enum event event)
{
    struct sink_line *line = calloc(1, sizeof *line);
    if (!line)
        return NULL;
    list_init(&line->link);
    line->event = event;
    line->taken = notice_free;
    line_begin(&line->text, clock_real_us(), event);
    return line;
}

void notice_post(struct sink *sink, struct sink_line *line)
{
    line_end(&line->text);
    if (line->text.failed)
        notice_free(line);
    else
        sink_post(sink, line);
}
