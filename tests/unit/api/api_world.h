/* The operations in one process: the jobs of jobs_world.h, and schedules and the api above them. */
#ifndef PENSTOCK_TESTS_API_WORLD_H
#define PENSTOCK_TESTS_API_WORLD_H

#include "../job/jobs_world.h"
#include "api/api.h"
#include "api/follower.h"
#include "schedule/schedules.h"

struct api_world {
    struct world *w;
    struct schedules *schedules;
    struct api *api;
    struct peer peer; /* who calls */
    bool drained, closed;
};

static inline void api_world_on_chunk(void *arg, struct sink_chunk *chunk)
{
    followers_take_chunk(arg, chunk);
}

static inline struct api_world *api_world_of(struct world *w)
{
    struct api_world *a = calloc(1, sizeof *a);
    struct error err = {""};
    assert_non_null(a);
    a->w = w;
    a->peer = (struct peer){.uid = getuid(), .gid = getgid()};
    assert_int_equal(schedules_new(a->w->jobs, &a->schedules, &err), 0);
    struct api_config config = {.mailbox = &a->w->mailbox,
                                .jobs = a->w->jobs,
                                .schedules = a->schedules,
                                .instance = "test"};
    assert_int_equal(api_new(&config, &a->api, &err), 0);
    a->w->on_chunk_arg = a->api;
    a->w->on_chunk = api_world_on_chunk; /* before anybody follows */
    return a;
}

static inline struct api_world *api_world_new(const char *settings, bool keeps)
{
    return api_world_of(world_new(settings, keeps));
}

static inline void api_world_on_drained(void *arg)
{
    struct api_world *a = arg;
    a->drained = true;
}

static inline void api_world_on_closed(void *arg)
{
    struct api_world *a = arg;
    a->closed = true;
}

static inline void api_world_free(struct api_world *a)
{
    struct world *w = a->w;
    gate_release(&w->gate);
    memset(w->gate.refuse, 0, sizeof w->gate.refuse);
    if (!w->drained) {
        drain_begin(w->jobs, world_on_drained, w);
        drain_stop(w->jobs);
    }
    WORLD_WAIT(w, w->drained);
    if (!a->drained)
        api_drain(a->api, api_world_on_drained, a);
    WORLD_WAIT(w, a->drained);
    api_close(a->api, api_world_on_closed, a);
    WORLD_WAIT(w, a->closed);
    a->closed = false;
    schedules_close(a->schedules, api_world_on_closed, a);
    WORLD_WAIT(w, a->closed);
    world_free(w);
    free(a);
}

/* --- calls ------------------------------------------------------------------------------------ */

struct asked {
    struct api_call call;
    json_t *params;
    bool answered;
    json_t *result; /* NULL: an error */
    int code;
    char message[512], field[64];
};

static inline void asked_on_answer(struct api_call *call, json_t *result, int code,
                                   const struct error *error, const char *field)
{
    struct asked *asked = container_of(call, struct asked, call);
    assert_false(asked->answered);
    asked->answered = true;
    asked->result =
        call->text.len > 0 ? json_loads(call->text.data, JSON_REJECT_DUPLICATES, NULL) : result;
    asked->code = code;
    assert_true((asked->result != NULL) == (code == 0));
    assert_true(!result || asked->result == result); /* one of the two */
    buf_deinit(&call->text);
    snprintf(asked->message, sizeof asked->message, "%s", error ? error->text : "");
    snprintf(asked->field, sizeof asked->field, "%s", field ? field : "");
}

/* Asks, and does not wait. */
static inline struct asked *ask_with(struct api_world *a, enum api_method method, json_t *params,
                                     struct follower *follower)
{
    struct asked *asked = calloc(1, sizeof *asked);
    assert_non_null(asked);
    asked->params = params;
    asked->call = (struct api_call){.method = method,
                                    .params = params,
                                    .peer = a->peer,
                                    .follower = follower,
                                    .fd = -1,
                                    .answer = asked_on_answer};
    api_call(a->api, &asked->call);
    assert_false(asked->answered); /* never from within */
    return asked;
}

/* `text` has ' in place of ", and is formatted. */
__attribute__((format(printf, 1, 2))) static inline json_t *json_of(const char *format, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    for (char *at = text; *at; at++)
        if (*at == '\'')
            *at = '"';
    json_error_t where;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &where);
    if (!json)
        fail_msg("%s: %s", text, where.text);
    return json;
}

static inline struct asked *ask(struct api_world *a, enum api_method method, json_t *params)
{
    struct asked *asked = ask_with(a, method, params, NULL);
    WORLD_WAIT(a->w, asked->answered);
    return asked;
}

static inline void asked_free(struct asked *asked)
{
    assert_true(asked->answered);
    json_decref(asked->params);
    json_decref(asked->result);
    free(asked);
}

/* The result of a call that has to be good; the caller's. */
static inline json_t *ask_well(struct api_world *a, enum api_method method, json_t *params)
{
    struct asked *asked = ask(a, method, params);
    if (asked->code)
        fail_msg("%d: %s", asked->code, asked->message);
    json_t *result = json_incref(asked->result);
    asked_free(asked);
    return result;
}

/* A call that has to come to this error, of this member. */
static inline void ask_ill(struct api_world *a, enum api_method method, json_t *params, int code,
                           const char *field)
{
    struct asked *asked = ask(a, method, params);
    if (asked->code != code || strcmp(asked->field, field) != 0 || !asked->message[0])
        fail_msg("%d '%s' of '%s', and not %d of '%s'", asked->code, asked->message, asked->field,
                 code, field);
    asked_free(asked);
}

struct ill_call {
    enum api_method method;
    const char *params; /* ' in place of " */
    int code;
    const char *field, *words; /* words: in the message */
};

/* Each has to come to its error, which says these words. */
static inline void ask_all_ill(struct api_world *a, const struct ill_call *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct ill_call *c = &cases[i];
        struct asked *asked = ask(a, c->method, json_of("%s", c->params));
        if (asked->code != c->code || strcmp(asked->field, c->field) != 0 ||
            !strstr(asked->message, c->words))
            fail_msg("%d %s: %d '%s' of '%s'", c->method, c->params, asked->code, asked->message,
                     asked->field);
        asked_free(asked);
    }
}
#define ASK_ALL_ILL(a, cases) ask_all_ill(a, cases, sizeof(cases) / sizeof(cases)[0])

static inline json_t *id_json(uint64_t id)
{
    return json_of("{'id':%llu}", (unsigned long long)id);
}

/* Members of an answer, which have to be of that kind. */
static inline size_t count_in(const json_t *answer, const char *member)
{
    const json_t *list = json_object_get(answer, member);
    if (!json_is_array(list))
        fail_msg("%s is no array", member);
    return json_array_size(list);
}

static inline json_t *item_in(const json_t *answer, const char *member, size_t i)
{
    json_t *item = json_array_get(json_object_get(answer, member), i);
    if (!item)
        fail_msg("%s[%zu] is not there", member, i);
    return item;
}

static inline json_int_t int_in(const json_t *answer, const char *member)
{
    const json_t *value = json_object_get(answer, member);
    if (!json_is_integer(value))
        fail_msg("%s is no integer", member);
    return json_integer_value(value);
}

static inline const char *text_in(const json_t *answer, const char *member)
{
    const char *value = json_string_value(json_object_get(answer, member));
    if (!value)
        fail_msg("%s is no string", member);
    return value;
}

/* Whoever asks from now on. */
static inline void api_world_peer(struct api_world *a, uint32_t id)
{
    a->peer = (struct peer){.uid = id, .gid = id};
}

static inline json_t *job_json(struct api_world *a, const char *path)
{
    return json_of("{'url':'http://127.0.0.1:%u%s','parser':'count','max_attempts':1}",
                   (unsigned)origin_port(a->w->origin), path);
}

static inline uint64_t ask_submit(struct api_world *a, const char *path)
{
    json_t *result = ask_well(a, API_SUBMIT, job_json(a, path));
    uint64_t id = (uint64_t)json_integer_value(json_object_get(result, "id"));
    json_decref(result);
    assert_true(id > 0);
    return id;
}

/* The string that this member of the job's view has, or "". The caller frees nothing: one at a
 * time. */
static inline const char *shown(struct api_world *a, uint64_t id, const char *member)
{
    static char text[512];
    json_t *view = ask_well(a, API_SHOW, json_of("{'id':%llu}", (unsigned long long)id));
    const char *value = json_string_value(json_object_get(view, member));
    snprintf(text, sizeof text, "%s", value ? value : "");
    json_decref(view);
    return text;
}

#endif
