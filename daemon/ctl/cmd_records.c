/* records: what a job has found. */
#include "ctl/cmd_records.h"

#include "ctl/intr.h"
#include "ctl/out.h"
#include "ctl/records.h"

#include <errno.h>
#include <stdlib.h>

/* 0 without the option; -EINVAL with a message in *err. */
static int attempt_of(const struct args *args, uint64_t *ret, struct error *err)
{
    const char *text = args_value(args, OPT_ATTEMPT);
    char *end = NULL;
    *ret = 0;
    if (!text)
        return 0;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '1' || text[0] > '9' || value > UINT32_MAX)
        return error_set(err, -EINVAL, "--attempt: '%.40s' is no number of an attempt", text);
    *ret = value;
    return 0;
}

int cmd_records(struct ctl *ctl)
{
    uint64_t id = 0, attempt = 0;
    struct error err;
    int r = args_id(&ctl->args, 0, &id, &err);
    if (r == 0)
        r = attempt_of(&ctl->args, &attempt, &err);
    if (r == 0 && (r = intr_catch()) < 0)
        error_set(&err, r, "SIGINT cannot be caught");
    int status = r < 0 ? ctl_fail(r, &err) : ctl_connect(ctl);
    if (status == 0)
        status = records_print(&ctl->conn, id, attempt, ctl->json);
    if (status == EXIT_INTERRUPTED)
        out_error("interrupted");
    return status;
}
