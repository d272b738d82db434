/* metrics: the daemon's figures, on standard output or as a file for node_exporter's textfile
 * collector. */
#include "ctl/cmd_metrics.h"

#include "base/fd.h"
#include "ctl/draft.h"
#include "ctl/out.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* The mode that an ordinary new file would have; mkstemp's is for its owner alone. */
static int fill(int fd, const char *text, size_t len)
{
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) < 0)
        return -errno;
    return fd_write_all(fd, text, len);
}

/* Its name while it is written has no ending .prom, so that no collector takes it for the file. */
static int replace_file(const char *path, const char *text, size_t len)
{
    struct draft draft;
    int r = draft_open(&draft, path);
    if (r == 0)
        r = fill(draft.fd, text, len);
    if (r == 0)
        r = draft_keep(&draft, true, false);
    draft_close(&draft);
    return r;
}

static int put(const json_t *text, const char *path)
{
    struct error err;
    const char *data = json_string_value(text);
    if (!data) {
        error_set(&err, -EPROTO, "the daemon's answer is no text");
        return ctl_fail(-EPROTO, &err);
    }
    if (!path) {
        out_put(data, json_string_length(text));
        return EXIT_ALL_WELL;
    }
    int r = replace_file(path, data, json_string_length(text));
    if (r == 0)
        return EXIT_ALL_WELL;
    error_set(&err, r, "%s cannot be written: %s", path, strerror(-r));
    return ctl_fail(r, &err);
}

int cmd_metrics(struct ctl *ctl)
{
    const char *path = args_value(&ctl->args, OPT_OUTPUT);
    struct answer answer;
    json_t *params = path ? json_pack("{s:s}", "format", "prometheus") : NULL;
    int status = ctl_ask(ctl, "metrics", params, &answer);
    if (status != 0)
        return status;
    if (ctl->json && !path)
        ctl_put_raw(&answer);
    else
        status = put(answer.result, path);
    answer_deinit(&answer);
    return status;
}
