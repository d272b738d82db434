/* A message digest computed as the bytes pass (libcrypto's EVP). One owner, one thread. */
#ifndef PENSTOCK_FLOW_MESSAGE_DIGEST_H
#define PENSTOCK_FLOW_MESSAGE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_HEX_SIZE 129 /* of the longest: SHA-512, and a NUL */

struct digest;

/* "sha256", "sha384" or "sha512". Does this program compute it? */
bool digest_known(const char *algorithm);

/* The digest's length in hexadecimal digits, 0 if it is not known. */
size_t digest_hex_length(const char *algorithm);

/* 0; -EINVAL: not known; -ENOMEM. */
int digest_new(const char *algorithm, struct digest **ret_digest);

/* 0 or -EIO (libcrypto failed). */
int digest_update(struct digest *digest, const void *data, size_t len);

/* Lower-case hexadecimal. Once. 0 or -EIO. */
int digest_final(struct digest *digest, char ret_hex[DIGEST_HEX_SIZE]);

void digest_free(struct digest *digest); /* takes NULL */

#endif
