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

/* Nanoseconds until something is left again. */
static uint64_t until_some(const struct rate *rate)
{
    if (rate->tokens > 0)
        return WAIT_MIN;
    double ns = (1 - rate->tokens) * (double)NS_PER_SEC / (double)rate->per_second;
    if (ns >= (double)WAIT_MAX)
        return WAIT_MAX;
    return ns < (double)WAIT_MIN ? WAIT_MIN : (uint64_t)ns;
}

static void on_time(uv_timer_t *timer);

static void arm(struct rates *rates, uint64_t wait)
{
    uint64_t ms = (wait + NS_PER_MS - 1) / NS_PER_MS;
    if (uv_is_active((uv_handle_t *)&rates->timer) && uv_timer_get_due_in(&rates->timer) <= ms)
        return;
    uv_update_time(rates->timer.loop);
    uv_timer_start(&rates->timer, on_time, ms, 0);
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
    tree_remove(&rate->rates->by_host, &rate->entry.node);
    free(rate);
}

static void on_time(uv_timer_t *timer)
{
    struct rates *rates = container_of(timer, struct rates, timer);
    uint64_t now = clock_now(), wait = 0;
    tree_for_each(n, &rates->by_host)
    {
        struct rate *rate = container_of(n, struct rate, entry.node);
        refill(rate, now);
        let_on(rate);
        uint64_t mine = list_empty(&rate->waiting) ? WAIT_MAX : until_some(rate);
        if (rate->uses == 0 && rate->tokens >= burst(rate))
            rate_free(rate);
        else if (rate->uses == 0 || !list_empty(&rate->waiting))
            wait = wait && wait < mine ? wait : mine;
    }
    if (wait)
        arm(rates, wait);
}

void rates_init(struct rates *rates, uv_loop_t *loop, void (*go)(struct list *waiting))
{
    rates->go = go;
    tree_init(&rates->by_host, tree_by_name);
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
    if (rate->uses == 0)
        arm(rate->rates, WAIT_MAX);
}

bool rate_take(struct rate *rate, size_t len, struct list *waiting)
{
    refill(rate, clock_now());
    if (rate->tokens > 0 && (rate->turn || list_empty(&rate->waiting))) {
        rate->tokens -= (double)len;
        return true;
    }
    list_add_tail(&rate->waiting, waiting);
    arm(rate->rates, until_some(rate));
    return false;
}

void rate_give_back(struct rate *rate, size_t len)
{
    rate->tokens += (double)len;
}
