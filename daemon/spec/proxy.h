/* fetch.proxy: a proxy for all, or as the environment says (http_proxy, https_proxy, all_proxy, no_proxy, as curl
 * reads them). Immutable. Any thread. */
#ifndef PENSTOCK_SPEC_PROXY_H
#define PENSTOCK_SPEC_PROXY_H

struct proxy;

/* NULL or "none": none; "env"; or a URL. 0 or -ENOMEM. */
int proxy_new(const char *setting, struct proxy **ret_proxy);
void proxy_free(struct proxy *proxy); /* takes NULL */

/* The proxy for this URL on this host (lower case, without brackets), or NULL: directly. */
const char *proxy_for(const struct proxy *proxy, const char *url, const char *host);

#endif
