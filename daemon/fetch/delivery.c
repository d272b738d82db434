/* The body's pieces on their way from curl to the consumer, which may refuse one: then the transfer
 * is paused.
 *
 * A pause is ours, not curl's. What versions of libcurl do around one differs: told
 * CURL_WRITEFUNC_PAUSE while it delivers what it held (inside of curl_easy_pause), 8.12 and later
 * run the handle once more, read on from the socket into memory, and throw all of it away when the
 * origin then closes; 8.5 reads on as well. So it is told to pause only while it reads, where every
 * version holds the one piece that was refused and waits; what it gives from within curl_easy_pause
 * is always taken, and what the consumer refuses of that is kept here. That is little: what curl
 * holds was refused before, one piece of at most CURL_MAX_WRITE_SIZE, and then a pause ended its
 * reading.
 *
 *     curl  --piece-->  kept (if anything is)  -->  consumer
 *       `- holds one piece, after a PAUSE
 *
 * While it holds a piece its socket is not watched either (8.5 asks for that), but QUIC's, which
 * has timers and acknowledgements of its own.
 *
 * Order: what is kept is older than what curl holds, which is older than what is in the socket. The
 * end, good or bad, waits until all that came before it was taken. */
#include "fetch/delivery.h"

#include "base/clock.h"
#include "fetch/clocks.h"
#include "fetch/loop_impl.h"
#include "fetch/splice.h"

#include <string.h>

/* More than curl holds for a paused HTTP/2 stream with its frames: a version of curl that reads on
 * while it is paused fails its transfer here, and not the machine for want of memory. */
#define KEPT_MAX ((size_t)1 << 20)

static size_t kept_left(const struct transfer_impl *impl)
{
    return impl->kept.len - impl->kept_off;
}

bool delivery_outlasts_curl(struct transfer_impl *impl, CURLcode code)
{
    if (impl->held && code == CURLE_OK)
        impl_fail(impl, KIND_TRUNCATED,
                  "libcurl lost a piece of the body that it held for a paused transfer");
    impl->held = false;
    return !impl->settled && kept_left(impl) > 0;
}

static bool refused_by_rate(struct transfer_impl *impl, size_t len)
{
    if (!impl->rate || rate_take(impl->rate, len, &impl->rate_link))
        return false;
    impl->throttled = true;
    atomic_store_explicit(&impl->t->throttled, true, memory_order_relaxed);
    return true;
}

/* TRANSFER_TAKEN; TRANSFER_PAUSE: none of it, and somebody calls delivery_go_on; -1: the result is
 * settled. */
static int offer(struct transfer_impl *impl, const char *data, size_t len)
{
    if (impl->paused || impl->throttled || refused_by_rate(impl, len))
        return TRANSFER_PAUSE;
    int r = impl->t->ops->on_data(impl->t, data, len);
    if (r == TRANSFER_PAUSE) {
        if (impl->rate)
            rate_give_back(impl->rate, len);
        impl->paused = true;
        return TRANSFER_PAUSE;
    }
    if (r < 0) {
        impl_stop(impl);
        return -1;
    }
    impl->result.bytes += len;
    atomic_fetch_add_explicit(&impl->loop->bytes, len, memory_order_relaxed);
    if (impl->t->ops->on_turn && list_empty(&impl->turn_link))
        list_add_tail(&impl->loop->turns, &impl->turn_link);
    return TRANSFER_TAKEN;
}

static size_t keep(struct transfer_impl *impl, const char *data, size_t len)
{
    if (impl->kept.len + len > KEPT_MAX)
        impl_fail(impl, KIND_INTERNAL, "libcurl held more than %zu bytes of a paused transfer",
                  KEPT_MAX);
    else if (buf_put(&impl->kept, data, len) < 0)
        impl_fail(impl, KIND_RESOURCES, "out of memory");
    return impl->settled ? 0 : len;
}

size_t delivery_take(struct transfer_impl *impl, const char *data, size_t len)
{
    int r = kept_left(impl) > 0 ? TRANSFER_PAUSE : offer(impl, data, len);
    if (r < 0)
        return 0;
    if (r == TRANSFER_TAKEN)
        return splice_take(impl) ? 0 : len;
    if (impl->unpausing)
        return keep(impl, data, len);
    impl->held = true;
    if (impl->head.version < 30)
        multi_socket_mask(&impl->loop->multi, impl->socket, true);
    return CURL_WRITEFUNC_PAUSE;
}

/* True: all of it was taken. */
static bool give_kept(struct transfer_impl *impl)
{
    int r = TRANSFER_TAKEN;
    while (kept_left(impl) > 0 && r == TRANSFER_TAKEN) {
        size_t len = kept_left(impl) < CURL_MAX_WRITE_SIZE ? kept_left(impl) : CURL_MAX_WRITE_SIZE;
        r = offer(impl, impl->kept.data + impl->kept_off, len);
        if (r == TRANSFER_TAKEN)
            impl->kept_off += len;
    }
    if (kept_left(impl) == 0) {
        buf_deinit(&impl->kept);
        impl->kept_off = 0;
    }
    return r == TRANSFER_TAKEN;
}

/* Curl delivers what it holds, and reads on from the loop's next turn on. If the callback has said
 * no, no completion need follow (before 8.12), or another read of the socket may (from then on):
 * curl is left at once. */
static CURLcode unpause(struct transfer_impl *impl)
{
    impl->held = false;
    multi_socket_mask(&impl->loop->multi, impl->socket, false);
    impl->unpausing = true;
    CURLcode code = curl_easy_pause(impl->easy, CURLPAUSE_CONT);
    impl->unpausing = false;
    return code;
}

void delivery_go_on(struct transfer_impl *impl)
{
    CURLcode code = CURLE_OK;
    impl->overdue = false;
    impl->last_byte = clock_now();
    bool free_way = give_kept(impl);
    if (free_way && impl->held)
        code = unpause(impl);
    impl_tell_turns(&impl->loop->multi);
    if (impl->splice) {
        splice_begin(impl);
    } else if (code || impl->settled) {
        impl_leave_curl(impl);
        impl_end_soon(impl, code ? code : CURLE_WRITE_ERROR);
    } else if (impl->over && free_way) {
        impl_end_soon(impl, impl->over_code);
    } else {
        clocks_arm(impl);
    }
}
