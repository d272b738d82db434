#include "ctl/ctl.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/units.h"
#include "ctl/intr.h"
#include "ctl/out.h"
#include "ctl/refused.h"
#include "ctl/slice.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define START_NS       NS_PER_SEC /* for a daemon that has just been started to listen */
#define START_PAUSE_MS 20

int ctl_fail(int code, const struct error *err)
{
    if (code == -EINTR)
        return EXIT_INTERRUPTED;
    out_error("%s", err->text);
    return code == -EINVAL ? EXIT_USAGE : EXIT_REFUSED;
}

static int read_patience(const struct args *args, uint64_t *ret_ns, struct error *err)
{
    struct error why;
    bool ours = args->command && (args->command->groups & GROUP_PATIENCE);
    const char *text = ours ? args_value(args, OPT_TIMEOUT) : NULL;
    if (text && parse_duration(text, false, ret_ns, &why) < 0)
        return error_set(err, -EINVAL, "--timeout: %s", why.text);
    return 0;
}

/* Who pastes several lines may start a daemon with one and ask it with the next. A script is told
 * at once that there is none. */
static int open_wire(struct ctl *ctl, struct error *err)
{
    uint64_t until = isatty(STDERR_FILENO) ? clock_now() + START_NS : 0;
    for (;;) {
        int r = wire_open(&ctl->conn.wire, args_value(&ctl->args, OPT_SOCKET), err);
        if ((r != -ENOENT && r != -ECONNREFUSED) || clock_now() >= until)
            return r;
        poll(&(struct pollfd){.fd = intr_fd(), .events = POLLIN}, 1, START_PAUSE_MS);
        if (intr_came())
            return -EINTR;
    }
}

int ctl_connect(struct ctl *ctl)
{
    struct error err;
    uint64_t patience = 0;
    int r = read_patience(&ctl->args, &patience, &err);
    if (r == 0)
        r = open_wire(ctl, &err);
    if (r == 0 && patience)
        ctl->conn.deadline = clock_now() + patience;
    if (r == 0)
        return 0;
    return ctl_fail(r, &err);
}

int ctl_refused(struct ctl *ctl, int code, const char *field, const char *message)
{
    struct error text;
    bool usage = refusal_is_usage(&ctl->args, code, field, message, &text);
    out_error("%s", usage ? text.text : message);
    return usage ? EXIT_USAGE : EXIT_REFUSED;
}

int ctl_ask(struct ctl *ctl, const char *method, json_t *params, struct answer *ret_answer)
{
    struct error err;
    struct answer answer;
    int status = ctl->conn.wire.fd < 0 ? ctl_connect(ctl) : 0;
    if (status != 0) {
        json_decref(params);
        return status;
    }
    int r = conn_call(&ctl->conn, method, params, &answer, &err);
    if (r < 0)
        return r == -EINTR ? EXIT_INTERRUPTED : (out_error("%s", err.text), EXIT_REFUSED);
    if (answer.code != 0) {
        status = ctl_refused(ctl, answer.code, answer.field, answer.message);
        answer_deinit(&answer);
        return status;
    }
    *ret_answer = answer;
    return 0;
}

void ctl_put_raw(const struct answer *answer)
{
    struct slice result;
    if (slice_member((struct slice){answer->text, answer->len}, "result", &result))
        out_json(result.p, result.len);
}

int ctl_worse(int a, int b)
{
    static const int order[] = {EXIT_INTERRUPTED, EXIT_REFUSED, EXIT_USAGE, EXIT_JOB_FAILED};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return EXIT_ALL_WELL;
}
