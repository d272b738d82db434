/* Reading. 0 and call->result, or a fault of the database. */
#ifndef PENSTOCK_STORE_SQLITE_READ_H
#define PENSTOCK_STORE_SQLITE_READ_H

#include "store/sqlite_private.h"

int read_get(struct sqlite *s, struct store_get *call);
int read_window(struct sqlite *s, struct store_window *call, bool may_write);
int read_hosts(struct sqlite *s, struct store_hosts *call);
int read_ended(struct sqlite *s, struct store_ended *call);
void read_list_begin(struct sqlite *s, struct store_list *call);
int read_list(struct sqlite *s, struct store_list *call); /* 1: it goes on later */

#endif
