/* Spools of records, for ends that bring them. */
#ifndef TESTS_UNIT_STORE_PG_SPOOLS_H
#define TESTS_UNIT_STORE_PG_SPOOLS_H

#include "pg_support.h"
#include "record/sink.h"
#include "record/spool.h"

/* `count` records in a file without a name below `dir`; `json` is a format that takes a number. */
static inline struct spool spool_of(const char *dir, uint64_t job, uint32_t attempt, int count,
                                    const char *json)
{
    struct spool spool;
    struct sink_source source = {
        .job = job, .attempt = attempt, .extra = ",\"schedule\":\"a\\\"b\""};
    struct error err;
    char text[512];
    if (spool_open(&spool, dir, UINT64_C(1) << 30, &err) < 0)
        fail_msg("%s", err.text);
    for (int i = 1; i <= count; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int len = snprintf(text, sizeof text, json, i);
#pragma GCC diagnostic pop
        assert_int_equal(spool_record(&spool, &source, (uint64_t)i, text, (size_t)len), 0);
    }
    assert_int_equal(spool_flush(&spool), 0);
    return spool;
}

static inline struct store_finish end_with(uint64_t id, uint32_t attempt, const struct spool *spool)
{
    return (struct store_finish){.id = id,
                                 .attempt = attempt,
                                 .running = true,
                                 .state = JOB_DONE,
                                 .verdict = "{\"event\":\"verdict\"}",
                                 .records = spool,
                                 .finished = clock_real_us()};
}

/* Where the spool's first `lines` lines end. */
static inline uint64_t lines_end(const struct spool *spool, int lines)
{
    uint64_t at = 0;
    for (char c; lines > 0; at++) {
        assert_int_equal(pread(spool->fd, &c, 1, (off_t)at), 1);
        lines -= c == '\n';
    }
    return at;
}

/* Those lines come before the end of their attempt: what the engine says of it. */
static inline int append(struct fixture *f, uint64_t id, uint32_t attempt,
                         const struct spool *spool, int lines)
{
    struct store_append call = {.id = id,
                                .attempt = attempt,
                                .records = {.fd = spool->fd, .size = lines_end(spool, lines)}};
    return CALL(f, append, &call);
}

#endif
