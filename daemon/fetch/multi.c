#include "fetch/multi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct multi_watcher {
    uv_poll_t poll;
    struct multi *multi;
    curl_socket_t fd;
    int events; /* what curl wants, as uv says it; 0 for nothing */
    bool open;  /* uv_poll_init was done */
    bool masked;
};

static void drain(struct multi *multi)
{
    int left;
    CURLMsg *msg;
    while ((msg = curl_multi_info_read(multi->handle, &left)))
        if (msg->msg == CURLMSG_DONE)
            multi->done(multi, msg->easy_handle, msg->data.result);
    struct list *e;
    while ((e = list_pop(&multi->reports))) {
        struct multi_report *report = container_of(e, struct multi_report, link);
        multi->done(multi, report->easy, report->code);
    }
}

/* After every single call into curl all completions are taken: one that is left waits for ever when
 * nothing else runs. */
static void act(struct multi *multi, curl_socket_t fd, int flags)
{
    int running;
    curl_multi_socket_action(multi->handle, fd, flags, &running);
    if (multi->turned)
        multi->turned(multi);
    drain(multi);
}

/* --- time ------------------------------------------------------------------------------------- */

static void on_idle(uv_idle_t *idle)
{
}

static void on_check(uv_check_t *check)
{
    struct multi *multi = container_of(check, struct multi, check);
    uv_idle_stop(&multi->idle);
    uv_check_stop(check);
    act(multi, CURL_SOCKET_TIMEOUT, 0);
}

static void on_time(uv_timer_t *timer)
{
    act(container_of(timer, struct multi, timer), CURL_SOCKET_TIMEOUT, 0);
}

static void call_soon(struct multi *multi)
{
    uv_idle_start(&multi->idle, on_idle);
    uv_check_start(&multi->check, on_check);
}

static int on_curl_timer(CURLM *handle, long ms, void *arg)
{
    struct multi *multi = arg;
    if (ms < 0)
        uv_timer_stop(&multi->timer);
    else if (ms == 0)
        call_soon(multi);
    else
        uv_timer_start(&multi->timer, on_time, (uint64_t)ms, 0);
    return 0;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct multi_watcher *w, int events)
{
    w->events = events;
    if (w->masked)
        events = 0;
    if (!w->open || (!events && !uv_is_active((uv_handle_t *)&w->poll)))
        return;
    /* A socket that cannot be watched is driven by the connect clock's kicks, or given up by the
     * stall clock. Nothing better can be said from here. */
    if (!events || uv_poll_start(&w->poll, events, on_poll) < 0)
        uv_poll_stop(&w->poll);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct multi_watcher *w = container_of(poll, struct multi_watcher, poll);
    struct multi *multi = w->multi;
    int flags = 0;
    if (w->masked)
        return;
    if (status < 0) {
        /* libuv has stopped the watcher, but left the socket in its epoll: should a process that is
         * being started inherit it, its error would be told as that of whatever gets its number
         * next. */
        uv_poll_stop(poll);
        /* POLLERR: data may wait before the error, so curl is to read and write, and find it. */
        flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
    } else {
        flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    }
    act(multi, w->fd, flags);
    /* After an error libuv has stopped the watcher behind curl's back. */
    if (status < 0 && w->events && !uv_is_active((uv_handle_t *)poll))
        watch(w, w->events);
}

static int grow(struct multi *multi, size_t fd)
{
    size_t room = multi->watcher_room ? multi->watcher_room : 64;
    while (room <= fd)
        room *= 2;
    struct multi_watcher **watchers = realloc(multi->watchers, room * sizeof *watchers);
    if (!watchers)
        return -ENOMEM;
    memset(watchers + multi->watcher_room, 0, (room - multi->watcher_room) * sizeof *watchers);
    multi->watchers = watchers;
    multi->watcher_room = room;
    return 0;
}

/* NULL: out of memory, or no descriptor at all. */
static struct multi_watcher *get_watcher(struct multi *multi, curl_socket_t fd)
{
    if (fd < 0 || ((size_t)fd >= multi->watcher_room && grow(multi, (size_t)fd) < 0))
        return NULL;
    struct multi_watcher *w = multi->watchers[fd];
    if (w && w->open)
        return w;
    if (!w)
        w = multi->watchers[fd] = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->multi = multi;
    w->fd = fd;
    w->open = uv_poll_init_socket(multi->loop, &w->poll, fd) == 0;
    return w->open ? w : NULL;
}

int multi_socket_opened(struct multi *multi, curl_socket_t fd)
{
    struct multi_watcher *w = get_watcher(multi, fd);
    if (!w)
        return -ENOMEM;
    w->masked = false;
    if (w->events)
        watch(w, w->events);
    return 0;
}

static struct multi_watcher *watcher_of(struct multi *multi, curl_socket_t fd)
{
    return fd >= 0 && (size_t)fd < multi->watcher_room ? multi->watchers[fd] : NULL;
}

void multi_socket_left(struct multi *multi, curl_socket_t fd)
{
    struct multi_watcher *w = watcher_of(multi, fd);
    if (w)
        watch(w, 0);
}

void multi_socket_mask(struct multi *multi, curl_socket_t fd, bool masked)
{
    struct multi_watcher *w = watcher_of(multi, fd);
    if (!w || w->masked == masked)
        return;
    w->masked = masked;
    watch(w, w->events);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct multi *multi = arg;
    if (what == CURL_POLL_REMOVE) {
        if (fd >= 0)
            multi_socket_left(multi, fd);
        if (multi->unwatched)
            multi->unwatched(easy);
        return 0;
    }
    struct multi_watcher *w = get_watcher(multi, fd); /* new only for the resolver's own pipe */
    if (w)
        watch(w,
              (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0));
    return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

int multi_init(struct multi *multi, uv_loop_t *loop)
{
    *multi = (struct multi){.loop = loop};
    list_init(&multi->reports);
    multi->handle = curl_multi_init();
    if (!multi->handle)
        return -ENOMEM;
    /* None of these can fail in libuv: they touch nothing but the loop. */
    uv_timer_init(loop, &multi->timer);
    uv_idle_init(loop, &multi->idle);
    uv_check_init(loop, &multi->check);
    curl_multi_setopt(multi->handle, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(multi->handle, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(multi->handle, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(multi->handle, CURLMOPT_TIMERDATA, multi);
    /* One transfer a connection: a paused HTTP/2 stream would be read on into memory. */
    curl_multi_setopt(multi->handle, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return 0;
}

static void one_closed(struct multi *multi)
{
    if (--multi->closing)
        return;
    free(multi->watchers);
    multi->watchers = NULL;
    multi->watcher_room = 0;
    if (multi->closed)
        multi->closed(multi);
}

static void on_timer_closed(uv_handle_t *h)
{
    one_closed(container_of(h, struct multi, timer));
}

static void on_idle_closed(uv_handle_t *h)
{
    one_closed(container_of(h, struct multi, idle));
}

static void on_check_closed(uv_handle_t *h)
{
    one_closed(container_of(h, struct multi, check));
}

static void on_watcher_closed(uv_handle_t *h)
{
    struct multi_watcher *w = container_of(h, struct multi_watcher, poll);
    struct multi *multi = w->multi;
    free(w);
    one_closed(multi);
}

void multi_close(struct multi *multi, void (*closed)(struct multi *multi))
{
    multi->closed = closed;
    multi->closing = 3;
    /* First curl, which closes its idle connections and may speak of their sockets. */
    curl_multi_cleanup(multi->handle);
    multi->handle = NULL;
    for (size_t i = 0; i < multi->watcher_room; i++) {
        struct multi_watcher *w = multi->watchers[i];
        if (w && w->open) {
            multi->closing++;
            uv_close((uv_handle_t *)&w->poll, on_watcher_closed);
        } else {
            free(w);
        }
    }
    uv_close((uv_handle_t *)&multi->timer, on_timer_closed);
    uv_close((uv_handle_t *)&multi->idle, on_idle_closed);
    uv_close((uv_handle_t *)&multi->check, on_check_closed);
}

/* A change of what is paused puts the handle on the list of those to be run now, whatever it waits
 * for. No byte flows yet, so nothing else comes of it. Without a connection (a look-up) it is an
 * error, and no loss. */
void multi_kick(CURL *easy)
{
    if (curl_easy_pause(easy, CURLPAUSE_RECV) == CURLE_OK)
        curl_easy_pause(easy, CURLPAUSE_CONT);
}

void multi_report(struct multi *multi, struct multi_report *report, CURL *easy, CURLcode code)
{
    report->easy = easy;
    report->code = code;
    list_del(&report->link);
    list_add_tail(&multi->reports, &report->link);
    call_soon(multi);
}
