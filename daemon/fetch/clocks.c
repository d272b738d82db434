/* A transfer's clocks: one timer, armed for the nearest deadline and looked at when it is due. A
 * chunk moves the stall's deadline away by noting the time; only the timer's own callback starts it
 * anew.
 *
 * The loop's own slowness is not the peer's: timers run before the sockets are read, so a deadline
 * that has passed gets one more turn of the loop before it counts. */
#include "fetch/clocks.h"

#include "base/clock.h"
#include "fetch/loop_impl.h"

#include <assert.h>

/* While it connects, curl is called this often: else 7.88 stays with an address that does not
 * answer. */
#define KICK_MAX (200 * NS_PER_MS)
#define KICK_MIN (10 * NS_PER_MS)

/* On an idle connection whose peer is gone without a word (a firewall between has forgotten it) a
 * request meets silence. Who is there has acknowledged it long before that. */
#define UNHEARD_MS 2000

/* In ns; 0 for never. */
static uint64_t deadline(const struct transfer_impl *impl)
{
    const struct transfer_request *request = impl->t->request;
    uint64_t since = impl->stage_since, ms = 0;
    switch (impl->stage) {
    case STAGE_CONNECT:
        ms = request->connect_ms;
        break;
    case STAGE_SENT:
        ms = request->first_byte_ms;
        if (impl->unheard && (!ms || ms > UNHEARD_MS))
            ms = UNHEARD_MS;
        break;
    case STAGE_HEAD:
    case STAGE_BODY:
        ms = impl->paused || impl->throttled || impl->over ? 0 : request->stall_ms;
        since = impl->last_byte;
    }
    return ms ? since + ms * NS_PER_MS : 0;
}

static uint64_t kick_interval(const struct transfer_impl *impl)
{
    uint64_t ns = impl->t->request->connect_ms * NS_PER_MS / 8;
    if (!ns || ns > KICK_MAX)
        return KICK_MAX;
    return ns < KICK_MIN ? KICK_MIN : ns;
}

static void expire(struct transfer_impl *impl)
{
    const struct transfer_request *request = impl->t->request;
    char at[IMPL_AT];
    impl_at(impl, at, sizeof at);
    switch (impl->stage) {
    case STAGE_CONNECT:
        if (impl->passed_over && !impl->opened)
            break; /* why, the outcome knows */
        impl_fail(impl, KIND_CONNECT_TIMEOUT, "no connection to %s within %u ms%s", at,
                  request->connect_ms, impl->result.address[0] ? "" : ": it has no address yet");
        break;
    case STAGE_SENT:
        impl_fail(impl, KIND_FIRST_BYTE_TIMEOUT, "%s did not begin to answer within %u ms", at,
                  request->first_byte_ms);
        break;
    case STAGE_HEAD:
    case STAGE_BODY:
        impl_fail(impl, KIND_STALLED, "%s sent nothing for %u ms, after %llu bytes of the body", at,
                  request->stall_ms, (unsigned long long)impl->result.bytes);
    }
    impl_end_soon(impl, CURLE_OPERATION_TIMEDOUT);
}

/* The request is asked once more, on a connection of its own (transfer.c), if nobody got it. */
static void end_doubt(struct transfer_impl *impl)
{
    impl->unheard = impl->overdue = false;
    impl->stale = connection_is_deaf(impl->socket);
    if (impl->stale)
        impl_end_soon(impl, CURLE_RECV_ERROR);
    else
        clocks_arm(impl);
}

static void on_time(uv_timer_t *timer)
{
    struct transfer_impl *impl = container_of(timer, struct transfer_impl, timer);
    uint64_t now = clock_now(), due = deadline(impl);
    impl->armed = 0;
    if (due && due <= now && impl->overdue && impl->stage == STAGE_SENT && impl->unheard) {
        end_doubt(impl);
        return;
    }
    if (due && due <= now && impl->overdue) {
        expire(impl);
        return;
    }
    impl->overdue = due && due <= now;
    clocks_arm(impl);
    if (impl->stage == STAGE_CONNECT && (impl->opened || impl->passed_over))
        multi_kick(impl->easy);
}

void clocks_arm(struct transfer_impl *impl)
{
    uint64_t now = clock_now(), due = deadline(impl);
    if (impl->stage == STAGE_CONNECT && (!due || due > now + kick_interval(impl)))
        due = now + kick_interval(impl);
    if (!due || (impl->armed && impl->armed <= due))
        return;
    uint64_t ms = due > now ? (due - now + NS_PER_MS - 1) / NS_PER_MS : 1;
    /* The loop's idea of now may lie behind; a timer that comes early is only a look too many. */
    uv_timer_start(&impl->timer, on_time, ms, 0);
    impl->armed = due;
}

void clocks_hurry(struct transfer_impl *impl)
{
    uv_timer_start(&impl->timer, on_time, 1, 0);
    impl->armed = clock_now() + NS_PER_MS;
}

/* The stages follow one another; and at any time curl may send the request once more, on another
 * connection or (after a
 * 417) on the same. */
static bool stage_follows(enum stage from, enum stage to)
{
    static const bool allowed[][STAGE_BODY + 1] = {
        [STAGE_CONNECT] = {[STAGE_CONNECT] = true, [STAGE_SENT] = true},
        [STAGE_SENT] = {[STAGE_CONNECT] = true, [STAGE_SENT] = true, [STAGE_HEAD] = true},
        [STAGE_HEAD] = {[STAGE_CONNECT] = true, [STAGE_SENT] = true, [STAGE_BODY] = true},
        [STAGE_BODY] = {[STAGE_CONNECT] = true, [STAGE_SENT] = true},
    };
    return allowed[from][to];
}

void clocks_enter(struct transfer_impl *impl, enum stage stage)
{
    assert(fetch_loop_is_current(impl->loop) && stage_follows(impl->stage, stage));
    impl->stage = stage;
    impl->stage_since = impl->last_byte = clock_now();
    impl->overdue = false;
    clocks_arm(impl);
}

void clocks_stop(struct transfer_impl *impl)
{
    uv_timer_stop(&impl->timer);
    impl->armed = 0;
}
