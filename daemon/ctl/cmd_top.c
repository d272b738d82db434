/* top: asks once an interval and shows what came. On a terminal until `q`, through restarts of the
 * daemon; else a picture or several as plain text. */
#include "ctl/cmd_top.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/units.h"
#include "ctl/intr.h"
#include "ctl/life.h"
#include "ctl/out.h"
#include "ctl/top_layout.h"
#include "ctl/top_screen.h"

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN_COLUMNS 120
#define SILENT        (3 * NS_PER_SEC) /* without an answer: that is told */
#define RECONNECT     (1 * NS_PER_SEC)
#define TOLD_FOR      (5 * NS_PER_SEC) /* a notice stays */

/* What is to be done, once somebody has said yes. */
enum top_task { TASK_NONE, TASK_CANCEL, TASK_HOLD, TASK_RESUME, TASK_EXPLAIN };

struct top {
    struct ctl *ctl;
    struct top_model model;
    struct top_look look;
    struct top_page page;
    uint64_t interval, count; /* count: 0: no end */
    uint64_t due;             /* clock_now: the next question, or the next try to connect */
    uint64_t asked, asked_at; /* the request under way; 0: none */
    uint64_t listed;          /* the list under way, of the tab; 0: none */
    uint64_t done;            /* what was asked to be done or shown; 0: nothing */
    enum top_task task;
    uint64_t chosen_id; /* of the job in question */
    uint64_t told_at;   /* clock_now of a notice that somebody is to read; 0: none */
    char filter[64], question[320], notice[640];
    char target[256];   /* the host in question */
    struct buf overlay; /* a job, explained */
};

/* --- asking ----------------------------------------------------------------------------------- */

static int ask(struct top *top, struct error *err)
{
    json_t *params = json_pack("{s:i}", "limit", 500);
    int r = wire_send(&top->ctl->conn.wire, "top", params, &top->asked, err);
    top->asked_at = clock_now();
    top->due = top->asked_at + top->interval;
    return r;
}

/* What the tab shows besides. */
static int ask_list(struct top *top, struct error *err)
{
    struct wire *wire = &top->ctl->conn.wire;
    if (top->listed)
        return 0;
    if (top->look.tab == TOP_FAILED)
        return wire_send(wire, "list", json_pack("{s:s, s:i}", "state", "failed", "limit", 100),
                         &top->listed, err);
    if (top->look.tab == TOP_SCHEDULES)
        return wire_send(wire, "schedule_list", json_object(), &top->listed, err);
    return 0;
}

static void take_list(struct top *top, const json_t *result)
{
    json_t *jobs = json_object_get(result, "jobs"),
           *schedules = json_object_get(result, "schedules");
    json_t **place = jobs ? &top->model.failed : &top->model.schedules;
    top->listed = 0;
    json_decref(*place);
    *place = json_incref(jobs ? jobs : schedules);
}

/* What became of what somebody wanted. */
static void take_done(struct top *top, const struct answer *answer)
{
    top->done = 0;
    if (answer->code != 0) {
        snprintf(top->notice, sizeof top->notice, "%s", answer->message);
        top->told_at = clock_now();
    } else if (top->task == TASK_EXPLAIN) {
        buf_reset(&top->overlay);
        life_put(&top->overlay, answer->result, clock_real_us());
        buf_putc(&top->overlay, '\0');
        top->look.overlay_skip = 0;
    }
    top->task = TASK_NONE;
    top->due = 0; /* it may show */
}

/* An answer. 1: there is a new picture; 0; or a negative errno with a message in *err. */
static int take_answer(struct top *top, const struct answer *answer, struct error *err)
{
    if (answer->id == top->done && top->done) {
        take_done(top, answer);
        return 0;
    }
    if (answer->id == top->listed && top->listed) {
        take_list(top, answer->result);
        return 0;
    }
    if (answer->code != 0)
        return error_set(err, -EPERM, "%s", answer->message);
    if (answer->id != top->asked)
        return 0;
    top->asked = 0;
    if (top->ctl->json)
        ctl_put_raw(answer);
    int r = top_model_take(&top->model, json_incref(answer->result), clock_now());
    return r < 0 ? error_set(err, r, "out of memory") : 1;
}

/* Takes what the daemon has said. 1: there is a new picture; 0: not yet. */
static int hear(struct top *top, struct error *err)
{
    char *line;
    size_t len;
    int r;
    struct answer answer;
    while ((r = wire_line(&top->ctl->conn.wire, &line, &len)) > 0) {
        r = answer_read(line, len, &answer);
        if (r < 0)
            return wire_explain(&top->ctl->conn.wire, r, err);
        if (r > 0)
            continue;
        r = take_answer(top, &answer, err);
        answer_deinit(&answer);
        if (r != 0)
            return r;
    }
    return r < 0 ? wire_explain(&top->ctl->conn.wire, r, err) : 0;
}

/* --- plain text ------------------------------------------------------------------------------- */

/* Asks and waits for the answer. 0, or an exit status after a message. */
static int sample(struct top *top)
{
    struct error err;
    int r = ask(top, &err);
    while (r == 0 && (r = hear(top, &err)) == 0)
        if ((r = conn_poll(&top->ctl->conn, NULL, 0, -1)) < 0)
            r = wire_explain(&top->ctl->conn.wire, r, &err);
    return r < 0 ? ctl_fail(r, &err) : 0;
}

static int wait_until_due(struct top *top)
{
    struct error err;
    for (uint64_t now; (now = clock_now()) < top->due;) {
        int r = conn_poll(&top->ctl->conn, NULL, 0, (int)((top->due - now) / NS_PER_MS) + 1);
        if (r < 0)
            return ctl_fail(wire_explain(&top->ctl->conn.wire, r, &err), &err);
    }
    return 0;
}

static void print(struct top *top, bool again)
{
    top_lay(&top->model, &top->look, &top->page);
    if (again)
        out_put("\n", 1);
    for (size_t i = 0; i < top->page.count; i++)
        out_printf("%s\n", top_page_line(&top->page, i));
    out_flush();
}

/* Rates need two looks: the first picture takes an interval. */
static int run_plain(struct top *top)
{
    uint64_t count = top->count ? top->count : 1;
    int status = intr_catch() < 0 ? EXIT_REFUSED : 0;
    if (status == 0 && top->ctl->conn.wire.fd < 0)
        status = ctl_connect(top->ctl);
    top->look.columns = PLAIN_COLUMNS;
    top->look.path = top->ctl->conn.wire.path;
    if (status == 0 && !top->ctl->json)
        status = sample(top);
    for (uint64_t i = 0; status == 0 && i < count; i++) {
        if (!top->ctl->json || i > 0)
            status = wait_until_due(top);
        if (status == 0)
            status = sample(top);
        if (status == 0 && !top->ctl->json)
            print(top, i > 0);
    }
    return status;
}

/* --- the screen ------------------------------------------------------------------------------- */

static void draw(struct top *top)
{
    uint64_t now = clock_now();
    bool silent = top->asked && now - top->asked_at > SILENT;
    if (silent)
        snprintf(top->notice, sizeof top->notice, "The daemon has not answered for %.0f s",
                 (double)(now - top->asked_at) / (double)NS_PER_SEC);
    top_screen_size(&top->look.columns, &top->look.lines);
    top->look.path = top->ctl->conn.wire.path;
    top->look.notice = top->notice[0] ? top->notice : NULL;
    top->look.filter = top->filter;
    top->look.question = top->question[0] ? top->question : NULL;
    top->look.overlay = top->overlay.len > 0 && !top->overlay.failed ? top->overlay.data : NULL;
    top_lay(&top->model, &top->look, &top->page);
    top_screen_draw(&top->page);
}

/* The connection is of no use any more: another one, in a moment. */
static void lose(struct top *top, const char *why)
{
    wire_close(&top->ctl->conn.wire);
    top->asked = top->listed = top->done = 0;
    top->due = clock_now() + RECONNECT;
    snprintf(top->notice, sizeof top->notice, "%s; trying again", why);
}

static void reconnect(struct top *top)
{
    struct error err;
    if (wire_open(&top->ctl->conn.wire, args_value(&top->ctl->args, OPT_SOCKET), &err) < 0) {
        lose(top, err.text);
        return;
    }
    top->ctl->conn.ignores_stdout = top->ctl->conn.unwatched = true;
    top->due = 0;
}

static void ask_or_reconnect(struct top *top)
{
    struct error err;
    if (clock_now() < top->due)
        return;
    if (top->ctl->conn.wire.fd < 0)
        reconnect(top);
    if (top->ctl->conn.wire.fd >= 0 && !top->asked &&
        (ask(top, &err) < 0 || ask_list(top, &err) < 0))
        lose(top, err.text);
    else if (top->asked)
        top->due = clock_now() + top->interval;
}

/* --- keys ------------------------------------------------------------------------------------- */

static bool choose(struct top *top, struct top_item *ret_item)
{
    static struct top_item items[TOP_ITEMS];
    size_t count = top_items(&top->model, top->look.tab, top->filter, items);
    if (top->look.cursor >= count)
        return false;
    *ret_item = items[top->look.cursor];
    return true;
}

static void send_task(struct top *top, enum top_task task, const char *method, json_t *params)
{
    struct error err;
    if (top->ctl->conn.wire.fd < 0) {
        json_decref(params);
        return;
    }
    top->task = task;
    if (wire_send(&top->ctl->conn.wire, method, params, &top->done, &err) < 0)
        snprintf(top->notice, sizeof top->notice, "%s", err.text);
}

static void explain(struct top *top)
{
    struct top_item item;
    if (choose(top, &item) && item.id)
        send_task(top, TASK_EXPLAIN, "show", json_pack("{s:I}", "id", (json_int_t)item.id));
}

static void ask_cancel(struct top *top)
{
    struct top_item item;
    if (top->look.tab != TOP_RUNNING || !choose(top, &item))
        return;
    top->task = TASK_CANCEL;
    top->chosen_id = item.id;
    snprintf(top->question, sizeof top->question, "Cancel job %" PRIu64 "? y cancels it: %.200s",
             item.id, item.name);
}

static bool is_held(const struct top *top, const char *host)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(top->model.answer, "hosts"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        const char *state = json_string_value(json_object_get(one, "state"));
        if (name && state && strcmp(name, host) == 0)
            return strcmp(state, "paused") == 0;
    }
    return false;
}

static void ask_hold(struct top *top)
{
    struct top_item item;
    if (!choose(top, &item) || !*item.host)
        return;
    snprintf(top->target, sizeof top->target, "%s", item.host);
    top->task = is_held(top, item.host) ? TASK_RESUME : TASK_HOLD;
    snprintf(top->question, sizeof top->question,
             top->task == TASK_HOLD ? "Start no more jobs of %.200s? y holds it"
                                    : "Start jobs of %.200s again? y does",
             top->target);
}

/* The key after a question. */
static void answer_question(struct top *top, enum top_key key)
{
    top->question[0] = '\0';
    if (key != TOP_YES)
        top->task = TASK_NONE;
    else if (top->task == TASK_CANCEL)
        send_task(top, top->task, "cancel",
                  json_pack("{s:[I]}", "ids", (json_int_t)top->chosen_id));
    else
        send_task(top, top->task, top->task == TASK_HOLD ? "pause" : "resume",
                  json_pack("{s:s}", "host", top->target));
}

/* Takes the last character off, whatever its bytes. */
static void erase_last(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && ((unsigned char)text[len - 1] & 0xC0) == 0x80)
        len--;
    text[len > 0 ? len - 1 : 0] = '\0';
}

static void type_filter(struct top *top, enum top_key key, char byte)
{
    size_t len = strlen(top->filter);
    if (key == TOP_ESCAPE)
        top->filter[0] = '\0';
    if (key == TOP_ESCAPE || key == TOP_ENTER)
        top->look.typing = false;
    else if (key == TOP_ERASE)
        erase_last(top->filter);
    else if (key == TOP_OTHER && len + 1 < sizeof top->filter) {
        top->filter[len] = byte;
        top->filter[len + 1] = '\0';
    }
    top->look.cursor = top->look.skip = 0;
}

static void move(struct top_look *look, enum top_key key)
{
    size_t page = look->lines > 8 ? look->lines / 2 : 1;
    size_t *at = look->overlay ? &look->overlay_skip : &look->cursor;
    if (key == TOP_DOWN || key == TOP_PAGE_DOWN)
        *at += key == TOP_DOWN ? 1 : page;
    else if (key == TOP_UP && *at > 0)
        --*at;
    else if (key == TOP_PAGE_UP || key == TOP_HOME)
        *at -= key == TOP_HOME || *at < page ? *at : page;
    else if (key == TOP_END && !look->overlay)
        *at = TOP_ITEMS;
    if (key == TOP_PAGE_DOWN && !look->overlay)
        look->skip = *at;
}

static void change_tab(struct top *top, int by)
{
    do
        top->look.tab = (enum top_tab)(((int)top->look.tab + by + TOP_TAB_COUNT_) % TOP_TAB_COUNT_);
    while (!top_tab_shown(&top->model, top->look.tab));
    top->look.cursor = top->look.skip = 0;
    top->due = 0;
}

/* While a job is explained. */
static void press_overlay(struct top *top, enum top_key key)
{
    if (key == TOP_QUIT || key == TOP_ESCAPE || key == TOP_ENTER)
        buf_reset(&top->overlay);
    else
        move(&top->look, key);
}

static void press_item(struct top *top, enum top_key key)
{
    if (key == TOP_ENTER)
        explain(top);
    else if (key == TOP_CANCEL)
        ask_cancel(top);
    else if (key == TOP_HOLD)
        ask_hold(top);
    else if (key == TOP_FILTER)
        top->look.typing = true;
    else if (key == TOP_ESCAPE)
        top->filter[0] = '\0';
    else if (key == TOP_TAB || key == TOP_TAB_BACK)
        change_tab(top, key == TOP_TAB ? 1 : -1);
    else
        move(&top->look, key);
}

/* False: it is to end. */
static bool press(struct top *top, enum top_key key, char byte)
{
    struct top_look *look = &top->look;
    if (top->question[0])
        answer_question(top, key);
    else if (look->typing)
        type_filter(top, key, byte);
    else if (top->overlay.len > 0)
        press_overlay(top, key);
    else if (key == TOP_QUIT)
        return false;
    else if (key == TOP_SORT)
        top_model_sort(&top->model, (top->model.sort + 1) % TOP_SORT_COUNT_);
    else if (key == TOP_FREEZE)
        look->frozen = !look->frozen;
    else if (key == TOP_HELP)
        look->help = !look->help;
    else
        press_item(top, key);
    return true;
}

static void listen_to_daemon(struct top *top)
{
    struct error err;
    int r = hear(top, &err);
    bool read = !top->told_at || clock_now() - top->told_at > TOLD_FOR;
    if (r == 1 && read) {
        top->notice[0] = '\0';
        top->told_at = 0;
    } else if (r < 0)
        lose(top, err.text);
}

/* Waits for the daemon, a key, a signal or the next question. 0, or a negative errno of the
 * connection. */
static int wait_for_something(struct top *top, struct pollfd extra[2])
{
    uint64_t now = clock_now();
    int timeout = top->due > now ? (int)((top->due - now) / NS_PER_MS) + 1 : 0;
    extra[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    extra[1] = (struct pollfd){.fd = top_screen_signal_fd(), .events = POLLIN};
    if (top->ctl->conn.wire.fd >= 0)
        return conn_poll(&top->ctl->conn, extra, 2, timeout);
    return poll(extra, 2, timeout) < 0 && errno != EINTR ? -errno : 0;
}

/* One turn. -1: go on; else an exit status. */
static int turn(struct top *top)
{
    struct pollfd extra[2];
    struct error err;
    enum top_key key;
    char byte = 0;
    int r = wait_for_something(top, extra);
    if (extra[1].revents) {
        int number = top_screen_signal();
        if (number == SIGINT)
            return EXIT_INTERRUPTED;
        if (number)
            top_screen_die(number);
    }
    while ((key = top_screen_key(top->look.typing, &byte)) != TOP_NO_KEY)
        if (!press(top, key, byte))
            return EXIT_ALL_WELL;
    if (extra[0].revents & (POLLHUP | POLLERR | POLLNVAL)) /* the terminal has gone */
        return EXIT_REFUSED;
    if (top->ctl->conn.wire.fd >= 0 && !top->look.frozen)
        listen_to_daemon(top);
    if (r < 0 && top->ctl->conn.wire.fd >= 0) {
        wire_explain(&top->ctl->conn.wire, r, &err);
        lose(top, err.text);
    }
    if (!top->look.frozen)
        ask_or_reconnect(top);
    else if (top->due <= clock_now())
        top->due = clock_now() + top->interval;
    draw(top);
    return -1;
}

static int run_screen(struct top *top)
{
    int status = ctl_connect(top->ctl);
    if (status != 0)
        return status;
    int r = top_screen_open();
    if (r < 0)
        return run_plain(top);
    top->ctl->conn.ignores_stdout = top->ctl->conn.unwatched = true;
    do
        status = turn(top);
    while (status < 0);
    top_screen_close();
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

static int read_options(struct top *top, struct error *err)
{
    struct error why;
    const struct args *args = &top->ctl->args;
    const char *interval = args_value(args, OPT_INTERVAL), *count = args_value(args, OPT_COUNT);
    top->interval = NS_PER_SEC;
    if (interval && parse_duration(interval, false, &top->interval, &why) < 0)
        return error_set(err, -EINVAL, "--interval: %s", why.text);
    if (top->interval < NS_PER_SEC / 10 || top->interval > 3600 * NS_PER_SEC)
        return error_set(err, -EINVAL, "--interval: 100ms to 1h are possible");
    if (count && parse_u64(count, 1, INT64_MAX, &top->count, &why) < 0)
        return error_set(err, -EINVAL, "--count: %s", why.text);
    return 0;
}

int cmd_top(struct ctl *ctl)
{
    struct error err;
    struct top top = {.ctl = ctl};
    setlocale(LC_CTYPE, "");
    top.look.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    int r = read_options(&top, &err);
    int status;
    if (r < 0)
        status = ctl_fail(r, &err);
    else if (top.count || ctl->json || !top_screen_possible())
        status = run_plain(&top);
    else
        status = run_screen(&top);
    top_model_deinit(&top.model);
    buf_deinit(&top.overlay);
    top_page_deinit(&top.page);
    return status;
}
