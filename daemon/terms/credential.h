/* A credential on its way into requests: the secret is read at each use, becomes a header or a
 * query parameter of one hop, and is wiped when that is over.
 *
 * It is sent to the origin of the job's URL alone (scheme, host and port), if that host is one of
 * the credential's `hosts`. An attempt that is redirected to another origin goes on without it, and
 * does not get it back.
 *
 * Made on the control loop; credential_read on a thread that may block; the rest while the hop
 * runs. */
#ifndef PENSTOCK_SPEC_CREDENTIAL_H
#define PENSTOCK_SPEC_CREDENTIAL_H

#include "terms/settings.h"
#include "terms/spec.h"

#include <stdbool.h>

#define CREDENTIAL_MARKS 3

struct credential {
    enum credential_type type;
    char *name, *user;
    char *field; /* of a header or query: its name */
    char *host;  /* of the job's URL */
    char *path;  /* NULL: nobody says where the secret is */
    /* From credential_read on. */
    char *header;                  /* a whole line, or NULL */
    char *query;                   /* "name=value", encoded, or NULL */
    char *marks[CREDENTIAL_MARKS]; /* the secret as it may come back from an origin; or NULL */
};

/* The credential that a job is to use: 0 and NULL if none. -EACCES with a message in *err: the job
 * itself names one that there is not, or that its host must not get. (One that a section of the
 * config gives goes only where it may.) *ret is the settings'. */
int credential_choose(const struct settings *settings, const struct spec *spec,
                      const struct settings_credential **ret, struct error *err);

/* The one for a proxy, whose URL this is, of a credential of type basic: 0 and NULL if there is
 * none, or if it is not for the proxy's host. 0 or -ENOMEM. */
int credential_for_proxy(const struct settings_credential *settings, const char *proxy,
                         struct credential **ret_credential);

/* May it be sent to this host? */
bool credential_is_for(const struct settings_credential *settings, const char *host);

/* A copy of what is needed. 0 or -ENOMEM. */
int credential_new(const struct settings_credential *settings, const char *host,
                   struct credential **ret_credential);
void credential_free(struct credential *credential); /* wipes; takes NULL */

/* Reads the file and fills in `header` or `query`. Blocks. 0, or a negative errno with a
 * message in *err. */
int credential_read(struct credential *credential, struct error *err);
void credential_wipe(struct credential *credential); /* takes NULL */

/* `url` with the query parameter, in place of one of that name. NULL: out of memory. */
char *credential_url(const struct credential *credential, const char *url);

/* An origin's redirect says back what it was asked with: `url` without the query parameter, if it
 * is one that credential_url has put there. NULL: out of memory. */
char *credential_strip(const struct credential *credential, const char *url);

/* Does this URL hold the secret, in whatever part, percent-encoded once or more? (One that is as
 * short as any word is seen as a query parameter alone.) */
bool credential_shows(const struct credential *credential, const char *url);

/* Strikes the secret out of what an origin said, where it stands whole, and its beginning at the
 * end of a text that was cut there. In place. */
void credential_redact(const struct credential *credential, char *text);

#endif
