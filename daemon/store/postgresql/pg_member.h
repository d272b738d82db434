/* Joining and leaving. Each run of a daemon is a member of its own: rows name it, and so nothing
 * that an earlier run left behind can pass for this one's. At the start and the end, on the control
 * loop, before and after the store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_MEMBER_H
#define PENSTOCK_STORE_POSTGRESQL_PG_MEMBER_H

#include "store/postgresql/pg_private.h"

/* Joins by a connection that waits. An earlier run of this daemon, of the same name and place, is
 * gone, as its place is locked, and so is another whose sessions have ended; what they ran becomes
 * ours, to be closed. 0; -EBUSY: another one lives; or another negative errno. With a message in
 * *err. */
int member_join(struct pg *pg, PGconn *conn, struct error *err);

/* The name by which the server lists the connections of `member`: what ends those of one that is
 * dead finds them by it, and must find no other fleet's. */
void member_application(const struct pg *pg, int64_t member, char *ret, size_t size);

/* Leaves by the thread's connection, if that is there and idle. */
void member_leave(struct pg *pg);

#endif
