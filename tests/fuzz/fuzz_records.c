/* What comes from a process: lines of text, lines of JSON, or a plug-in's emits, which may hold
 * anything. The first byte chooses which and the longest record, the second the size of the reads.
 * However it is cut, the same records come out, each within the limit, and memory stays bounded. */
#include "fuzz_parse.h"
#include "parse/process_records.h"

#include <errno.h>

struct source {
    struct fuzz_run run;
    int result;
};

/* In place of the task's own check, which is json_check.c's. */
static int take_emit(struct penstock_run *run, const char *json, size_t len)
{
    struct parse_task *task = container_of(run, struct parse_task, run);
    struct fuzz_run *f = container_of(task, struct fuzz_run, task);
    const char *value;
    size_t value_len;
    if (json_check(f->json, json, len, &value, &value_len, NULL, NULL) < 0)
        return -EINVAL;
    return fuzz_emit(task, value, value_len);
}

static void feed(struct source *s, enum process_output output, size_t max, const uint8_t *data,
                 size_t len, size_t step)
{
    struct records r;
    *s = (struct source){.run.json = json_new(JSON_DEPTH)};
    s->run.task.emit = fuzz_emit;
    s->run.task.run.emit = take_emit;
    s->run.task.record_bytes = max;
    s->run.task.body = body_new();
    fuzz_need(s->run.task.body != NULL);
    records_init(&r, &s->run.task, output);
    for (size_t at = 0; at < len && s->result == 0; at += step) {
        size_t n = len - at < step ? len - at : step;
        char *room = records_room(&r, n);
        fuzz_need(room != NULL);
        memcpy(room, data + at, n);
        s->result = records_take(&r, n);
        fuzz_need(s->result < 0 || r.data.len <= max + sizeof(uint32_t));
    }
    if (s->result == 0)
        s->result = records_end(&r);
    records_deinit(&r);
    body_unref(s->run.task.body);
    json_free(s->run.json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source one, two;
    if (size < 2)
        return 0;
    enum process_output output = data[0] % 3;
    size_t max = 1 + data[0] / 3 * (size_t)16;
    feed(&one, output, max, data + 2, size - 2, size);
    feed(&two, output, max, data + 2, size - 2, 1 + data[1]);
    fuzz_need((one.result < 0) == (two.result < 0));
    fuzz_need(one.run.task.kind == two.run.task.kind);
    fuzz_need(one.run.records.len == two.run.records.len);
    fuzz_need(one.run.records.len == 0 ||
              memcmp(one.run.records.data, two.run.records.data, one.run.records.len) == 0);
    buf_deinit(&one.run.records);
    buf_deinit(&two.run.records);
    return 0;
}
