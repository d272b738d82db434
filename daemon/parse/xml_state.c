#include "parse/xml_state.h"

#include "parse/task.h"

static _Thread_local struct xml_run *current;

struct xml_run *xml_state_current(void)
{
    return current;
}

void xml_state_set_current(struct xml_run *x)
{
    current = x;
}

uint64_t xml_state_line(const struct xml_run *x)
{
    return XML_GetCurrentLineNumber(x->expat) + x->first_line;
}

uint64_t xml_state_offset(const struct xml_run *x)
{
    int64_t at = XML_GetCurrentByteIndex(x->expat);
    return at < 0 ? PENSTOCK_NO_OFFSET : (uint64_t)at;
}

void xml_state_stop(struct xml_run *x)
{
    x->failed = true;
    XML_StopParser(x->expat, XML_FALSE);
}

void xml_state_fail(struct xml_run *x, enum error_kind kind, uint64_t line, uint64_t offset,
                    const char *message)
{
    if (x->failed)
        return;
    parse_task_fail(x->run, kind, line, offset, message);
    xml_state_stop(x);
}
