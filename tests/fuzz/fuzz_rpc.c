/* Text of a client through the conversation, with jobs that answer in an odd order: lines are split
 * at newlines, and after each some calls come back. What leaves must be whole JSON lines. */
#include "control/rpc.h"

#include "../unit/control/fake_api.h"

#include <stdint.h>

static void ignore_rpc(struct rpc *rpc)
{
    (void)rpc;
}

static void ignore_stream(struct stream *stream)
{
    (void)stream;
}

static void check_lines(const struct buf *out)
{
    for (size_t at = 0; at < out->len;) {
        const char *newline = memchr(out->data + at, '\n', out->len - at);
        if (!newline)
            abort();
        size_t len = (size_t)(newline - (out->data + at));
        json_t *line = json_loadb(out->data + at, len, JSON_REJECT_DUPLICATES, NULL);
        if (!line)
            abort();
        json_decref(line);
        at += len + 1;
    }
}

static void one_line(struct api *api, struct rpc *rpc, struct buf *out, const char *text,
                     size_t len)
{
    if (rpc_line(rpc, text, len) < 0)
        abort();
    if (api->follower) {
        fake_line(api, EVENT_RECORD, 1, "{\"event\":\"record\",\"job\":1}\n");
        fake_line(api, EVENT_VERDICT, len % 5 + 1, "{\"event\":\"verdict\"}\n");
    }
    /* every third line leaves its calls under way */
    for (size_t i = api->count; len % 3 != 0 && i > 0; i--)
        fake_default(api, (i * 7 + len) % api->count);
    if (rpc_take(rpc, out, SIZE_MAX) < 0)
        abort();
    if (!rpc->mid_line)
        stream_take(rpc->stream, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct api api;
    static const struct peer peer;
    struct rpc_host host = {.api = &api, .version = "1", .instance = "i"};
    struct stream stream;
    struct rpc rpc;
    struct buf out = BUF_INIT;

    memset(&api, 0, sizeof api);
    stream_init(&stream, &api, ignore_stream);
    rpc_init(&rpc, &host, &peer, &stream, ignore_rpc);
    const char *text = (const char *)data, *end = text + size;
    while (text < end && rpc_wants(&rpc)) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        one_line(&api, &rpc, &out, text, (size_t)(stop - text));
        text = stop + 1;
    }
    if (!rpc.mid_line)
        check_lines(&out);
    stream_shut(&stream);
    rpc_abandon(&rpc);
    while (api.count > 0)
        fake_default(&api, api.count - 1);
    if (!rpc_idle(&rpc) || rpc.bytes != 0 || rpc.calls != 0)
        abort();
    stream_deinit(&stream);
    buf_deinit(&out);
    fake_deinit(&api);
    return 0;
}
