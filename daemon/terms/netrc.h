/* Reading netrc files. */
#ifndef PENSTOCK_TERMS_NETRC_H
#define PENSTOCK_TERMS_NETRC_H

#include "terms/credential.h"

/* netrc.c: login and password for a host, in the text of a netrc file (which is changed by it); the
 * `default` entry if there is none of its own. 0; -ENOENT; -EINVAL: no netrc. */
int netrc_find(char *text, const char *host, const char **ret_login, const char **ret_password);

#endif
