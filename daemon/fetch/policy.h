/* The address policy: which addresses a download may connect to (RFC 6890 and its registry: what is not
 * globally reachable is refused unless allowed). Judged on the address really connected to, at every hop.
 * Immutable once built, reference counted: a reload makes a new one. Any thread. */
#ifndef PENSTOCK_FETCH_POLICY_H
#define PENSTOCK_FETCH_POLICY_H

#include "base/error.h"

#include <stddef.h>
#include <sys/socket.h>

struct policy;

/* `allow` and `deny` are items as in [policy]: CIDR blocks or single addresses (10.0.0.0/8, ::1), host
 * patterns (*.example.org), ports (:8080 or host:port forms are documented in penstockd.conf). Deny
 * wins over allow. 0, or -EINVAL and a sentence naming the item. */
int policy_new(const char *const *allow, size_t allow_count, const char *const *deny,
               size_t deny_count, struct policy **ret_policy, struct error *err);
struct policy *policy_ref(struct policy *policy);
void policy_unref(struct policy *policy);

/* May `host` (as in the URL, without brackets), at this address, be connected to? 0; or -EACCES and a
 * sentence with the class of the address and the exact `allow = …` line that would permit it. */
int policy_check(const struct policy *policy, const char *host, const struct sockaddr *addr,
                 socklen_t len, struct error *err);

/* Before a connection: is the URL's host (a literal or a name) or port refused whatever it resolves to? */
int policy_check_host(const struct policy *policy, const char *host, int port, struct error *err);

#endif
