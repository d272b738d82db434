/* backup: the daemon writes a copy of its store into a socket of ours, and we write the file. So it
 * is the caller's, wherever the caller may write; and it stands at its place only once it is
 * whole. */
#include "ctl/cmd_backup.h"

#include "base/fd.h"
#include "client/ends.h"
#include "ctl/draft.h"
#include "ctl/intr.h"
#include "ctl/out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)256 << 10)

struct backup {
    struct ctl *ctl;
    uint64_t request;
    int from;      /* our end of the socket; -1: it has ended */
    int to;        /* the file */
    uint64_t came; /* bytes */
    struct answer answer;
    bool answered;
};

/* --- asking ----------------------------------------------------------------------------------- */

static int ask(struct backup *b, struct error *err)
{
    struct wire *wire = &b->ctl->conn.wire;
    int ends[2] = {-1, -1};
    int r = ends_make(ends, true);
    if (r < 0)
        return error_set(err, r, "no socket could be made: %s", strerror(-r));
    b->from = ends[0];
    r = wire_send(wire, "backup", NULL, &b->request, err);
    if (r == 0)
        r = wire_pass(wire, ends[1], err);
    fd_close(&ends[1]);
    return r;
}

/* --- taking ----------------------------------------------------------------------------------- */

/* What the daemon has said so far. 0 or a negative errno with a message in *err. */
static int hear(struct backup *b, struct error *err)
{
    struct wire *wire = &b->ctl->conn.wire;
    char *line;
    size_t len;
    int r;
    while (!b->answered && (r = wire_line(wire, &line, &len)) != 0) {
        if (r > 0)
            r = answer_read(line, len, &b->answer);
        if (r < 0)
            return wire_explain(wire, r, err);
        b->answered = r == 0;
    }
    return 0;
}

/* What is there of the copy. The socket ends with an error where the copy was cut: the daemon's
 * answer says why, or its absence does. */
static int take(struct backup *b, struct error *err)
{
    static char piece[PIECE];
    ssize_t n = read(b->from, piece, sizeof piece);
    if (n < 0 && errno == EINTR)
        return 0;
    if (n <= 0) {
        fd_close(&b->from);
        return 0;
    }
    b->came += (uint64_t)n;
    int r = fd_write_all(b->to, piece, (size_t)n);
    return r < 0 ? error_set(err, r, "the copy cannot be written: %s", strerror(-r)) : 0;
}

static int take_all(struct backup *b, struct error *err)
{
    int r = hear(b, err);
    while (r == 0 && (!b->answered || (b->from >= 0 && b->answer.code == 0))) {
        struct pollfd pfd = {.fd = b->from, .events = POLLIN};
        int polled = conn_poll(&b->ctl->conn, &pfd, 1, -1);
        if (polled < 0 && !(polled == -ECONNRESET && b->answered && b->from >= 0))
            return wire_explain(&b->ctl->conn.wire, polled, err);
        if (b->from >= 0 && (pfd.revents || polled < 0))
            r = take(b, err);
        if (r == 0)
            r = hear(b, err);
    }
    return r;
}

/* An exit status. */
static int judge(struct backup *b)
{
    const struct answer *a = &b->answer;
    json_int_t bytes = json_integer_value(json_object_get(a->result, "bytes"));
    if (a->code != 0)
        return ctl_refused(b->ctl, a->code, a->field, a->message);
    if (bytes > 0 && (uint64_t)bytes == b->came)
        return EXIT_ALL_WELL;
    out_error("%" PRIu64 " bytes came of a copy of %" JSON_INTEGER_FORMAT, b->came, bytes);
    return EXIT_REFUSED;
}

/* The copy, to `to`. An exit status. */
static int copy(struct ctl *ctl, int to, uint64_t *ret_bytes)
{
    struct backup b = {.ctl = ctl, .from = -1, .to = to};
    struct error err;
    int r = ask(&b, &err);
    if (r == 0)
        r = take_all(&b, &err);
    int status = r < 0 ? (r == -EINVAL ? EXIT_REFUSED : ctl_fail(r, &err)) : judge(&b);
    if (b.answered)
        answer_deinit(&b.answer);
    fd_close(&b.from);
    *ret_bytes = b.came;
    return status;
}

/* --- the file --------------------------------------------------------------------------------- */

static int exists(const char *path)
{
    out_error("%s exists; --force replaces it", path);
    return EXIT_REFUSED;
}

/* A rename would put the copy in the place of a device, or of a link to elsewhere. */
static int no_file(const char *path)
{
    out_error("%s is no regular file, and is not replaced: give another FILE, or - and redirect "
              "the output",
              path);
    return EXIT_REFUSED;
}

static int fail_file(const char *path, int r)
{
    struct error err;
    error_set(&err, r, "%s cannot be written: %s", path, strerror(-r));
    return ctl_fail(-EIO, &err);
}

static void tell(const struct ctl *ctl, const char *path, uint64_t bytes)
{
    if (!ctl->json) {
        out_printf("%s: %" PRIu64 " bytes\n", path, bytes);
        return;
    }
    json_t *told = json_pack("{s:s, s:I}", "file", path, "bytes", (json_int_t)bytes);
    char *text = told ? json_dumps(told, JSON_COMPACT) : NULL;
    if (text)
        out_json(text, strlen(text));
    free(text);
    json_decref(told);
}

static int to_file(struct ctl *ctl, const char *path)
{
    bool replace = args_has(&ctl->args, OPT_FORCE);
    struct draft draft;
    uint64_t bytes = 0;
    struct stat there;
    if (!replace && access(path, F_OK) == 0)
        return exists(path);
    if (replace && lstat(path, &there) == 0 && !S_ISREG(there.st_mode))
        return no_file(path);
    int r = draft_open(&draft, path);
    if (r < 0)
        return fail_file(path, r);
    int status = copy(ctl, draft.fd, &bytes);
    r = status == 0 ? draft_keep(&draft, replace, true) : 0;
    draft_close(&draft);
    if (r < 0)
        return r == -EEXIST ? exists(path) : fail_file(path, r);
    if (status == 0)
        tell(ctl, path, bytes);
    return status;
}

static int to_output(struct ctl *ctl)
{
    uint64_t bytes;
    if (out_is_terminal()) {
        out_error("a backup is no text: give a FILE, or let another program read it");
        return EXIT_USAGE;
    }
    return copy(ctl, STDOUT_FILENO, &bytes);
}

int cmd_backup(struct ctl *ctl)
{
    const char *path = ctl->args.operands[0];
    struct error err;
    int r = intr_catch();
    if (r < 0) {
        error_set(&err, r, "SIGINT cannot be caught");
        return ctl_fail(r, &err);
    }
    int status = ctl_connect(ctl);
    if (status == 0)
        status = strcmp(path, "-") == 0 ? to_output(ctl) : to_file(ctl, path);
    if (status == EXIT_INTERRUPTED)
        out_error("interrupted; there is no backup");
    return status;
}
