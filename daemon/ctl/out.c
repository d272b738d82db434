#include "ctl/out.h"
#include "base/buf.h"
#include "ctl/intr.h"
#include "ctl/text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GATHER (64 * 1024)

static struct {
    struct buf gathered;
    bool terminal, error_terminal, status_shown;
    void (*say)(void *arg); /* out_at_interrupt */
    void *say_arg;
} out;

void out_init(void)
{
    const char *term = getenv("TERM");
    signal(SIGPIPE, SIG_IGN);
    out.terminal = isatty(STDOUT_FILENO);
    out.error_terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

bool out_is_terminal(void)
{
    return out.terminal;
}

bool out_is_coloured(void)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    bool mono = !term || !*term || strcmp(term, "dumb") == 0 || strncmp(term, "vt", 2) == 0 ||
                strstr(term, "-m") != NULL;
    return out.terminal && !mono && !(no_color && *no_color);
}

bool out_has_status(void)
{
    return out.error_terminal;
}

size_t out_columns(bool of_error)
{
    struct winsize size;
    int fd = of_error ? STDERR_FILENO : STDOUT_FILENO;
    if (!isatty(fd))
        return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

/* --- where output cannot be written ----------------------------------------------------------- */

void out_at_interrupt(void (*say)(void *arg), void *arg)
{
    out.say = say;
    out.say_arg = arg;
}

/* Once, of what comes last; what was gathered has no reader. */
static void say_last(void)
{
    void (*say)(void *arg) = out.say;
    out.say = NULL;
    buf_reset(&out.gathered);
    if (say)
        say(out.say_arg);
}

_Noreturn void out_gone(void)
{
    say_last();
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    _exit(128 + SIGPIPE); /* it was blocked */
}

/* A signal came. Standard error may have no reader either: one more ends it at once. */
_Noreturn static void interrupted(void)
{
    intr_release();
    say_last();
    _exit(intr_status());
}

_Noreturn static void give_up(int code)
{
    if (code == -EPIPE)
        out_gone();
    fprintf(stderr, "penstockctl: standard output cannot be written: %s\n", strerror(-code));
    _exit(EXIT_REFUSED);
}

/* As fd_write_all, but a signal ends it: the reader may be a pager that is never scrolled. */
static int write_some(int fd, const char **p, size_t *len)
{
    ssize_t n = write(fd, *p, *len);
    if (n >= 0) {
        *p += n;
        *len -= (size_t)n;
        return 0;
    }
    if (errno == EAGAIN) {
        struct pollfd fds[2] = {{.fd = fd, .events = POLLOUT},
                                {.fd = intr_came() ? -1 : intr_fd(), .events = POLLIN}};
        return poll(fds, 2, -1) < 0 && errno != EINTR ? -errno : 0;
    }
    return errno == EINTR ? 0 : -errno;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* The terminal may be gone; there is nobody left to tell. What is told because of a signal is not
 * cut short by that one. */
static void write_error(const char *text, size_t len)
{
    bool before = intr_came();
    while (len > 0 && write_some(STDERR_FILENO, &text, &len) == 0)
        if (len > 0 && !before && intr_came())
            interrupted();
}

static void erase_status(void)
{
    static const char erase[] = "\r\033[K";
    if (out.status_shown)
        write_error(erase, sizeof erase - 1);
    out.status_shown = false;
}

void out_flush(void)
{
    const char *p = out.gathered.data;
    size_t len = out.gathered.len;
    if (out.gathered.failed)
        give_up(-ENOMEM);
    if (len == 0)
        return;
    erase_status();
    while (len > 0) {
        int r = write_some(STDOUT_FILENO, &p, &len);
        if (r < 0)
            give_up(r);
        if (len > 0 && intr_came())
            interrupted();
    }
    buf_reset(&out.gathered);
}

void out_put(const char *text, size_t len)
{
    buf_put(&out.gathered, text, len);
    if (out.gathered.len >= GATHER)
        out_flush();
}

void out_take(struct buf *b)
{
    out.gathered.failed |= b->failed;
    if (b->failed)
        out_flush();
    out_put(b->data, b->len);
    buf_deinit(b);
}

void out_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&out.gathered, fmt, ap);
    va_end(ap);
    if (out.gathered.len >= GATHER)
        out_flush();
}

void out_json(const char *json, size_t len)
{
    if (out.terminal)
        text_put_json(&out.gathered, json, len);
    else
        buf_put(&out.gathered, json, len);
    out_put("\n", 1);
}

void out_error(const char *fmt, ...)
{
    struct buf raw = BUF_INIT, line = BUF_INIT;
    va_list ap;
    out_flush();
    erase_status();
    va_start(ap, fmt);
    buf_vprintf(&raw, fmt, ap);
    va_end(ap);
    buf_puts(&line, "penstockctl: ");
    if (raw.data)
        text_put_safe(&line, raw.data, raw.len);
    buf_putc(&line, '\n');
    if (line.data)
        write_error(line.data, line.len);
    buf_deinit(&raw);
    buf_deinit(&line);
}

void out_status(const char *text, size_t len)
{
    struct buf line = BUF_INIT;
    if (!out.error_terminal)
        return;
    out_flush();
    if (len == 0) {
        erase_status();
        return;
    }
    size_t columns = out_columns(true);
    buf_puts(&line, "\r");
    buf_put(&line, text, text_fit(text, len, columns > 1 ? columns - 1 : len));
    buf_puts(&line, "\033[K");
    if (!line.failed)
        write_error(line.data, line.len);
    out.status_shown = true;
    buf_deinit(&line);
}
