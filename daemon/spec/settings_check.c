/* What several sections of the settings must agree on. */
#include "spec/access.h"
#include "spec/settings_table.h"

#include <errno.h>
#include <stdio.h>

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

int settings_check(struct settings *settings, struct error *err)
{
    int r = check_proxy_trust(settings, err);
    if (r == 0)
        r = check_credentials(settings, err);
    if (r < 0)
        return r;
    struct access_lists lists = {.submit_users = &settings->submit_users,
                                 .submit_groups = &settings->submit_groups,
                                 .admin_users = &settings->admin_users,
                                 .admin_groups = &settings->admin_groups};
    return access_new(&lists, &settings->access, err);
}
