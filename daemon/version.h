/* penstockd --version: its own version, and the libraries it runs with. */
#ifndef PENSTOCK_VERSION_H
#define PENSTOCK_VERSION_H

/* On standard output: a line for penstockd, then one for each library whose behaviour it relies on,
 * with the versions that the tests were run with. */
void version_print(void);

#endif
