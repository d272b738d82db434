#include "ctl/conn.h"
#include "ctl/intr.h"
#include "ctl/out.h"

#include <errno.h>
#include <unistd.h>

enum { SLOT_DAEMON, SLOT_INTR, SLOT_STDOUT, SLOT_EXTRA, SLOT_MAX = SLOT_EXTRA + 3 };

static int after_poll(struct conn *conn, const struct pollfd *fds)
{
    int r = 0;
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
    return r;
}

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
    if (poll(fds, SLOT_EXTRA + extra_count, timeout_ms) < 0) {
        for (size_t i = 0; i < SLOT_MAX; i++)
            fds[i].revents = 0;
        if (errno != EINTR)
            return -errno;
    }
    for (size_t i = 0; i < extra_count; i++)
        extra[i].revents = fds[SLOT_EXTRA + i].revents;
    return after_poll(conn, fds);
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
    for (;;) {
        while ((r = wire_line(&conn->wire, &line, &len)) > 0) {
            r = answer_read(line, len, ret_answer);
            if (r < 0)
                return wire_explain(&conn->wire, r, err);
            /* Without an id it is about the line as a whole, and there is one only. */
            if (r == 0 && (ret_answer->id == id || ret_answer->id == 0))
                return 0;
            if (r == 0)
                answer_deinit(ret_answer);
        }
        if (r == 0)
            r = conn_poll(conn, NULL, 0, -1);
        if (r < 0)
            return wire_explain(&conn->wire, r, err);
    }
}
