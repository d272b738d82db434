#include "control/message.h"

#include "base/json_read.h"
#include "control/reply.h"
#include "record/kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_RESERVE ((size_t)128 << 10) /* a page of records, with its quotes escaped */

static const struct message_method methods[] = {
    {"submit", MESSAGE_CALL, API_SUBMIT, false},
    {"show", MESSAGE_CALL, API_SHOW, false},
    {"records", MESSAGE_CALL, API_RECORDS, false},
    {"list", MESSAGE_CALL, API_LIST, false},
    {"cancel", MESSAGE_CALL, API_CANCEL, false},
    {"retry", MESSAGE_CALL, API_RETRY, false},
    {"wait", MESSAGE_CALL, API_WAIT, false},
    {"follow", MESSAGE_FOLLOW, API_SHOW, false},
    {"stats", MESSAGE_CALL, API_STATS, true},
    {"top", MESSAGE_CALL, API_TOP, false},
    {"metrics", MESSAGE_CALL, API_METRICS, false},
    {"parsers", MESSAGE_CALL, API_PARSERS, true},
    {"check_url", MESSAGE_CALL, API_CHECK_URL, false},
    {"ping", MESSAGE_PING, API_SHOW, true},
    {"pause", MESSAGE_CALL, API_PAUSE, false},
    {"resume", MESSAGE_CALL, API_RESUME, false},
    {"reload", MESSAGE_CALL, API_RELOAD, false},
    {"run", MESSAGE_CALL, API_RUN, false},
    {"exited", MESSAGE_CALL, API_EXITED, false},
    {"head", MESSAGE_CALL, API_HEAD, false},
    {"backup", MESSAGE_CALL, API_BACKUP, true},
    {"fleet", MESSAGE_CALL, API_FLEET, true},
    {"fleet_evict", MESSAGE_CALL, API_FLEET_EVICT, false},
    {"schedule_apply", MESSAGE_CALL, API_SCHEDULE_APPLY, false},
    {"schedule_add", MESSAGE_CALL, API_SCHEDULE_ADD, false},
    {"schedule_list", MESSAGE_CALL, API_SCHEDULE_LIST, false},
    {"schedule_run", MESSAGE_CALL, API_SCHEDULE_RUN, false},
    {"schedule_remove", MESSAGE_CALL, API_SCHEDULE_REMOVE, false},
};

#define METHOD_NAMES                                                                              \
    "submit, show, records, list, cancel, retry, wait, follow, run, exited, head, "               \
    "schedule_apply, schedule_add, schedule_list, schedule_run, schedule_remove, pause, resume, " \
    "reload, stats, top, metrics, parsers, check_url, backup, fleet, fleet_evict, ping"

/* jansson has a fixed limit of depth (2,048) and none of the number of values, and a value costs
 * some thirty times its text: so both are counted before it sees the line. */
static int check_bounds(const char *text, size_t len, struct error *err)
{
    unsigned depth = 0;
    size_t values = 1;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        if (c == '"')
            in_string = true;
        else if (c == '{' || c == '[')
            depth++, values++;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
        else if (c == ',' || c == ':')
            values++;
        if (depth > MESSAGE_MAX_DEPTH)
            return error_set(err, REPLY_INVALID_REQUEST, "nested more than %d deep",
                             MESSAGE_MAX_DEPTH);
        if (values > MESSAGE_MAX_VALUES)
            return error_set(err, REPLY_INVALID_REQUEST,
                             "more than %d values in a line: send several lines",
                             MESSAGE_MAX_VALUES);
    }
    return 0;
}

static int check_root(const json_t *root, struct error *err)
{
    if (!json_is_array(root))
        return 0;
    size_t n = json_array_size(root);
    if (n == 0)
        return error_set(err, REPLY_INVALID_REQUEST, "an empty array asks for nothing");
    if (n > MESSAGE_MAX_BATCH)
        return error_set(err, REPLY_INVALID_REQUEST,
                         "an array of %zu requests: at most %d in a line", n, MESSAGE_MAX_BATCH);
    return 0;
}

int message_parse(const char *text, size_t len, json_t **ret_root, struct error *err)
{
    int r = check_bounds(text, len, err);
    if (r < 0)
        return r;
    json_error_t why;
    json_t *root = json_read(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!root) {
        if (json_error_code(&why) == json_error_out_of_memory)
            return -ENOMEM;
        return error_set(err, REPLY_PARSE_ERROR, "byte %d of the line: %s", why.position, why.text);
    }
    r = check_root(root, err);
    if (r < 0) {
        json_decref(root);
        return r;
    }
    *ret_root = root;
    return 0;
}

__attribute__((format(printf, 4, 5))) static int refuse(struct message *m, int code,
                                                        const char *field, const char *fmt, ...)
{
    va_list ap;
    char text[sizeof m->error.text];
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    m->code = code;
    m->field = field;
    error_set(&m->error, code, "%s", text);
    return 0;
}

static const struct message_method *find_method(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    return NULL;
}

/* The id comes first: it is what an error about the rest is answered with. */
static int read_id(const json_t *value, struct message *m)
{
    const json_t *id = json_object_get(value, "id");
    if (!id)
        return 0;
    if (!json_is_string(id) && !json_is_number(id) && !json_is_null(id))
        return refuse(m, REPLY_INVALID_REQUEST, "id", "id: a string, a number or null");
    m->id = json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
    return m->id ? 0 : -ENOMEM;
}

static int read_envelope(json_t *value, struct message *m)
{
    const char *key;
    json_t *member;
    json_object_foreach(value, key, member)
    {
        if (strcmp(key, "jsonrpc") != 0 && strcmp(key, "id") != 0 && strcmp(key, "method") != 0 &&
            strcmp(key, "params") != 0)
            return refuse(m, REPLY_INVALID_REQUEST, NULL,
                          "%.64s: a request has jsonrpc, id, method and params only", key);
    }
    const char *version = json_string_value(json_object_get(value, "jsonrpc"));
    if (!version || strcmp(version, "2.0") != 0)
        return refuse(m, REPLY_INVALID_REQUEST, "jsonrpc", "jsonrpc: must be \"2.0\"");
    if (!json_is_string(json_object_get(value, "method")))
        return refuse(m, REPLY_INVALID_REQUEST, "method", "method: must be a string, one of %s",
                      METHOD_NAMES);
    json_t *params = json_object_get(value, "params");
    if (params && !json_is_object(params) && !json_is_array(params))
        return refuse(m, REPLY_INVALID_REQUEST, "params", "params: must be an object");
    m->params = json_incref(params);
    return 0;
}

/* true, false, or the names of the events that are wanted. */
static int take_follow(struct message *m)
{
    json_t *follow = json_object_get(m->params, "follow"), *name;
    size_t i;
    m->events = EVENT_ALL;
    if (!follow)
        return 0;
    bool names = json_array_size(follow) > 0;
    if (!json_is_boolean(follow) && !names)
        return refuse(m, API_INVALID_PARAMS, "follow",
                      "follow: true, false, or an array of event names");
    m->follow = names || json_is_true(follow);
    m->events = names ? 0 : EVENT_ALL;
    json_array_foreach(follow, i, name)
    {
        enum event event;
        if (!json_is_string(name) || event_parse(json_string_value(name), &event) < 0)
            return refuse(
                m, API_INVALID_PARAMS, "follow",
                "follow[%zu]: one of start, record, attempt, verdict, stop, revoke is wanted", i);
        m->events |= event;
    }
    json_object_del(m->params, "follow");
    return 0;
}

/* Only who follows can press. */
static void take_backpressure(struct message *m)
{
    const json_t *press = json_object_get(m->params, "backpressure");
    if (!press || m->code != 0)
        return;
    m->press = json_is_true(press);
    if (!json_is_boolean(press))
        refuse(m, API_INVALID_PARAMS, "backpressure", "backpressure: true or false");
    else if (m->press && !m->follow)
        refuse(m, API_INVALID_PARAMS, "backpressure",
               "backpressure: only who follows the jobs can slow them: add \"follow\":true");
    else
        json_object_del(m->params, "backpressure");
}

static int read_job(struct message *m)
{
    return json_is_object(m->params)
               ? 0
               : refuse(m, API_INVALID_PARAMS, "params", "params: give a job as {\"url\":\"…\"}");
}

/* Always followed: the client lives by what it is told. */
static int read_run(struct message *m)
{
    int r = read_job(m);
    m->follow = true;
    m->events = EVENT_ALL;
    return r;
}

/* {job}, {job, "follow"}, [{job}…] or {"jobs":[…], "follow"} -> {job} or [{job}…]. Beside `follow`
 * there may be `backpressure`. */
static int read_submit(struct message *m)
{
    if (!m->params)
        return refuse(m, API_INVALID_PARAMS, "params",
                      "params: give a job as {\"url\":\"…\"}, or an array of jobs");
    take_follow(m);
    take_backpressure(m);
    json_t *jobs = json_object_get(m->params, "jobs");
    if (jobs && m->code == 0) {
        if (!json_is_array(jobs))
            return refuse(m, API_INVALID_PARAMS, "jobs", "jobs: must be an array of jobs");
        if (json_object_size(m->params) > 1)
            return refuse(m, API_INVALID_PARAMS, "params",
                          "beside `jobs` there may be `follow` and `backpressure` only: other "
                          "members go into "
                          "each job");
        json_incref(jobs);
        json_decref(m->params);
        m->params = jobs;
    }
    size_t n = json_array_size(m->params);
    if (json_is_array(m->params) && n == 0)
        return refuse(m, API_INVALID_PARAMS, "jobs", "jobs: an empty array submits nothing");
    if (n > MESSAGE_MAX_JOBS)
        return refuse(m, API_INVALID_PARAMS, "jobs", "jobs: %zu, and at most %d in a request", n,
                      MESSAGE_MAX_JOBS);
    return 0;
}

static int read_params(struct message *m)
{
    if (m->method->kind == MESSAGE_CALL && m->method->call == API_SUBMIT)
        return read_submit(m);
    if (m->method->kind == MESSAGE_CALL && m->method->call == API_RUN)
        return read_run(m);
    if (m->method->kind == MESSAGE_CALL && m->method->call == API_HEAD)
        return read_job(m);
    if (json_is_array(m->params))
        return refuse(m, API_INVALID_PARAMS, "params",
                      "params: %s takes an object, as {\"id\":42}, not an array", m->method->name);
    if (m->method->no_params && json_object_size(m->params) > 0)
        return refuse(m, API_INVALID_PARAMS, "params", "params: %s takes none", m->method->name);
    size_t ids = json_array_size(json_object_get(m->params, "ids"));
    if (ids > MESSAGE_MAX_IDS)
        return refuse(m, API_INVALID_PARAMS, "ids", "ids: %zu, and at most %d in a request", ids,
                      MESSAGE_MAX_IDS);
    return 0;
}

/* What is no request at all can't be a notification either: it is answered, with a null id. */
static int settle_invalid(struct message *m)
{
    if (m->code == REPLY_INVALID_REQUEST && !m->id) {
        m->id = strdup("null");
        if (!m->id)
            return -ENOMEM;
    }
    return 0;
}

int message_read(json_t *value, struct message *ret_message)
{
    struct message *m = ret_message;
    *m = (struct message){0};
    int r;
    if (!json_is_object(value)) {
        r = refuse(m, REPLY_INVALID_REQUEST, NULL,
                   "a request is an object: {\"jsonrpc\":\"2.0\",…}");
    } else {
        r = read_id(value, m);
        if (r == 0 && m->code == 0)
            r = read_envelope(value, m);
    }
    if (r == 0)
        r = settle_invalid(m);
    if (r < 0 || m->code != 0)
        return r;
    const char *name = json_string_value(json_object_get(value, "method"));
    m->method = find_method(name);
    if (!m->method)
        return refuse(m, REPLY_METHOD_NOT_FOUND, "method",
                      "method %.64s is not known; there are %s", name, METHOD_NAMES);
    return read_params(m);
}

size_t message_reserve(const struct message *message)
{
    size_t reserve = MESSAGE_RESERVE;
    if (message->code != 0 || message->method->kind != MESSAGE_CALL)
        return reserve;
    if (message->method->call == API_LIST || message->method->call == API_SCHEDULE_LIST) {
        json_int_t limit = json_integer_value(json_object_get(message->params, "limit"));
        if (limit <= 0 || limit > MESSAGE_MAX_IDS)
            limit = limit <= 0 && message->method->call == API_LIST ? 50 : MESSAGE_MAX_IDS;
        reserve += (size_t)limit * 1024;
    }
    if (message->method->call == API_RECORDS)
        reserve += RECORDS_RESERVE;
    reserve += json_array_size(json_object_get(message->params, "ids")) * 1024;
    reserve += json_array_size(json_object_get(message->params, "schedules")) * 192;
    return reserve + json_array_size(message->params) * 64;
}

void message_deinit(struct message *message)
{
    free(message->id);
    json_decref(message->params);
    *message = (struct message){0};
}
