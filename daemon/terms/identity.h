/* Who a hop says it is: the job's credential, the client's certificate of its host, and what its
 * proxy wants to know. All are files, so they are read on libuv's pool of threads, at each hop
 * anew, and wiped when it is over.
 *
 * All on the control loop, but for what the fetch loop reads while the hop runs. */
#ifndef PENSTOCK_SPEC_IDENTITY_H
#define PENSTOCK_SPEC_IDENTITY_H

#include "base/error.h"
#include "terms/credential.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct identity {
    struct credential *credential; /* ours; or NULL */
    struct credential *proxy;      /* the next hop's proxy's; or NULL */
    char *cert_path, *key_path;    /* or NULL */
    char *cert, *key;              /* PEM; or NULL */
    size_t cert_len, key_len;
    char *url; /* with the secret in its query; or NULL */
    int result;
    struct error error; /* if the result is negative */
    bool reading;
    uv_work_t work;
    const char *plain_url; /* borrowed while reading */
    void (*done)(struct identity *identity);
};

/* The next hop's files: copies of paths, or NULL; takes ownership of `proxy`, or NULL. 0 or
 * -ENOMEM. */
int identity_prepare(struct identity *identity, const char *cert_path, const char *key_path,
                     struct credential *proxy);
/* Is there something to be read? */
bool identity_wanted(const struct identity *identity);
/* Reads it all; `done` follows, from the loop, with `result`. `url` is the hop's, and stays until
 * then. */
void identity_read(struct identity *identity, uv_loop_t *loop, const char *url,
                   void (*done)(struct identity *identity));
/* The hop is over: wipes. Not while reading. */
void identity_wipe(struct identity *identity);
/* Another origin: goes on without the credential. */
void identity_forget_credential(struct identity *identity);
void identity_deinit(struct identity *identity);

#endif
