/* The sink's thread. */
#ifndef PENSTOCK_RECORD_WRITER_H
#define PENSTOCK_RECORD_WRITER_H

#include "record/sink_private.h"

void *sink_writer(void *arg);

#endif
