#include "client/open_error.h"

static _Thread_local struct error last;

struct error *open_error(void)
{
    return &last;
}
