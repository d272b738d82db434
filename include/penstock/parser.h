/* penstock/parser.h: the interface between penstock and a parser.
 *
 * A parser is a C function that reads a FILE *. penstock downloads a URL and hands the response
 * body to it as it arrives: when the parser is slow, the download waits; when the download is slow,
 * fread blocks. Nothing of the body touches the disk, and a body of any size takes a bounded amount
 * of memory.
 *
 * What a parser can rely on
 *  - End of file means that the whole body has arrived and was verified. A download that was cut,
 *    cancelled or timed out gives a read error (ferror, errno EIO), never end of file. A parser
 *    that takes the error for an end does no harm beyond the records it emits: the job fails all
 *    the same.
 *  - The FILE has no descriptor (fileno is -1) and cannot seek. A parser may fclose it. It does no
 *    locking (__fsetlocking, FSETLOCKING_BYCALLER): one thread at a time uses it.
 *  - parse runs on a thread (or in a process) of its own and may block. It must not use global
 *    state, as several runs go on at once; one that does can be run isolated.
 *  - Everything that it may call back is a function pointer in struct penstock_run, valid until
 *    parse returns, and to be called from the thread that parse was called on.
 *
 * Versioning: PENSTOCK_PARSER_ABI changes only when a compiled plug-in would break. Fields are
 * added at the ends; `size` tells what the other side knows. */
#ifndef PENSTOCK_PARSER_H
#define PENSTOCK_PARSER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PENSTOCK_PARSER_ABI 1

/* What parse returns. */
enum penstock_result {
    /* The parser is content. What it left unread is read and thrown away, since the job is done
     * only if the whole body arrived. */
    PENSTOCK_OK = 0,
    /* It has seen enough and wants no more: the download is stopped and the job is done, with
     * `verified_by: enough`. */
    PENSTOCK_ENOUGH = 1,
    /* It failed. `fail` says why; without it the verdict says that no reason was given. */
    PENSTOCK_FAILED = -1,
};

/* One run of a parser over one body. */
struct penstock_run {
    uint32_t abi;  /* PENSTOCK_PARSER_ABI of the caller */
    uint32_t size; /* sizeof(struct penstock_run) of the caller */

    /* Emits one record: exactly one JSON value (RFC 8259), UTF-8, len bytes, written to the log as
     * it stands but for newlines between tokens. Blocks while the log's sink is full: that is the
     * backpressure. Nesting is limited to 128 levels. Returns 0; -EINVAL if it is not one JSON
     * value (the run fails); -EMSGSIZE if it is over the record limit (the run fails); another
     * negative errno if the record could not be handed on (the run fails); -ECANCELED if the job
     * has ended, or a record was refused before: the parser should return. */
    int (*emit)(struct penstock_run *run, const char *json, size_t len);

    /* Says why the run fails and where in the body: line from 1 and byte offset from 0, or 0 and
     * PENSTOCK_NO_OFFSET where unknown. Only the first call counts; the text is copied. Returns
     * PENSTOCK_FAILED, so that one can write `return run->fail(run, …);`. */
    int (*fail)(struct penstock_run *run, uint64_t line, uint64_t offset, const char *message);

    /* The URL that the body came from, after redirects; secrets are redacted. Never NULL. */
    const char *(*url)(struct penstock_run *run);
    /* The HTTP status, 200 mostly; 0 where there was no HTTP (penstockd --parse). */
    int (*status)(struct penstock_run *run);
    /* The value of a response header, by name without regard to case; the last of several; NULL if
     * there is none. */
    const char *(*header)(struct penstock_run *run, const char *name);
    /* The value of one of the parser's options, or its default, or NULL if it has neither. */
    const char *(*option)(struct penstock_run *run, const char *name);
    /* The value of one of the job's labels, or NULL. */
    const char *(*label)(struct penstock_run *run, const char *key);
    /* Nonzero once the job has ended (cancelled, timed out, its download cut). For parsers that
     * compute for long between reads. */
    int (*cancelled)(struct penstock_run *run);
    /* The charset that the text came in, in lower case ("utf-8", "windows-1251"); NULL for a parser
     * without PENSTOCK_PARSER_TEXT, and before the first byte is read. */
    const char *(*charset)(struct penstock_run *run);
    /* Says that something in the body was not as it should be and was taken all the same, `count`
     * times. The verdict tells how often in all: `repaired`. */
    void (*repaired)(struct penstock_run *run, uint64_t count);
};

#define PENSTOCK_NO_OFFSET UINT64_MAX

/* An option of a parser. An option that a job gives and its parser does not list is refused. */
struct penstock_option {
    const char *name;     /* [a-z][a-z0-9_]* */
    const char *standard; /* the default, or NULL for none */
    const char *help;     /* one line */
};

struct penstock_parser {
    uint32_t abi;                          /* PENSTOCK_PARSER_ABI */
    uint32_t size;                         /* sizeof(struct penstock_parser) */
    const char *name;                      /* [a-z][a-z0-9_-]{0,31}; unique in a daemon */
    const char *summary;                   /* one line, for `penstockctl parsers` */
    const struct penstock_option *options; /* ends with a NULL name; NULL for no options */
    /* Checks the options' values before any byte is fetched (an isolated parser's: when its run
     * begins). NULL, or returns 0 if they will do, else writes one sentence to `message` (size
     * bytes) and returns nonzero. `get` gives an option's value. */
    int (*check)(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size);
    /* Called once in the process that will parse, before the sandbox closes: to load tables, open
     * files. Returns 0, or nonzero to fail. May be NULL. */
    int (*setup)(void);
    int (*parse)(FILE *body, struct penstock_run *run);
    uint32_t flags; /* PENSTOCK_PARSER_… */
};

/* The parser prints its records to standard output, a line each, in place of emitting them. Always
 * isolated. */
#define PENSTOCK_PARSER_STDIO 1u
/* The parser reads text: whatever charset the body is in (by its byte order mark, Content-Type, or
 * the job's `charset`), the FILE gives UTF-8 that is well-formed, without a byte order mark. */
#define PENSTOCK_PARSER_TEXT 2u
/* Its text may say its charset itself, in an XML declaration, which then counts for more than the
 * job's `charset`. The declaration stays in the text: what reads it is to be told that it is
 * UTF-8. */
#define PENSTOCK_PARSER_DECLARES 4u
/* The parser wants a file as it was published: one that is compressed is decoded only if the job,
 * its host or its parser's section says `decode`, or its default is not `auto`. */
#define PENSTOCK_PARSER_AS_IS 8u

/* A plug-in is a shared object that exports one parser under this name:
 *
 *     const struct penstock_parser penstock_plugin = {PENSTOCK_PARSER_ABI, sizeof(struct
 *     penstock_parser), …};
 *
 * Build it as cc -shared -fPIC `pkg-config --cflags penstock` and put it into the directory that
 * `pkg-config --variable=plugindir penstock` names, or that parse.plugin_dir does: both owned by
 * root or by the daemon's user, and writable by nobody else.
 *
 * A plug-in runs in a process of its own, unless the config says `isolation = thread`: it may
 * crash, call exit, or never return, and only its job fails. That process reads no files, opens no
 * sockets and starts no programs (`sandbox = off` allows it); what it needs of that kind is done by
 * `setup`, before. Each job has a process, so global state is harmless there. If the job is
 * cancelled or its download cut, the process is killed; with `on_abort = error` the FILE gives the
 * read error first, and there is some time to return. */
#define PENSTOCK_PLUGIN_SYMBOL "penstock_plugin"
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct penstock_parser penstock_plugin;

/* Declares an old `int function(FILE *)` as it is. Each line that it prints to standard output is a
 * record, a JSON string; what it prints to standard error stands in the verdict if it fails; 0 is
 * success. */
#define PENSTOCK_STDIO_PARSER(parser_name, function)                                   \
    static int penstock_stdio_parse_(FILE *body, struct penstock_run *run)             \
    {                                                                                  \
        (void)run;                                                                     \
        return (function)(body) == 0 ? PENSTOCK_OK : PENSTOCK_FAILED;                  \
    }                                                                                  \
    const struct penstock_parser penstock_plugin = {PENSTOCK_PARSER_ABI,               \
                                                    sizeof(struct penstock_parser),    \
                                                    parser_name,                       \
                                                    "prints its records, a line each", \
                                                    NULL,                              \
                                                    NULL,                              \
                                                    NULL,                              \
                                                    penstock_stdio_parse_,             \
                                                    PENSTOCK_PARSER_STDIO}

#ifdef __cplusplus
}
#endif

#endif
