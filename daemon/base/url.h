/* Texts that somebody took for URLs, before they are shown: they may hold a password. No state. Any
 * thread. */
#ifndef PENSTOCK_BASE_URL_H
#define PENSTOCK_BASE_URL_H

/* The @ behind a user's name and password, and where they begin: behind a scheme, and slashes
 * however many. NULL: there are none. What is no URL is read as one that lacks something. */
const char *url_find_user(const char *text, const char **ret_start);

#endif
