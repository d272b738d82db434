#include "client/public_verdict.h"

#include <string.h>

void verdict_unknown(struct penstock_verdict *verdict, uint64_t job, const char *message)
{
    *verdict = (struct penstock_verdict){.job = job, .state = PENSTOCK_STATE_UNKNOWN};
    snprintf(verdict->error_message, sizeof verdict->error_message, "%s", message);
}

static void copy(char *to, size_t size, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    snprintf(to, size, "%s", text ? text : "");
}

static enum penstock_state state_of(const char *name)
{
    if (strcmp(name, "done") == 0)
        return PENSTOCK_STATE_DONE;
    if (strcmp(name, "failed") == 0)
        return PENSTOCK_STATE_FAILED;
    return strcmp(name, "cancelled") == 0 ? PENSTOCK_STATE_CANCELLED : PENSTOCK_STATE_UNKNOWN;
}

static uint64_t number(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

void verdict_read(const json_t *line, struct penstock_verdict *ret_verdict)
{
    const json_t *error = json_object_get(line, "error");
    char state[16];
    copy(state, sizeof state, line, "state");
    *ret_verdict = (struct penstock_verdict){
        .job = number(line, "job"),
        .attempt = (uint32_t)number(line, "attempt"),
        .resumes = (uint32_t)number(line, "resumes"),
        .state = state_of(state),
        .status = (int)number(line, "status"),
        .bytes = number(line, "bytes"),
        .records = number(line, "records"),
        .seconds = json_number_value(json_object_get(json_object_get(line, "seconds"), "total")),
    };
    copy(ret_verdict->verified_by, sizeof ret_verdict->verified_by, line, "verified_by");
    copy(ret_verdict->error_kind, sizeof ret_verdict->error_kind, error, "kind");
    copy(ret_verdict->error_message, sizeof ret_verdict->error_message, error ? error : line,
         error ? "message" : "reason");
}
