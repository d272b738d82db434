/* What the origin remembers and shows: counters, holds that were released, what was put at /data.
 */
#include "support/origin_private.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- what has a name -------------------------------------------------------------------------- */

static struct named *find_named(struct named *list, const char *name)
{
    while (list && strcmp(list->name, name) != 0)
        list = list->next;
    return list;
}

/* With the lock held. */
static struct named *put_named(struct named **list, const char *name)
{
    struct named *entry = find_named(*list, name);
    if (entry)
        return entry;
    entry = calloc(1, sizeof *entry + strlen(name) + 1);
    if (!entry)
        return NULL;
    memcpy(entry->name, name, strlen(name) + 1);
    entry->next = *list;
    *list = entry;
    return entry;
}

static void free_named(struct named *list)
{
    while (list) {
        struct named *next = list->next;
        free(list->data);
        free(list);
        list = next;
    }
}

void origin_wake(struct origin *origin)
{
    uint64_t one = 1;
    while (write(origin->event, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

int origin_put(struct origin *origin, const char *name, const void *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    if (!copy)
        return -ENOMEM;
    if (len > 0)
        memcpy(copy, data, len);
    pthread_mutex_lock(&origin->lock);
    struct named *entry = put_named(&origin->data, name);
    char *old = entry ? entry->data : copy;
    if (entry) {
        entry->data = copy;
        entry->len = len;
    }
    pthread_mutex_unlock(&origin->lock);
    free(old);
    return entry ? 0 : -ENOMEM;
}

int origin_release(struct origin *origin, const char *name)
{
    pthread_mutex_lock(&origin->lock);
    bool known = put_named(&origin->released, name);
    pthread_mutex_unlock(&origin->lock);
    origin_wake(origin);
    return known ? 0 : -ENOMEM;
}

bool origin_is_released(struct origin *origin, const char *name)
{
    pthread_mutex_lock(&origin->lock);
    bool known = find_named(origin->released, name);
    pthread_mutex_unlock(&origin->lock);
    return known;
}

/* --- counters --------------------------------------------------------------------------------- */

static struct counter **bucket(struct origin *origin, const char *key)
{
    uint32_t h = 2166136261u;
    for (const char *p = key; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u; /* FNV-1a */
    return &origin->counters[h % COUNTER_BUCKETS];
}

static struct counter *find_counter(struct origin *origin, const char *key)
{
    struct counter *counter = *bucket(origin, key);
    while (counter && strcmp(counter->key, key) != 0)
        counter = counter->next;
    return counter;
}

struct counter *origin_counter(struct origin *origin, const char *key)
{
    struct counter *counter = find_counter(origin, key);
    if (counter)
        return counter;
    counter = calloc(1, sizeof *counter + strlen(key) + 1);
    if (!counter)
        return NULL;
    memcpy(counter->key, key, strlen(key) + 1);
    counter->next = *bucket(origin, key);
    *bucket(origin, key) = counter;
    return counter;
}

bool origin_counts(struct origin *origin, const char *key, struct origin_counts *ret)
{
    pthread_mutex_lock(&origin->lock);
    const struct counter *counter = find_counter(origin, key);
    *ret = counter ? counter->counts : (struct origin_counts){0};
    pthread_mutex_unlock(&origin->lock);
    return counter;
}

void origin_totals(struct origin *origin, struct origin_totals *ret)
{
    pthread_mutex_lock(&origin->lock);
    *ret = origin->totals;
    pthread_mutex_unlock(&origin->lock);
}

static json_t *counts_json(const struct origin_counts *c)
{
    return json_pack("{sI sI sI sI sI sI sI sI sI ss ss}", "requests", (json_int_t)c->requests,
                     "most_open", (json_int_t)c->most_open, "ranged", (json_int_t)c->ranged,
                     "body_sent", (json_int_t)c->body_sent, "last_sent", (json_int_t)c->last_sent,
                     "finished", (json_int_t)c->finished, "client_left", (json_int_t)c->client_left,
                     "held", (json_int_t)c->held, "stalled", (json_int_t)c->stalled, "last_range",
                     c->last_range, "last_if_range", c->last_if_range);
}

static int put_stats(struct origin *origin, struct buf *ret)
{
    json_t *keys = json_object();
    pthread_mutex_lock(&origin->lock);
    struct origin_totals t = origin->totals;
    for (size_t i = 0; i < COUNTER_BUCKETS; i++)
        for (struct counter *c = origin->counters[i]; c; c = c->next)
            json_object_set_new(keys, c->key, counts_json(&c->counts));
    pthread_mutex_unlock(&origin->lock);
    json_t *all =
        json_pack("{sI sI sI sI sI sI so}", "connections", (json_int_t)t.connections, "open",
                  (json_int_t)t.open, "most_open", (json_int_t)t.most_open, "requests",
                  (json_int_t)t.requests, "body_sent", (json_int_t)t.body_sent,
                  "handshake_failures", (json_int_t)t.handshake_failures, "keys", keys);
    char *text = all ? json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    int r = text ? buf_printf(ret, "%s\n", text) : -ENOMEM;
    free(text);
    json_decref(all);
    return r;
}

/* --- the special paths ------------------------------------------------------------------------ */

static int put_data(struct origin *origin, const char *name, struct buf *ret)
{
    pthread_mutex_lock(&origin->lock);
    const struct named *entry = find_named(origin->data, name);
    int r = entry ? buf_put(ret, entry->data, entry->len) : -ENOENT;
    pthread_mutex_unlock(&origin->lock);
    return r;
}

/* Sends a whole answer to nothing, or an end, on every connection that waits for a request. It is
 * in the clients' kernels before this returns. */
static int put_unasked(struct origin *origin, const char *what, struct buf *ret)
{
    unsigned count = 0;
    struct list *e = origin->conns.next;
    while (e != &origin->conns) {
        struct conn *conn = container_of(e, struct conn, node);
        e = e->next;
        if (conn->phase == CONN_HEAD && conn->in.len == 0) {
            conn_unasked(conn, what);
            count++;
        }
    }
    return buf_printf(ret, "%u\n", count);
}

int origin_special(void *arg, const struct request *request, struct buf *ret)
{
    struct origin *origin = arg;
    const char *name = request_param(request, "name");
    if (strncmp(request->path, "/data/", 6) == 0)
        return put_data(origin, request->path + 6, ret);
    if (strcmp(request->path, "/_stats") == 0)
        return put_stats(origin, ret);
    if (strcmp(request->path, "/_unasked") == 0 && name)
        return put_unasked(origin, name, ret);
    if (strcmp(request->path, "/_release") != 0 || !name)
        return -ENOENT;
    int r = origin_release(origin, name);
    return r < 0 ? r : buf_puts(ret, "released\n");
}

int origin_expected(const char *path, struct buf *ret_body)
{
    struct buf head = BUF_INIT;
    struct request request = {0};
    struct content content = {0};
    const struct response_origin none = {0};
    buf_printf(&head, "GET %s HTTP/1.1\r\n\r\n", path);
    int r = head.failed ? -ENOMEM : request_parse(&request, head.data, head.len, NULL);
    if (r == 0)
        r = response_content(&content, &request, &none, NULL);
    if (r == 0 && content.size > 1 << 30)
        r = -EFBIG;
    if (r == 0)
        r = buf_reserve(ret_body, content.size);
    if (r == 0) {
        ssize_t n = content_read(&content, 0, ret_body->data + ret_body->len, content.size);
        ret_body->len += n > 0 ? (size_t)n : 0;
        ret_body->data[ret_body->len] = '\0';
        r = n < 0 ? (int)n : 0;
    }
    content_deinit(&content);
    request_deinit(&request);
    buf_deinit(&head);
    return r;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void free_counters(struct origin *origin)
{
    for (size_t i = 0; i < COUNTER_BUCKETS; i++) {
        while (origin->counters[i]) {
            struct counter *next = origin->counters[i]->next;
            free(origin->counters[i]);
            origin->counters[i] = next;
        }
    }
}

void origin_state_deinit(struct origin *origin)
{
    free_counters(origin);
    free_named(origin->data);
    free_named(origin->released);
}
