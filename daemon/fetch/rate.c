#include "fetch/rate.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define BURST_PART 16 /* of a second, that an idle bucket saves up */
#define WAIT_MIN   NS_PER_MS
#define WAIT_MAX \
    (100 * NS_PER_MS) /* a look too many costs nothing; the rate may have been raised */

struct rate {
    struct tree_name entry; /* rates->by_host */
    struct tree_node timed; /* rates->by_time, while look_at is set */
    uint64_t look_at;       /* clock_now; 0: nobody waits, and it is used or full */
    struct rates *rates;
    unsigned uses;
    uint64_t per_second;
    double tokens; /* below 0: debt */
    uint64_t counted_at;
    struct list waiting;
    bool turn; /* one that waited is being let on */
    char host[];
};

static double burst(const struct rate *rate)
{
    return (double)rate->per_second / BURST_PART;
}

static void refill(struct rate *rate, uint64_t now)
{
    double more = (double)(now - rate->counted_at) * (double)rate->per_second / (double)NS_PER_SEC;
    rate->tokens += more;
    if (rate->tokens > burst(rate))
        rate->tokens = burst(rate);
    rate->counted_at = now;
}

/* Nanoseconds until so many tokens are there. */
static uint64_t until(const struct rate *rate, double tokens)
{
    double ns = (tokens - rate->tokens) * (double)NS_PER_SEC / (double)rate->per_second;
    if (ns >= (double)WAIT_MAX)
        return WAIT_MAX;
    return ns < (double)WAIT_MIN ? WAIT_MIN : (uint64_t)ns;
}

static int by_time(const struct tree_node *a, const struct tree_node *b)
{
    const struct rate *x = container_of(a, struct rate, timed);
    const struct rate *y = container_of(b, struct rate, timed);
    if (x->look_at != y->look_at)
        return x->look_at < y->look_at ? -1 : 1;
    return a < b ? -1 : a > b;
}

static struct rate *timed_first(const struct rates *rates)
{
    return tree_entry(tree_first(&rates->by_time), struct rate, timed);
}

static void on_time(uv_timer_t *timer);

/* The loop's timer runs for the first of them. */
static void arm(struct rates *rates, uint64_t now)
{
    const struct rate *rate = timed_first(rates);
    if (!rate)
        return;
    uint64_t wait = rate->look_at > now ? rate->look_at - now : 0;
    uint64_t ms = (wait + NS_PER_MS - 1) / NS_PER_MS;
    if (uv_is_active((uv_handle_t *)&rates->timer) && uv_timer_get_due_in(&rates->timer) <= ms)
        return;
    uv_update_time(rates->timer.loop);
    uv_timer_start(&rates->timer, on_time, ms > 0 ? ms : 1, 0);
}

static void look_never(struct rate *rate)
{
    if (rate->look_at)
        tree_remove(&rate->rates->by_time, &rate->timed);
    rate->look_at = 0;
}

static void look_in(struct rate *rate, uint64_t wait)
{
    uint64_t now = clock_now();
    look_never(rate);
    rate->look_at = now + wait;
    tree_insert(&rate->rates->by_time, &rate->timed);
    arm(rate->rates, now);
}

/* Those that waited when it began, each once: whoever finds nothing left queues up again. */
static void let_on(struct rate *rate)
{
    struct list turn;
    list_init(&turn);
    list_add_head(&rate->waiting, &turn);
    list_del(&rate->waiting);
    rate->turn = true;
    while (rate->tokens > 0 && !list_empty(&turn))
        rate->rates->go(list_pop(&turn));
    rate->turn = false;
    /* In front of those that have had their turn. */
    while (!list_empty(&turn)) {
        struct list *last = turn.prev;
        list_del(last);
        list_add_head(&rate->waiting, last);
    }
}

static void rate_free(struct rate *rate)
{
    look_never(rate);
    tree_remove(&rate->rates->by_host, &rate->entry.node);
    free(rate);
}

static void look(struct rate *rate, uint64_t now)
{
    look_never(rate);
    rate->rates->looks++;
    refill(rate, now);
    let_on(rate);
    if (!list_empty(&rate->waiting))
        look_in(rate, until(rate, 1));
    else if (rate->uses == 0 && rate->tokens >= burst(rate))
        rate_free(rate);
    else if (rate->uses == 0)
        look_in(rate, until(rate, burst(rate)));
}

/* Whoever is looked at is looked at again later than now. */
static void on_time(uv_timer_t *timer)
{
    struct rates *rates = container_of(timer, struct rates, timer);
    uint64_t now = clock_now();
    struct rate *rate;
    while ((rate = timed_first(rates)) && rate->look_at <= now)
        look(rate, now);
    arm(rates, now);
}

void rates_init(struct rates *rates, uv_loop_t *loop, void (*go)(struct list *waiting))
{
    rates->go = go;
    tree_init(&rates->by_host, tree_by_name);
    tree_init(&rates->by_time, by_time);
    uv_timer_init(loop, &rates->timer);
}

void rates_close(struct rates *rates)
{
    tree_for_each(n, &rates->by_host) rate_free(container_of(n, struct rate, entry.node));
    uv_close((uv_handle_t *)&rates->timer, NULL);
}

static struct rate *rate_new(struct rates *rates, const char *host, uint64_t per_second)
{
    struct rate *rate = calloc(1, sizeof *rate + strlen(host) + 1);
    if (!rate)
        return NULL;
    strcpy(rate->host, host);
    rate->rates = rates;
    rate->per_second = per_second;
    rate->tokens = burst(rate);
    rate->counted_at = clock_now();
    list_init(&rate->waiting);
    rate->entry.name = rate->host;
    tree_insert(&rates->by_host, &rate->entry.node);
    return rate;
}

struct rate *rate_get(struct rates *rates, const char *host, uint64_t bytes_per_second)
{
    struct rate *rate = tree_entry(tree_find_name(&rates->by_host, host), struct rate, entry.node);
    if (!rate)
        rate = rate_new(rates, host, bytes_per_second);
    if (!rate)
        return NULL;
    refill(rate, clock_now());
    rate->per_second = bytes_per_second;
    rate->uses++;
    return rate;
}

void rate_put(struct rate *rate)
{
    if (!rate)
        return;
    rate->uses--;
    if (rate->uses == 0 && !rate->look_at)
        look_in(rate, WAIT_MAX);
}

bool rate_take(struct rate *rate, size_t len, struct list *waiting)
{
    refill(rate, clock_now());
    if (rate->tokens > 0 && (rate->turn || list_empty(&rate->waiting))) {
        rate->tokens -= (double)len;
        return true;
    }
    list_add_tail(&rate->waiting, waiting);
    if (!rate->look_at)
        look_in(rate, until(rate, 1));
    return false;
}

void rate_give_back(struct rate *rate, size_t len)
{
    rate->tokens += (double)len;
}
