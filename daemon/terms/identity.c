#include "terms/identity.h"

#include "base/list.h"
#include "terms/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int copy(char **path, const char *text)
{
    free(*path);
    *path = text ? strdup(text) : NULL;
    return text && !*path ? -ENOMEM : 0;
}

int identity_prepare(struct identity *identity, const char *cert_path, const char *key_path,
                     struct credential *proxy)
{
    credential_free(identity->proxy);
    identity->proxy = proxy;
    int r = copy(&identity->cert_path, cert_path);
    return r < 0 ? r : copy(&identity->key_path, key_path);
}

bool identity_wanted(const struct identity *identity)
{
    return identity->credential || identity->proxy || identity->cert_path;
}

static int read_pem(const char *what, const char *path, char **ret_data, size_t *ret_len,
                    struct error *err)
{
    struct error why;
    int r = path ? secret_read(path, ret_data, ret_len, &why) : 0;
    return r < 0 ? error_set(err, r, "%s: %s", what, why.text) : 0;
}

/* A thread of the pool. */
static void work(uv_work_t *work)
{
    struct identity *i = container_of(work, struct identity, work);
    struct error *err = &i->error;
    i->result = read_pem("client_cert", i->cert_path, &i->cert, &i->cert_len, err);
    if (i->result == 0)
        i->result = read_pem("client_key", i->key_path, &i->key, &i->key_len, err);
    if (i->result == 0 && i->proxy)
        i->result = credential_read(i->proxy, err);
    if (i->result == 0 && i->credential)
        i->result = credential_read(i->credential, err);
    if (i->result == 0 && i->credential && i->credential->query) {
        i->url = credential_url(i->credential, i->plain_url);
        if (!i->url)
            i->result = error_set(err, -ENOMEM, "out of memory");
    }
}

static void after(uv_work_t *work, int status)
{
    struct identity *i = container_of(work, struct identity, work);
    i->reading = false;
    i->done(i);
}

void identity_read(struct identity *identity, uv_loop_t *loop, const char *url,
                   void (*done)(struct identity *identity))
{
    identity_wipe(identity);
    identity->reading = true;
    identity->plain_url = url;
    identity->done = done;
    uv_queue_work(loop, &identity->work, work, after); /* fails only without a work callback */
}

void identity_wipe(struct identity *identity)
{
    credential_wipe(identity->credential);
    credential_wipe(identity->proxy);
    secret_free(&identity->url);
    secret_free_len(&identity->cert, identity->cert_len);
    secret_free_len(&identity->key, identity->key_len);
}

void identity_forget_credential(struct identity *identity)
{
    credential_free(identity->credential);
    identity->credential = NULL;
}

void identity_deinit(struct identity *identity)
{
    identity_wipe(identity);
    identity_forget_credential(identity);
    credential_free(identity->proxy);
    free(identity->cert_path);
    free(identity->key_path);
}
