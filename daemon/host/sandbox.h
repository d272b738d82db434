/* What closes a plug-in's process in. */
#ifndef PENSTOCK_HOST_SANDBOX_H
#define PENSTOCK_HOST_SANDBOX_H

#include "base/error.h"

/* From here on this process opens no files, sockets and programs, and can become nothing more. All
 * threads. 0, or a negative errno with a message in *err. */
int sandbox_close(struct error *err);

/* What plug-ins have for fstat(2): the linker exports it under that name. glibc's own is newfstatat
 * with an empty path, and as a filter sees no paths, allowing that would let any file be asked
 * about. glibc's own parts go on calling theirs, and do without an answer, as for the size of a
 * buffer. */
struct stat;
int sandbox_fstat(int fd, struct stat *ret_st);

#endif
