/* fetch.proxy: a proxy for all, or as the environment says (http_proxy, https_proxy, all_proxy,
 * no_proxy, as curl reads them). Immutable. Any thread.
 *
 * no_proxy is a list, its items apart by commas or blanks: names, which are meant with all below
 * them, with or without a dot before; addresses; blocks of them, as 10.0.0.0/8 or fd00::/8. A host
 * that is an address is compared with those alone, and a name is not looked up. One star, and
 * nothing else, is everything. */
#ifndef PENSTOCK_SPEC_PROXY_H
#define PENSTOCK_SPEC_PROXY_H

struct proxy;

/* NULL or "none": none; "env"; or a URL. 0 or -ENOMEM. */
int proxy_new(const char *setting, struct proxy **ret_proxy);
void proxy_free(struct proxy *proxy); /* takes NULL */

/* The proxy for this URL on this host (lower case, without brackets), or NULL: directly. */
const char *proxy_for(const struct proxy *proxy, const char *url, const char *host);

/* The host of a proxy's URL, lower case, without brackets. 0, -ENOMEM or -EINVAL. */
int proxy_host(const char *proxy, char **ret_host);

#endif
