#include "control/page_html.h"

#include "base/readable.h"

#include <stdio.h>
#include <string.h>

#define GRAPH_WIDTH  240.0
#define GRAPH_HEIGHT 48.0
#define LINE_SAMPLES 3 /* of which a line can be drawn, where two make a rate */

/* --- text ------------------------------------------------------------------------------------- */

void page_put_text(struct buf *b, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            buf_puts(b, "&amp;");
        else if (c == '<')
            buf_puts(b, "&lt;");
        else if (c == '>')
            buf_puts(b, "&gt;");
        else if (c == '"')
            buf_puts(b, "&quot;");
        else if (c == '\'')
            buf_puts(b, "&#39;");
        else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            buf_puts(b, "\357\277\275");
        else
            buf_putc(b, (char)c);
    }
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

static double number_of(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static void put_cell(struct buf *b, const char *text)
{
    buf_puts(b, "<td>");
    page_put_text(b, text);
    buf_puts(b, "</td>");
}

static void put_readable(struct buf *b, const char *url)
{
    struct buf text = BUF_INIT;
    readable_put_url(&text, url);
    buf_putc(&text, '\0');
    page_put_text(b, text.failed ? url : text.data);
    buf_deinit(&text);
}

/* May break anywhere, and keeps some width on a telephone: there the table is moved sideways. */
static void put_url(struct buf *b, const char *url)
{
    buf_puts(b, "<td class=u>");
    put_readable(b, url);
    buf_puts(b, "</td>");
}

static void put_number(struct buf *b, double value)
{
    buf_printf(b, "<td class=n>%.0f</td>", value);
}

/* 1.5 M, 12 k, 7. */
static void put_short(struct buf *b, double value)
{
    static const char *const units[] = {"", " k", " M", " G", " T", " P"};
    size_t unit = 0;
    for (; value >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++)
        value /= 1000;
    buf_printf(b, value < 10 && unit > 0 ? "%.1f%s" : "%.0f%s", value, units[unit]);
}

static void put_span(struct buf *b, double seconds)
{
    if (seconds < 120)
        buf_printf(b, "%.0f s", seconds);
    else if (seconds < 7200)
        buf_printf(b, "%.0f min", seconds / 60);
    else if (seconds < 48.0 * 3600)
        buf_printf(b, "%.0f h", seconds / 3600);
    else
        buf_printf(b, "%.0f d", seconds / 86400);
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* --- graphs ----------------------------------------------------------------------------------- */

enum figure { FIGURE_RUNNING, FIGURE_BYTES, FIGURE_DONE, FIGURE_FAILED };

static double figure_of(const struct page_sample *s, enum figure figure)
{
    switch (figure) {
    case FIGURE_RUNNING:
        return s->running;
    case FIGURE_BYTES:
        return s->bytes;
    case FIGURE_DONE:
        return s->done;
    case FIGURE_FAILED:
        return s->failed;
    }
    return 0;
}

/* At sample i: what is counted is a rate since the sample before, each minute or (bytes) second. */
static double point(const struct page_view *view, enum figure figure, size_t i)
{
    const struct page_sample *s = &view->samples[i];
    if (figure == FIGURE_RUNNING)
        return s->running;
    double span = s->at - s[-1].at;
    double rate = span > 0 ? (figure_of(s, figure) - figure_of(s - 1, figure)) / span : 0;
    return larger(0, figure == FIGURE_BYTES ? rate : 60 * rate);
}

static void put_graph(struct buf *b, const struct page_view *view, enum figure figure,
                      const char *title, const char *unit)
{
    double most = 0, last = 0;
    for (size_t i = 1; i < view->sample_count; i++) {
        last = point(view, figure, i);
        most = larger(most, last);
    }
    buf_printf(b, "<figure><figcaption>%s <b>", title);
    put_short(b, last);
    buf_printf(b, "%s</b> <small>at most ", unit);
    put_short(b, most);
    buf_printf(b,
               "%s</small></figcaption><svg viewBox=\"0 0 %.0f %.0f\" role=img "
               "preserveAspectRatio=none><polyline points=\"",
               unit, GRAPH_WIDTH, GRAPH_HEIGHT);
    for (size_t i = 1; i < view->sample_count; i++) {
        size_t from_right = view->sample_count - 1 - i;
        double x = GRAPH_WIDTH * (1 - (double)from_right / (PAGE_SAMPLES - 2));
        double y =
            GRAPH_HEIGHT - 2 - (most > 0 ? point(view, figure, i) / most : 0) * (GRAPH_HEIGHT - 4);
        buf_printf(b, "%.1f,%.1f ", x, y);
    }
    buf_puts(b, "\"/></svg></figure>");
}

/* --- sections --------------------------------------------------------------------------------- */

static void put_total(struct buf *b, const char *title, double value, bool bad)
{
    buf_printf(b, "<div%s><b>", bad && value > 0 ? " class=bad" : "");
    put_short(b, value);
    buf_printf(b, "</b>%s</div>", title);
}

static void put_trouble(struct buf *b, const json_t *top)
{
    size_t i;
    json_t *sink;
    if (json_is_true(json_object_get(top, "draining")))
        buf_puts(b, "<p class=bad>The daemon is stopping.</p>");
    if (json_is_true(json_object_get(top, "paused")))
        buf_puts(b, "<p class=bad>All is paused: no job starts.</p>");
    if (json_is_true(json_object_get(top, "store_failing")))
        buf_puts(b, "<p class=bad>The store fails: no job is accepted or started.</p>");
    json_array_foreach(json_object_get(top, "sinks"), i, sink)
    {
        if (!json_is_true(json_object_get(sink, "failing")))
            continue;
        buf_puts(b, "<p class=bad>Sink ");
        page_put_text(b, text_of(sink, "name"));
        buf_puts(b, " fails: ");
        page_put_text(b, text_of(sink, "error"));
        buf_puts(b, ". No job starts until it works again.</p>");
    }
}

static void put_totals(struct buf *b, const struct page_view *view)
{
    const json_t *jobs = json_object_get(view->top, "jobs");
    const json_t *totals = json_object_get(view->top, "totals");
    const json_t *workers = json_object_get(view->top, "workers");
    put_trouble(b, view->top);
    buf_puts(b, "<section class=totals>");
    put_total(b, "running", number_of(view->top, "active"), false);
    put_total(b, "queued", number_of(jobs, "queued"), false);
    put_total(b, "waiting", number_of(jobs, "waiting"), false);
    put_total(b, "done since the start", number_of(totals, "done"), false);
    put_total(b, "failed", number_of(totals, "failed"), true);
    put_total(b, "retries", number_of(totals, "retries"), false);
    put_total(b, "records", number_of(totals, "records"), false);
    put_total(b, "workers at most", number_of(workers, "limit"), false);
    put_total(b, "stuck parsers", number_of(workers, "abandoned"), true);
    buf_puts(b, "</section><section class=graphs>");
    put_graph(b, view, FIGURE_RUNNING, "Running", "");
    put_graph(b, view, FIGURE_BYTES, "Downloads", " B/s");
    put_graph(b, view, FIGURE_DONE, "Done", " /min");
    put_graph(b, view, FIGURE_FAILED, "Failed", " /min");
    buf_puts(b, "</section>");
    if (view->sample_count < LINE_SAMPLES)
        buf_printf(b, "<p class=note>The graphs begin %d s after the daemon's start.</p>",
                   (LINE_SAMPLES - 1) * PAGE_SAMPLE_SECONDS);
}

/* A heading and a table's head, or that there is nothing. Returns whether rows follow. */
static bool begin_table(struct buf *b, const char *title, const char *heads, size_t rows,
                        const char *nothing)
{
    buf_printf(b, "<section><h2>%s</h2>", title);
    if (rows > 0)
        buf_printf(b, "<div class=scroll><table><tr>%s</tr>", heads);
    else
        buf_printf(b, "<p>%s</p></section>", nothing);
    return rows > 0;
}

static void end_table(struct buf *b)
{
    buf_puts(b, "</table></div></section>");
}

static void put_running(struct buf *b, const json_t *top)
{
    const json_t *list = json_object_get(top, "running");
    size_t i;
    json_t *job;
    if (!begin_table(b, "Running jobs",
                     "<th class=n>job<th class=n>bytes<th class=n>of<th class=n>records<th>waits "
                     "for<th>parser<th>URL",
                     json_array_size(list), "None."))
        return;
    json_array_foreach(list, i, job)
    {
        buf_printf(b, "<tr><td class=n>%.0f</td><td class=n>", number_of(job, "id"));
        put_short(b, number_of(job, "bytes"));
        buf_puts(b, "</td><td class=n>");
        if (json_is_number(json_object_get(job, "length")))
            put_short(b, number_of(job, "length"));
        else
            buf_putc(b, '?');
        buf_puts(b, "</td>");
        put_number(b, number_of(job, "records"));
        put_cell(b, text_of(job, "waiting_for"));
        put_cell(b, text_of(job, "parser"));
        put_url(b, text_of(job, "url"));
        buf_puts(b, "</tr>");
    }
    end_table(b);
}

static bool is_in_trouble(const json_t *host)
{
    const char *state = text_of(host, "state");
    return number_of(host, "failures") > 0 || strcmp(state, "paused") == 0 ||
           strcmp(state, "broken") == 0 || strcmp(state, "probing") == 0;
}

static void put_hosts(struct buf *b, const json_t *top)
{
    const json_t *list = json_object_get(top, "hosts");
    size_t i, count = 0;
    json_t *host;
    json_array_foreach(list, i, host) count += is_in_trouble(host);
    if (!begin_table(b, "Hosts in trouble",
                     "<th>host<th>state<th class=n>failures in a row<th class=n>tried again in<th "
                     "class=n>running<th class=n>queued",
                     count, "None."))
        return;
    json_array_foreach(list, i, host)
    {
        if (!is_in_trouble(host))
            continue;
        buf_puts(b, "<tr>");
        put_cell(b, text_of(host, "name"));
        put_cell(b, text_of(host, "state"));
        put_number(b, number_of(host, "failures"));
        buf_puts(b, "<td class=n>");
        if (json_object_get(host, "retry_in"))
            put_span(b, number_of(host, "retry_in"));
        buf_puts(b, "</td>");
        put_number(b, number_of(host, "running"));
        put_number(b, number_of(host, "queued"));
        buf_puts(b, "</tr>");
    }
    end_table(b);
}

static void put_schedules(struct buf *b, const json_t *answer)
{
    const json_t *list = json_object_get(answer, "schedules");
    size_t i;
    json_t *schedule;
    if (!begin_table(b, "Failing schedules",
                     "<th>schedule<th class=n>failures in a row<th>last error<th>next run<th>URL",
                     json_array_size(list), answer ? "None." : "Not to be had now."))
        return;
    json_array_foreach(list, i, schedule)
    {
        buf_puts(b, "<tr>");
        put_cell(b, text_of(schedule, "name"));
        put_number(b, number_of(schedule, "failures"));
        put_cell(b, text_of(json_object_get(schedule, "last"), "error"));
        put_cell(b, text_of(schedule, "next"));
        put_url(b, text_of(schedule, "url"));
        buf_puts(b, "</tr>");
    }
    end_table(b);
}

/* What `penstockctl explain` goes by. */
static void put_failure(struct buf *b, const json_t *job)
{
    const json_t *verdict = json_object_get(job, "verdict");
    const json_t *error = json_object_get(verdict, "error");
    double id = number_of(job, "id"), status = number_of(verdict, "status");
    buf_printf(b, "<details id=job%.0f><summary>%.0f <b>", id, id);
    page_put_text(b, text_of(error, "kind"));
    buf_puts(b, "</b> ");
    put_readable(b, text_of(job, "url"));
    buf_puts(b, "</summary><p>");
    page_put_text(b, text_of(error, "message"));
    buf_puts(b, "</p><p>Ended ");
    page_put_text(b, text_of(job, "finished"));
    buf_printf(b, " after %.0f attempt%s, with %.0f bytes and %.0f records",
               number_of(job, "attempt"), number_of(job, "attempt") < 1.5 ? "" : "s",
               number_of(verdict, "bytes"), number_of(verdict, "records"));
    if (status > 0)
        buf_printf(b, "; the host answered %.0f", status);
    buf_puts(b, ". Parser ");
    page_put_text(b, text_of(job, "parser"));
    buf_printf(b, ".</p><p>More: <code>penstockctl explain %.0f</code></p></details>", id);
}

static void put_failures(struct buf *b, const json_t *answer)
{
    const json_t *list = json_object_get(answer, "jobs");
    size_t i;
    json_t *job;
    buf_puts(b, "<section><h2>Last failures</h2>");
    if (json_array_size(list) == 0)
        buf_puts(b, answer ? "<p>None.</p>" : "<p>Not to be had now.</p>");
    json_array_foreach(list, i, job)
    {
        put_failure(b, job);
    }
    buf_puts(b, "</section>");
}

/* --- the whole -------------------------------------------------------------------------------- */

static void put_main(struct buf *b, const struct page_view *view)
{
    if (!view->top) {
        buf_puts(b, "<p class=bad>There are no figures now: the daemon is stopping.</p>");
        return;
    }
    put_totals(b, view);
    if (view->all) {
        put_running(b, view->top);
        put_hosts(b, view->top);
        put_schedules(b, view->schedules);
        put_failures(b, view->failures);
    } else {
        buf_puts(b, "<p class=note>Jobs, hosts and schedules are shown by <code>penstockctl "
                    "top</code>; here, "
                    "to whoever can connect, with <code>page = all</code> in [metrics].</p>");
    }
}

void page_html(struct buf *b, const struct page_view *view)
{
    buf_puts(b, "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>penstock</title>"
                "<meta name=viewport content=\"width=device-width, initial-scale=1\">"
                "<noscript><meta http-equiv=refresh content=5></noscript>"
                "<link rel=stylesheet href=/page.css><script src=/page.js defer></script></head>"
                "<body><header><h1>penstock</h1><p>");
    if (view->top) {
        buf_puts(b, "penstockd ");
        page_put_text(b, text_of(view->top, "version"));
        buf_puts(b, ", up ");
        put_span(b, number_of(view->top, "uptime"));
        buf_puts(b, ", ");
    }
    page_put_text(b, view->time);
    buf_puts(b, "</p></header><main>");
    put_main(b, view);
    buf_puts(b, "</main></body></html>\n");
}

/* --- what goes with it ------------------------------------------------------------------------ */

const char page_css[] =
    ":root{color-scheme:light dark;--line:#8884;--bad:#b3261e;--mark:#1769aa}"
    "@media(prefers-color-scheme:dark){:root{--bad:#ff8a80;--mark:#7cc4ff}}"
    "body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1200px;padding:0 1rem 2rem}"
    "header{display:flex;flex-wrap:wrap;gap:0 "
    "1rem;align-items:baseline}h1{font-size:1.4rem;margin:.6rem 0}"
    "h2{font-size:1.05rem;margin:1.6rem 0 .4rem}header p,.note,small{opacity:.75}"
    ".totals,.graphs{display:grid;gap:.6rem;grid-template-columns:repeat(auto-fill,minmax(130px,"
    "1fr))}"
    ".graphs{grid-template-columns:repeat(auto-fill,minmax(240px,1fr));margin-top:1rem}"
    ".totals div,figure{border:1px solid var(--line);border-radius:6px;padding:.5rem "
    ".7rem;margin:0}"
    ".totals b{display:block;font-size:1.3rem}svg{width:100%;height:48px;display:block}"
    "polyline{fill:none;stroke:var(--mark);stroke-width:1.5;vector-effect:non-scaling-stroke}"
    ".bad,.bad "
    "b{color:var(--bad)}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);"
    "vertical-align:top;overflow-wrap:break-word}th{font-weight:600;white-space:nowrap}.n{text-"
    "align:right;white-space:nowrap}.u{min-width:15rem;overflow-wrap:anywhere}"
    "details{border-bottom:1px solid var(--line);padding:.3rem "
    "0}summary{cursor:pointer;overflow-wrap:anywhere}"
    "details p{margin:.3rem 1rem;overflow-wrap:anywhere}code{font-size:.95em}\n";

const char page_js[] =
    "'use strict';\n"
    "const renew = async () => {\n"
    "  try {\n"
    "    const answer = await fetch('/', {cache: 'no-store'});\n"
    "    if (!answer.ok) return;\n"
    "    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');\n"
    "    for (const open of document.querySelectorAll('details[open]')) {\n"
    "      const again = fresh.getElementById(open.id);\n"
    "      if (again) again.open = true;\n"
    "    }\n"
    "    for (const part of ['header', 'main'])\n"
    "      "
    "document.querySelector(part).replaceWith(document.adoptNode(fresh.querySelector(part)));\n"
    "    document.body.classList.remove('bad');\n"
    "  } catch (error) {\n"
    "    document.body.classList.add('bad');\n"
    "  }\n"
    "};\n"
    "setInterval(() => { if (!document.hidden) renew(); }, 2000);\n";
