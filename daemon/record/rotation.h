/* A log file that has grown large enough makes room for the next: PATH becomes PATH.1, that one
 * PATH.2, and so on. Blocks: the sink's thread. */
#ifndef PENSTOCK_RECORD_ROTATION_H
#define PENSTOCK_RECORD_ROTATION_H

/* Renames PATH, which `fd` has open, and those before it, of which `keep` stay. 0, also if another
 * program (logrotate, say) has moved the file already: it is to be opened anew in any case. Or a
 * negative errno, and PATH is where it was: -ELOOP for a symbolic link. */
int rotation_move(const char *path, int fd, unsigned keep);

#endif
