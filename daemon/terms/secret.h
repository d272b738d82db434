/* A small file that holds a secret, read into memory that is wiped when it is freed. Blocks: not
 * for a loop's thread. Messages name the file, never what is in it. */
#ifndef PENSTOCK_SPEC_SECRET_H
#define PENSTOCK_SPEC_SECRET_H

#include "base/error.h"

#include <stddef.h>

#define SECRET_MAX (64 * 1024)

/* Overwrites and frees a string, and forgets it. Takes a pointer to NULL. */
void secret_free(char **text);
void secret_free_len(char **data, size_t len);

/* The whole file, NUL-terminated; a newline at its end (or CR LF) is left out. It must be a regular
 * file of at most SECRET_MAX bytes, not empty, owned by root or the daemon's user, and of mode 0640
 * or stricter. 0; or a negative errno with a message in *err. */
int secret_read(const char *path, char **ret_data, size_t *ret_len, struct error *err);

/* Would it be read, by the daemon's user, whom the file may belong to, and who need not be this
 * process's? Opens nothing. As above. */
int secret_look(const char *path, struct error *err);

#endif
