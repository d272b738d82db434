#include "ctl/conn.h"
#include "base/clock.h"
#include "client/socket_path.h"
#include "ctl/intr.h"
#include "ctl/out.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SILENCE   (2 * NS_PER_SEC)  /* that is told */
#define ANSWER_MS 1000              /* has a daemon to answer a ping */
#define LAST_WORD (10 * NS_PER_SEC) /* has one to answer whom a signal has told to end */

enum { SLOT_DAEMON, SLOT_INTR, SLOT_STDOUT, SLOT_EXTRA, SLOT_MAX = SLOT_EXTRA + 3 };

/* The first signal. */
static void stop(struct conn *conn)
{
    uint64_t end = clock_now() + LAST_WORD;
    conn->stops = true;
    if (!conn->deadline || end < conn->deadline)
        conn->deadline = end;
    intr_take();
    out_error("stops once the daemon has answered, in %d s at the latest; once more stops at once",
              (int)(LAST_WORD / NS_PER_SEC));
}

static int after_poll(struct conn *conn, const struct pollfd *fds)
{
    int r = 0;
    if (intr_came() && conn->holds_on && !conn->stops)
        stop(conn);
    if (intr_came())
        return -EINTR;
    if (fds[SLOT_STDOUT].revents & (POLLERR | POLLHUP))
        out_gone();
    if (fds[SLOT_DAEMON].revents & POLLOUT)
        r = wire_flush(&conn->wire);
    /* A daemon that has closed may have said why before: read that first. */
    if (r == -EPIPE || r == -ECONNRESET) {
        buf_reset(&conn->wire.out);
        r = 0;
    }
    if (r == 0 && fds[SLOT_DAEMON].revents & (POLLIN | POLLHUP | POLLERR))
        r = wire_receive(&conn->wire);
    conn->heard |= (fds[SLOT_DAEMON].revents & POLLIN) && !conn->wire.closed;
    return r;
}

/* --- a daemon that does not answer ------------------------------------------------------------ */

bool conn_answers(const struct conn *conn)
{
    static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    struct error ignored;
    char path[sizeof conn->wire.path];
    int fd = address_connect(conn->wire.path, path, sizeof path, &ignored);
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = intr_fd(), .events = POLLIN}};
    bool sent = fd >= 0 && send(fd, ping, sizeof ping - 1, MSG_NOSIGNAL) == sizeof ping - 1;
    bool heard = sent && poll(fds, 2, ANSWER_MS) > 0;
    if (fd >= 0)
        close(fd);
    return heard;
}

static void watch(struct conn *conn)
{
    const char *path = conn->wire.path;
    if (conn->heard || conn->unwatched || clock_now() - conn->waits_since < SILENCE)
        return;
    conn->unwatched = true;
    if (conn_answers(conn))
        return;
    out_error(
        "%s: the daemon has not answered for %d s: it is starting, hangs, or cannot start; %s",
        path, (int)(SILENCE / NS_PER_SEC),
        strcmp(path, ADDRESS_SYSTEM) == 0
            ? "look: systemctl status penstockd; journalctl -u penstockd"
            : "its standard error tells");
}

static int until(uint64_t at)
{
    uint64_t now = clock_now();
    return at > now ? (int)((at - now) / NS_PER_MS) + 1 : 0;
}

/* The earlier of the caller's time and of ours. */
static int bounded(struct conn *conn, int timeout_ms)
{
    if (!conn->waits_since)
        conn->waits_since = clock_now();
    int watched = conn->heard || conn->unwatched ? -1 : until(conn->waits_since + SILENCE);
    int last = conn->deadline ? until(conn->deadline) : -1;
    if (watched >= 0 && (timeout_ms < 0 || watched < timeout_ms))
        timeout_ms = watched;
    if (last >= 0 && (timeout_ms < 0 || last < timeout_ms))
        timeout_ms = last;
    return timeout_ms;
}

/* --- waiting ---------------------------------------------------------------------------------- */

int conn_poll(struct conn *conn, struct pollfd *extra, size_t extra_count, int timeout_ms)
{
    struct pollfd fds[SLOT_MAX] = {
        [SLOT_DAEMON] = {.fd = conn->wire.fd, .events = POLLIN},
        [SLOT_INTR] = {.fd = intr_fd(), .events = POLLIN},
        [SLOT_STDOUT] = {.fd = conn->ignores_stdout ? -1 : STDOUT_FILENO},
    };
    out_flush();
    if (conn->wire.closed)
        return -ECONNRESET;
    if (conn->wire.out.len > 0)
        fds[SLOT_DAEMON].events |= POLLOUT;
    for (size_t i = 0; i < extra_count; i++)
        fds[SLOT_EXTRA + i] = extra[i];
    if (poll(fds, SLOT_EXTRA + extra_count, bounded(conn, timeout_ms)) < 0) {
        for (size_t i = 0; i < SLOT_MAX; i++)
            fds[i].revents = 0;
        if (errno != EINTR)
            return -errno;
    }
    for (size_t i = 0; i < extra_count; i++)
        extra[i].revents = fds[SLOT_EXTRA + i].revents;
    int r = after_poll(conn, fds);
    if (r == 0)
        watch(conn);
    if (r == 0 && conn->deadline && clock_now() >= conn->deadline)
        return conn->stops ? -EINTR : -ETIMEDOUT;
    return r;
}

int conn_call(struct conn *conn, const char *method, json_t *params, struct answer *ret_answer,
              struct error *err)
{
    uint64_t id;
    char *line;
    size_t len;
    int r = wire_send(&conn->wire, method, params, &id, err);
    if (r < 0)
        return r;
    conn->owed = true;
    for (;;) {
        while ((r = wire_line(&conn->wire, &line, &len)) > 0) {
            r = answer_read(line, len, ret_answer);
            if (r < 0)
                return wire_explain(&conn->wire, r, err);
            /* Without an id it is about the line as a whole, and there is one only. */
            if (r == 0 && (ret_answer->id == id || ret_answer->id == 0)) {
                conn->owed = false;
                return 0;
            }
            if (r == 0)
                answer_deinit(ret_answer);
        }
        if (r == 0)
            r = conn_poll(conn, NULL, 0, -1);
        if (r < 0)
            return wire_explain(&conn->wire, r, err);
    }
}
