/* Why the last call of this thread failed that had no object to keep it in. */
#ifndef PENSTOCK_CLIENT_OPEN_ERROR_H
#define PENSTOCK_CLIENT_OPEN_ERROR_H

#include "base/error.h"

/* The calling thread's own. */
struct error *open_error(void);

#endif
