/* The address policy: which addresses a download may connect to (RFC 6890 and its registry: what is
 * not globally reachable is refused unless allowed). Judged on the address really connected to, at
 * every hop. Immutable once built, reference counted: a reload makes a new one. Any thread.
 *
 * An item of `allow` or `deny` is HOST, HOST:PORT or :PORT.
 *   HOST  an address or a CIDR block, IPv6 in brackets if a port follows: 10.0.0.0/8, 127.0.0.1,
 * fc00::/7,
 *         [::1]:8080, [fd00::/8]:443. Bits behind the prefix must be zero.
 *         Or a host pattern, matched against the URL's host without regard to case: example.org,
 *         *.example.org (what is below it, at any depth, not itself), * (every host).
 *   PORT  a port or a range: 8080, 8000-8099. Without one, every port; without a host, every host.
 * `deny` refuses what it matches. `allow` lifts the default refusal of special-purpose addresses
 * for what it matches, and nothing else: it is no list of the only hosts permitted. A block of IPv4
 * addresses also matches the IPv6 addresses that carry one of them (::ffff:10.0.0.1,
 * 64:ff9b::10.0.0.1, 2002:a00:1::). What else carries one depends on the network: a translator to
 * IPv4 (NAT64) may have any prefix, and an address below it is judged by the one that it is
 * translated to. */
#ifndef PENSTOCK_FETCH_POLICY_H
#define PENSTOCK_FETCH_POLICY_H

#include "base/error.h"

#include <stddef.h>
#include <sys/socket.h>

struct policy;

/* Deny wins over allow. 0; -EINVAL with a message in *err naming the item; -ENOMEM. */
int policy_new(const char *const *allow, size_t allow_count, const char *const *deny,
               size_t deny_count, struct policy **ret_policy, struct error *err);
/* Before it is shared, once: the prefixes of the network's own translators, as 2001:db8:64::/96
 * (RFC 6052, 2.2). 0; -EINVAL with a message in *err naming the item; -ENOMEM. */
int policy_set_translators(struct policy *policy, const char *const *prefixes, size_t count,
                           struct error *err);
struct policy *policy_ref(struct policy *policy);
void policy_unref(struct policy *policy); /* takes NULL */

/* May `host` (as in the URL, without brackets), at this address, be connected to? 0; or -EACCES and
 * a sentence with the class of the address and the exact `allow = …` line that would permit it. */
int policy_check(const struct policy *policy, const char *host, const struct sockaddr *addr,
                 socklen_t len, struct error *err);

/* Before a connection: is the URL's host (a literal or a name) or port refused whatever it resolves
 * to? 0, or -EACCES with a message in *err as above. */
int policy_check_host(const struct policy *policy, const char *host, int port, struct error *err);

#endif
