/* Certificates made at run time (EC P-256), so that no key lies in the tree and none expires there.
 */
#ifndef TESTS_SUPPORT_CERTS_H
#define TESTS_SUPPORT_CERTS_H

#include "support/origin.h"

#include <openssl/ssl.h>

/* Makes a CA, signs a leaf of the given kind with it, writes the CA's certificate (PEM) to ca_file,
 * and gives a server context with the leaf. NULL with OpenSSL's reasons on stderr if that fails. */
SSL_CTX *certs_server_context(enum origin_tls kind, const char *ca_file);

#endif
