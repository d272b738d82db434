#include "control/control.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/helper.h"
#include "base/log.h"
#include "control/budget.h"
#include "control/listener.h"
#include "control/reply.h"
#include "control/session.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CLIENTS  1024
#define ACCEPT_TURNS 64   /* accepts in one wake-up: others want their turn */
#define PAUSE_MS     1000 /* after an accept that failed */
#define LINGER_MS    1000 /* for clients to take something of their last answers */
#define LINGER_TURNS 5    /* for those who go on taking */
/* For what clients want, in one turn of the loop, and as much at once when it comes. */
#define TURN_NS   (2 * NS_PER_MS)
#define BIG_LINES 32
#define BIG_NS    (5 * NS_PER_SEC)
#define CARE_MS   1000
#define STILL_NS  (60 * NS_PER_SEC) /* for so long a client may keep others' jobs waiting */
#define TRIM_BYTES \
    ((size_t)32 << 20) /* given back: then malloc's free pages are given to the system */

struct control {
    struct session_host host;
    struct listener listener;
    uv_poll_t accept_poll;
    uv_timer_t timer;     /* ends a pause of accepting; later, the clients' patience */
    uv_idle_t idle;       /* runs while `woken` has sessions */
    uv_prepare_t prepare; /* a turn begins */
    uv_timer_t
        care; /* looks after long lines that do not come, and memory that has been given back */
    struct mailbox mailbox;
    struct helper helper;
    bool mailed, helped; /* there is a mailbox, and a helper */
    struct budget budget;
    uint64_t turn_used; /* ns of this turn, by what was pumped when it came */
    struct list sessions, woken;
    struct list heavy;                  /* of the woken: who goes last */
    struct list big_holders, big_waits; /* sessions by big_link, the oldest first */
    unsigned big_count;                 /* holders */
    struct list unread; /* sessions by unread_link: their jobs wait for their clients */
    uint64_t still_ns;
    unsigned reserve;
    uint64_t cut; /* clients that had to go, for the memory */
    bool told_cut;
    unsigned clients; /* sessions with an open descriptor */
    unsigned alive;   /* sessions that are not freed */
    unsigned max_clients;
    unsigned handles; /* of ours that are not closed */
    bool paused;      /* accepting, for want of descriptors */
    bool told_pause, told_full;
    bool ending;
    unsigned linger_turns;
    uint64_t refused; /* clients beyond max_clients */
    void (*closed)(void *arg);
    void *closed_arg;
};

static void on_accept(uv_poll_t *poll, int status, int events);
static void on_timer(uv_timer_t *timer);

static void free_if_over(struct control *c)
{
    if (c->handles > 0 || c->alive > 0)
        return;
    void (*closed)(void *arg) = c->closed;
    void *arg = c->closed_arg;
    listener_close(&c->listener);
    free(c);
    if (closed)
        closed(arg);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct control *c = handle->data;
    c->handles--;
    free_if_over(c);
}

static void on_mailbox_closed(void *arg)
{
    struct control *c = arg;
    c->handles--;
    free_if_over(c);
}

static void close_handles(struct control *c)
{
    if (c->helped)
        helper_deinit(&c->helper);
    c->helped = false;
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
    uv_close((uv_handle_t *)&c->idle, on_handle_closed);
    uv_close((uv_handle_t *)&c->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&c->care, on_handle_closed);
    if (c->mailed)
        mailbox_close(&c->mailbox, on_mailbox_closed, c);
}

static void resume_accepting(struct control *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    uv_timer_stop(&c->timer);
    if (c->listener.fd >= 0 && uv_poll_start(&c->accept_poll, UV_READABLE, on_accept) < 0)
        log_error("control: the socket can't be watched any more");
}

static void pause_accepting(struct control *c, int error)
{
    if (!c->told_pause)
        log_warning("control: no client can be accepted: %s; trying again when one leaves, or "
                    "after a second",
                    strerror(error));
    c->told_pause = true;
    c->paused = true;
    uv_poll_stop(&c->accept_poll);
    uv_timer_start(&c->timer, on_timer, PAUSE_MS, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct control *c = timer->data;
    if (!c->ending) {
        resume_accepting(c);
        return;
    }
    bool last = ++c->linger_turns == LINGER_TURNS;
    list_for_each(e, &c->sessions)
    {
        struct session *s = container_of(e, struct session, link);
        if (last || !s->moved)
            session_close(s);
        s->moved = false;
    }
    if (!last)
        uv_timer_start(timer, on_timer, LINGER_MS, 0);
}

/* --- turns ------------------------------------------------------------------------------------ */

static void on_prepare(uv_prepare_t *prepare)
{
    struct control *c = prepare->data;
    c->turn_used = 0;
}

/* Pumps those who are in the list now, and those in front first, until `end`; one at least. */
static void pump_until(struct list *woken, uint64_t end)
{
    struct list now, *e;
    /* What is woken by these pumps waits for the next turn. */
    list_init(&now);
    list_add_head(woken, &now);
    list_del(woken);
    while ((e = list_pop(&now)) != NULL) {
        session_pump(container_of(e, struct session, wake_link));
        if (clock_now() >= end)
            break;
    }
    list_splice(&now, woken); /* in front of those who were woken meanwhile */
}

static void on_idle(uv_idle_t *idle)
{
    struct control *c = idle->data;
    uint64_t end = clock_now() + TURN_NS;
    pump_until(&c->woken, end);
    pump_until(&c->heavy, end);
    if (list_empty(&c->woken) && list_empty(&c->heavy))
        uv_idle_stop(idle);
}

static void wake(struct session *s)
{
    struct control *c = s->host->arg;
    if (!list_empty(&s->wake_link))
        return;
    list_add_tail(s->heavy ? &c->heavy : &c->woken, &s->wake_link);
    uv_idle_start(&c->idle, on_idle);
}

/* At once if it wants little: an answer then costs one turn. */
static bool come(struct session *s)
{
    struct control *c = s->host->arg;
    if (s->heavy || !list_empty(&s->wake_link) || c->turn_used >= TURN_NS) {
        wake(s);
        return false;
    }
    uint64_t before = clock_now();
    session_pump(s);
    c->turn_used += clock_now() - before;
    return true;
}

/* --- memory, and long lines ------------------------------------------------------------------- */

static void take_care(struct control *c);

static void big_grant(struct control *c, struct session *s)
{
    list_del(&s->big_link);
    list_add_tail(&c->big_holders, &s->big_link);
    s->big_since = clock_now();
    c->big_count++;
}

static bool may_grow(struct session *s)
{
    struct control *c = s->host->arg;
    if (c->big_count < BIG_LINES) {
        big_grant(c, s);
        return true;
    }
    if (list_empty(&s->big_link))
        list_add_tail(&c->big_waits, &s->big_link);
    take_care(c);
    return false;
}

static void big_leave(struct session *s)
{
    struct control *c = s->host->arg;
    list_del(&s->big_link);
    if (!s->big_since)
        return;
    s->big_since = 0;
    c->big_count--;
    struct list *e = list_pop(&c->big_waits);
    if (!e)
        return;
    struct session *next = container_of(e, struct session, big_link);
    big_grant(c, next);
    wake(next);
}

static bool big_overdue(const struct control *c, const struct session *s)
{
    return !s->parsing && list_empty(&s->wake_link) && clock_now() - s->big_since > BIG_NS;
}

/* Who presses on his jobs and has stopped reading keeps their workers, which others may need. */
static void cut_unread(struct control *c)
{
    uint64_t now = clock_now();
    list_for_each(e, &c->unread)
    {
        struct session *s = container_of(e, struct session, unread_link);
        if (s->cut_why || now - s->read_at <= c->still_ns || !stream_holds_up(&s->stream))
            continue;
        log_warning("control: a client reads nothing of the jobs that it submitted, and keeps "
                    "others waiting: they go on without it");
        session_cut(s, "others waited for your jobs, and your jobs for you, who have read nothing "
                       "for a minute");
    }
}

static void on_care(uv_timer_t *timer)
{
    struct control *c = timer->data;
    list_for_each(e, &c->big_holders)
    {
        struct session *s = container_of(e, struct session, big_link);
        if (list_empty(&c->big_waits))
            break;
        if (big_overdue(c, s))
            session_cut(s, "a line of more than 64 KiB must come within 5 s while others wait: "
                           "send it faster");
    }
    if (c->budget.peak - c->budget.used > TRIM_BYTES) {
        malloc_trim(0);
        c->budget.peak = c->budget.used;
    }
    cut_unread(c);
    if (!list_empty(&c->big_waits) || !list_empty(&c->unread))
        take_care(c);
}

static void take_care(struct control *c)
{
    if (!c->ending && !uv_is_active((uv_handle_t *)&c->care))
        uv_timer_start(&c->care, on_care, CARE_MS, 0);
}

static void unread(struct session *s)
{
    struct control *c = s->host->arg;
    list_add_tail(&c->unread, &s->unread_link);
    take_care(c);
}

static void overdrawn(void *arg)
{
    struct control *c = arg;
    struct share *fattest;
    if (!c->told_cut)
        log_warning("control: clients hold more than %zu bytes that they do not read or have not "
                    "finished: those "
                    "that hold most have to go (control.memory_max)",
                    c->budget.max);
    c->told_cut = true;
    while ((fattest = budget_overdrawn(&c->budget))) {
        c->cut++;
        session_cut(container_of(fattest, struct session, share),
                    "control.memory_max: what waits for all clients takes too much memory, and "
                    "most of it was yours");
    }
}

static void session_closed(struct session *s)
{
    struct control *c = s->host->arg;
    c->clients--;
    c->told_full = false;
    if (c->budget.used < c->budget.max / 2)
        c->told_cut = false;
    if (c->budget.peak - c->budget.used > TRIM_BYTES)
        take_care(c);
    big_leave(s);
    list_del(&s->unread_link);
    resume_accepting(c);
}

static void session_gone(struct session *s)
{
    struct control *c = s->host->arg;
    list_del(&s->link);
    list_del(&s->wake_link);
    list_del(&s->big_link);
    c->alive--;
    if (c->ending && c->alive == 0)
        close_handles(c);
}

static void refuse(struct control *c, int fd)
{
    struct buf b = BUF_INIT;
    char message[96];
    c->refused++;
    if (!c->told_full)
        log_warning("control: more than %u clients: further ones are refused "
                    "(control.max_clients)",
                    c->max_clients);
    c->told_full = true;
    snprintf(message, sizeof message, "%u clients are connected: control.max_clients",
             c->max_clients);
    reply_error(&b, "null", API_UNAVAILABLE, message, NULL);
    buf_putc(&b, '\n');
    if (!b.failed && send(fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        (void)0; /* it has gone already */
    buf_deinit(&b);
    fd_close_connection(&fd);
}

/* Root may have more connections than the daemon's user, whose programs may be what has filled the
 * daemon up. */
static unsigned most_clients(const struct control *c, uid_t uid)
{
    if (uid == 0)
        return c->max_clients + 2 * c->reserve;
    return c->max_clients + (uid == geteuid() ? c->reserve : 0);
}

static void admit(struct control *c, int fd)
{
    struct session *s;
    c->told_pause = false;
    if (c->clients >= c->max_clients && c->clients >= most_clients(c, session_peer(fd).uid)) {
        refuse(c, fd);
        return;
    }
    int r = session_new(&c->host, fd, &s);
    if (r < 0) {
        fd_close_connection(&fd);
        pause_accepting(c, -r);
        return;
    }
    list_add_tail(&c->sessions, &s->link);
    c->clients++;
    c->alive++;
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
    struct control *c = poll->data;
    for (int i = 0; i < ACCEPT_TURNS && !c->paused; i++) {
        int fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            admit(c, fd);
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR && errno != ECONNABORTED)
            pause_accepting(c, errno);
    }
}

static void add_stats(void *arg, json_t *result)
{
    struct control *c = arg;
    json_object_set_new(result, "control",
                        json_pack("{s:i,s:i,s:I,s:I,s:I}", "clients", (int)c->clients,
                                  "max_clients", (int)c->max_clients, "refused",
                                  (json_int_t)c->refused, "memory", (json_int_t)c->budget.used,
                                  "cut", (json_int_t)c->cut));
}

static int init_handles(struct control *c, uv_loop_t *loop)
{
    int r = uv_poll_init(loop, &c->accept_poll, c->listener.fd);
    if (r < 0)
        return r;
    c->handles = 5;
    uv_timer_init(loop, &c->timer);
    uv_timer_init(loop, &c->care);
    uv_idle_init(loop, &c->idle);
    uv_prepare_init(loop, &c->prepare);
    uv_prepare_start(&c->prepare, on_prepare);
    c->accept_poll.data = c->timer.data = c->idle.data = c->prepare.data = c->care.data = c;
    r = mailbox_init(&c->mailbox, loop);
    if (r < 0)
        return r;
    c->mailed = true;
    c->handles++;
    c->helped = helper_init(&c->helper, &c->mailbox) == 0;
    if (!c->helped)
        log_warning("control: no thread for long lines: they are parsed on the control loop");
    c->host.helper = c->helped ? &c->helper : NULL;
    r = uv_poll_start(&c->accept_poll, UV_READABLE, on_accept);
    return r;
}

static struct control *control_alloc(const struct control_config *config)
{
    struct control *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    list_init(&c->sessions);
    list_init(&c->woken);
    list_init(&c->heavy);
    list_init(&c->big_holders);
    list_init(&c->big_waits);
    list_init(&c->unread);
    c->still_ns = config->still_ns ? config->still_ns : STILL_NS;
    budget_init(&c->budget, config->memory_max ? config->memory_max : SIZE_MAX);
    c->reserve = config->reserve < 0   ? 0
                 : config->reserve > 0 ? (unsigned)config->reserve
                                       : CONTROL_RESERVE;
    c->max_clients = config->max_clients ? config->max_clients : MAX_CLIENTS;
    c->host = (struct session_host){
        .loop = config->loop,
        .rpc = {.api = config->api,
                .version = config->version,
                .instance = config->instance,
                .stats = add_stats,
                .budget = &c->budget,
                .arg = c},
        .budget = &c->budget,
        .wake = wake,
        .come = come,
        .may_grow = may_grow,
        .shrunk = big_leave,
        .unread = unread,
        .overdrawn = overdrawn,
        .closed = session_closed,
        .gone = session_gone,
        .arg = c,
    };
    return c;
}

int control_new(const struct control_config *config, struct control **ret_control,
                struct error *err)
{
    struct listener_config listen = {.path = config->path,
                                     .mode = config->mode,
                                     .group = config->group,
                                     .dir_mode = config->dir_mode,
                                     .inherited_fd = config->inherited_fd};
    struct control *c = control_alloc(config);
    if (!c)
        return error_set(err, -ENOMEM, "out of memory");
    int r = listener_open(&c->listener, &listen, err);
    if (r < 0) {
        free(c);
        return r;
    }
    r = init_handles(c, config->loop);
    if (r < 0) {
        error_set(err, r, "control: %s", uv_strerror(r));
        if (c->handles > 0)
            control_free(c, NULL, NULL);
        else
            free_if_over(c);
        return r;
    }
    *ret_control = c;
    return 0;
}

void control_stop_accepting(struct control *control)
{
    if (control->listener.fd < 0)
        return;
    control->paused = false;
    uv_timer_stop(&control->timer);
    uv_close((uv_handle_t *)&control->accept_poll, on_handle_closed);
    listener_stop(&control->listener);
}

void control_free(struct control *control, void (*closed)(void *arg), void *arg)
{
    control_stop_accepting(control);
    control->ending = true;
    control->closed = closed;
    control->closed_arg = arg;
    if (control->alive == 0) {
        close_handles(control);
        return;
    }
    uv_update_time(control->timer.loop); /* the second begins now */
    uv_timer_start(&control->timer, on_timer, LINGER_MS, 0);
    list_for_each(e, &control->sessions) session_finish(container_of(e, struct session, link));
    /* What a socket's buffer took just now, nobody need have read. */
    list_for_each(e, &control->sessions) container_of(e, struct session, link)->moved = false;
}

unsigned control_clients(const struct control *control)
{
    return control->clients;
}
