#include "api/follow_index.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum by { BY_JOB, BY_LABEL, BY_SCHEDULE, BY_HOST, BY_PARSER, BY_NOTHING };

/* What a place is found by. */
struct key {
    struct tree_node node;
    enum by by;
    bool own; /* of `uid` alone */
    uint32_t uid;
    uint64_t job;
    const char *text; /* a name; a label as it stands in a job's row: "K":"V" in JSON */
    size_t len;
};

struct place {
    struct key key;
    struct list lists[INTEREST_COUNT]; /* struct interest, by links */
    unsigned interests;
    char text[];
};

static int by_key(const struct tree_node *a, const struct tree_node *b)
{
    const struct key *p = container_of(a, struct key, node), *q = container_of(b, struct key, node);
    if (p->by != q->by)
        return p->by < q->by ? -1 : 1;
    if (p->own != q->own)
        return p->own < q->own ? -1 : 1;
    if (p->own && p->uid != q->uid)
        return p->uid < q->uid ? -1 : 1;
    if (p->job != q->job)
        return p->job < q->job ? -1 : 1;
    if (p->len != q->len)
        return p->len < q->len ? -1 : 1;
    return p->len ? memcmp(p->text, q->text, p->len) : 0;
}

void follow_index_init(struct follow_index *index)
{
    *index = (struct follow_index){0};
    tree_init(&index->places, by_key);
    list_init(&index->others);
}

static struct place *place_find(const struct follow_index *index, const struct key *key)
{
    return tree_entry(tree_find(&index->places, &key->node), struct place, key.node);
}

/* NULL: out of memory. */
static struct place *place_get(struct follow_index *index, const struct key *key)
{
    struct place *place = place_find(index, key);
    if (place)
        return place;
    place = calloc(1, sizeof *place + key->len);
    if (!place)
        return NULL;
    place->key = *key;
    if (key->len > 0)
        memcpy(place->text, key->text, key->len);
    place->key.text = place->text;
    for (int i = 0; i < INTEREST_COUNT; i++)
        list_init(&place->lists[i]);
    tree_insert(&index->places, &place->key.node);
    index->used[key->by]++;
    return place;
}

static const unsigned events_of[INTEREST_COUNT] = {[INTEREST_RECORD] = EVENT_RECORD,
                                                   [INTEREST_ATTEMPT] =
                                                       EVENT_ATTEMPT | EVENT_REVOKE,
                                                   [INTEREST_VERDICT] = EVENT_VERDICT,
                                                   [INTEREST_OTHER] = EVENT_START | EVENT_STOP};

static int begin(struct follow_index *index, struct interest *interest, const struct key *key,
                 unsigned events)
{
    struct place *place = place_get(index, key);
    if (!place)
        return -ENOMEM;
    interest->place = place;
    place->interests++;
    for (int i = 0; i < INTEREST_COUNT; i++) {
        list_init(&interest->links[i]);
        if (!(events & events_of[i]))
            continue;
        /* A line of no job is for those that take all. */
        if (i != INTEREST_OTHER)
            list_add_tail(&place->lists[i], &interest->links[i]);
        else if (key->by == BY_NOTHING)
            list_add_tail(&index->others, &interest->links[i]);
    }
    return 0;
}

int interest_in_job(struct follow_index *index, struct interest *interest, uint64_t job,
                    unsigned events)
{
    return begin(index, interest, &(struct key){.by = BY_JOB, .job = job}, events);
}

/* As in the row, without its braces; NULL: out of memory. */
static char *label_text(const struct store_select *select)
{
    json_t *label = json_object();
    char *text = NULL;
    if (json_object_set_new(label, select->label_key, json_string(select->label_value)) == 0)
        text = json_dumps(label, JSON_COMPACT);
    json_decref(label);
    if (text) {
        size_t len = strlen(text);
        memmove(text, text + 1, len - 2);
        text[len - 2] = '\0';
    }
    return text;
}

int interest_in_jobs(struct follow_index *index, struct interest *interest,
                     const struct store_select *select, const uint32_t *own, unsigned events)
{
    struct key key = {.by = BY_NOTHING, .own = own != NULL, .uid = own ? *own : 0};
    char *label = NULL;
    if (select && select->label_key && select->label_value) {
        key.by = BY_LABEL;
        key.text = label = label_text(select);
        if (!label)
            return -ENOMEM;
    } else if (select && select->schedule) {
        key.by = BY_SCHEDULE;
        key.text = select->schedule;
    } else if (select && select->host) {
        key.by = BY_HOST;
        key.text = select->host;
    } else if (select && select->parser) {
        key.by = BY_PARSER;
        key.text = select->parser;
    }
    key.len = key.text ? strlen(key.text) : 0;
    int r = begin(index, interest, &key, events);
    free(label);
    return r;
}

void interest_end(struct follow_index *index, struct interest *interest)
{
    struct place *place = interest->place;
    if (!place)
        return;
    for (int i = 0; i < INTEREST_COUNT; i++)
        list_del(&interest->links[i]);
    interest->place = NULL;
    if (--place->interests > 0)
        return;
    index->used[place->key.by]--;
    tree_remove(&index->places, &place->key.node);
    free(place);
}

bool interest_is_in_job(const struct interest *interest)
{
    return interest->place->key.by == BY_JOB;
}

/* --- a line ----------------------------------------------------------------------------------- */

struct meeting {
    struct follow_index *index;
    int which;
    interest_met *meet;
    void *arg;
};

static void meet_list(struct meeting *m, struct list *list)
{
    list_for_each(e, list)
    {
        m->index->looks++;
        m->meet(m->arg, container_of(e, struct interest, links[m->which]));
    }
}

static void meet_place(struct meeting *m, const struct key *key)
{
    struct place *place = m->index->used[key->by] ? place_find(m->index, key) : NULL;
    if (place)
        meet_list(m, &place->lists[m->which]);
}

static void meet_text(struct meeting *m, struct key *key, enum by by, const char *text, size_t len)
{
    if (!text || m->index->used[by] == 0)
        return;
    key->by = by;
    key->text = text;
    key->len = len;
    meet_place(m, key);
}

/* Behind the string that begins at `p`; NULL: there is none. */
static const char *skip_string(const char *p)
{
    if (*p++ != '"')
        return NULL;
    while (*p && *p != '"')
        p += *p == '\\' && p[1] ? 2 : 1;
    return *p ? p + 1 : NULL;
}

/* One place for each label of the job, which has made them: {"K":"V",…} without white space. */
static void meet_labels(struct meeting *m, struct key *key, const char *labels)
{
    if (m->index->used[BY_LABEL] == 0)
        return;
    for (const char *p = labels; p && (*p == '{' || *p == ',') && p[1] == '"';) {
        const char *start = p + 1;
        p = skip_string(start);
        p = p && *p == ':' ? skip_string(p + 1) : NULL;
        if (p)
            meet_text(m, key, BY_LABEL, start, (size_t)(p - start));
    }
}

static void meet_row(struct meeting *m, const struct store_job *row, bool own)
{
    struct key key = {.by = BY_NOTHING, .own = own, .uid = own ? row->uid : 0};
    meet_place(m, &key);
    meet_text(m, &key, BY_PARSER, row->parser, row->parser ? strlen(row->parser) : 0);
    meet_text(m, &key, BY_HOST, row->host, row->host ? strlen(row->host) : 0);
    meet_text(m, &key, BY_SCHEDULE, row->schedule, row->schedule ? strlen(row->schedule) : 0);
    meet_labels(m, &key, row->labels);
}

static int which_of(enum event event)
{
    int which = 0;
    assert(event & EVENT_ALL);
    while (!(events_of[which] & event))
        which++;
    return which;
}

void follow_index_meet_job(struct follow_index *index, enum event event, uint64_t job,
                           interest_met *meet, void *arg)
{
    struct meeting m = {.index = index, .which = which_of(event), .meet = meet, .arg = arg};
    meet_place(&m, &(struct key){.by = BY_JOB, .job = job});
}

void follow_index_meet(struct follow_index *index, enum event event, uint64_t job,
                       const struct store_job *row, interest_met *meet, void *arg)
{
    if (!(event & EVENT_ALL)) /* the audit is followed by nobody */
        return;
    struct meeting m = {.index = index, .which = which_of(event), .meet = meet, .arg = arg};
    if (m.which == INTEREST_OTHER) {
        meet_list(&m, &index->others);
        return;
    }
    follow_index_meet_job(index, event, job, meet, arg);
    if (row) {
        meet_row(&m, row, false);
        meet_row(&m, row, true);
    } else {
        meet_place(&m, &(struct key){.by = BY_NOTHING});
    }
}
