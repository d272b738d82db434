#include "client/daemon_line.h"

#include "base/json_read.h"

#include <errno.h>

static int read_error(struct answer *answer, const json_t *error)
{
    const char *message = json_string_value(json_object_get(error, "message"));
    json_t *code = json_object_get(error, "code");
    if (!json_is_integer(code) || json_integer_value(code) == 0)
        return -EBADMSG;
    answer->code = (int)json_integer_value(code);
    answer->message = message ? message : "the daemon gave no reason";
    answer->field = json_string_value(json_object_get(json_object_get(error, "data"), "field"));
    return 0;
}

int answer_read(const char *line, size_t len, struct answer *ret_answer)
{
    struct answer answer = {.text = line, .len = len};
    answer.root = json_read(line, len, JSON_ALLOW_NUL, NULL);
    int r = json_is_object(answer.root) ? 0 : -EBADMSG;
    if (r == 0 && json_object_get(answer.root, "method"))
        r = 1;
    if (r == 0) {
        json_t *error = json_object_get(answer.root, "error");
        json_int_t id = json_integer_value(json_object_get(answer.root, "id"));
        answer.id = id > 0 ? (uint64_t)id : 0;
        answer.result = json_object_get(answer.root, "result");
        if (error && !json_is_null(error))
            r = read_error(&answer, error);
        else if (!answer.result)
            r = -EBADMSG;
    }
    if (r != 0) {
        json_decref(answer.root);
        return r;
    }
    *ret_answer = answer;
    return 0;
}

void answer_deinit(struct answer *answer)
{
    json_decref(answer->root);
    *answer = (struct answer){0};
}
