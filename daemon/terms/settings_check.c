/* What several sections of the settings must agree on. */
#include "terms/quota.h"
#include "terms/settings_check.h"

#include "terms/access.h"
#include "terms/credential.h"
#include "terms/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_proxy_trust(const struct settings *s, struct error *err)
{
    if (!s->proxy || s->trust_proxy)
        return 0;
    return error_set(
        err, -EINVAL,
        "fetch.proxy: a proxy connects where [policy] cannot see it: only host names and "
        "addresses in URLs would be judged; to live with that, say trust_proxy = yes in "
        "[policy]");
}

/* Where it is known which proxy that is, that one must be its host. */
static int check_proxy_credential(const struct settings *s, struct error *err)
{
    const char *name = s->proxy_credential;
    char *host = NULL;
    if (!name)
        return 0;
    const struct settings_credential *c = settings_credential_find(s, name);
    if (!c)
        return error_set(err, -EINVAL, "fetch.proxy_credential: there is no [credential \"%.64s\"]",
                         name);
    if (c->type != CREDENTIAL_BASIC)
        return error_set(err, -EINVAL, "fetch.proxy_credential: %.64s is not of type basic", name);
    if (!s->proxy)
        return error_set(err, -EINVAL, "fetch.proxy_credential: there is no fetch.proxy");
    if (strcmp(s->proxy, "env") == 0)
        return 0;
    int r = proxy_host(s->proxy, &host);
    if (r < 0)
        return error_set(err, r, "fetch.proxy: %s", r == -ENOMEM ? "out of memory" : "no URL");
    if (!credential_is_for(c, host))
        r = error_set(err, -EINVAL,
                      "fetch.proxy_credential: %.64s is not sent to the proxy %.128s: that is none "
                      "of its hosts",
                      name, host);
    free(host);
    return r;
}

static int check_named(const struct settings *s, const struct job_params *params, const char *where,
                       struct error *err)
{
    if (!params->credential || settings_credential_find(s, params->credential))
        return 0;
    return error_set(err, -EINVAL, "%s: credential: there is no [credential \"%.64s\"]", where,
                     params->credential);
}

static int check_credentials(const struct settings *s, struct error *err)
{
    char where[320];
    int r = check_named(s, &s->defaults, "[defaults]", err);
    for (size_t i = 0; r == 0 && i < s->host_count; i++) {
        snprintf(where, sizeof where, "[host \"%.256s\"]", s->hosts[i].pattern);
        r = check_named(s, &s->hosts[i].params, where, err);
    }
    for (size_t i = 0; r == 0 && i < s->parser_count; i++) {
        snprintf(where, sizeof where, "[parser \"%.256s\"]", s->parsers[i].name);
        r = check_named(s, &s->parsers[i].params, where, err);
    }
    return r;
}

/* A server's store is shared, and counts no users. */
static int check_quotas(const struct settings *s, struct error *err)
{
    char name[96];
    if (strcmp(s->store_engine, "postgresql") != 0)
        return 0;
    for (size_t i = 0; i < s->quota_count; i++)
        if (s->quotas[i].max_jobs || s->quotas[i].max_running)
            return error_set(err, -EINVAL,
                             "%s %s: store.engine = postgresql does not count the jobs of a "
                             "user; leave it out",
                             quota_name(&s->quotas[i], name, sizeof name),
                             s->quotas[i].max_jobs ? "max_jobs" : "max_running");
    return 0;
}

int settings_check(struct settings *settings, struct error *err)
{
    int r = check_proxy_trust(settings, err);
    if (r == 0)
        r = check_proxy_credential(settings, err);
    if (r == 0)
        r = check_credentials(settings, err);
    if (r == 0)
        r = check_quotas(settings, err);
    if (r < 0)
        return r;
    struct access_lists lists = {.submit_users = &settings->submit_users,
                                 .submit_groups = &settings->submit_groups,
                                 .admin_users = &settings->admin_users,
                                 .admin_groups = &settings->admin_groups};
    return access_new(&lists, &settings->access, err);
}
