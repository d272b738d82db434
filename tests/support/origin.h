/* The misbehaving origin: an HTTP/1.1 server on loopback whose faults are written into the URL.
 *
 * In a test:
 *     struct origin *o = origin_new(&(struct origin_config){0});
 *     origin_url(o, url, sizeof url, "/lines?n=1000&cut=5000&framing=chunked");
 *     …
 *     origin_free(o);
 * and as a program, for system tests: `test-origin --help`.
 *
 * One epoll thread serves everything; a stalled connection costs about 1 KiB. Nothing is random:
 * the same request sequence gets the same answers. An unknown path answers 404 and an unknown or
 * malformed parameter 400, with a sentence, so that a typing error does not pass for good
 * behaviour.
 *
 * PATHS (what the body is; a size may end in K, M or G)
 *   /bytes?n=N       N bytes of origin_pattern()
 *   /zeros?n=N       N zero bytes
 *   /lines?n=N       "line 1\n" … "line N\n"
 *   /csv?n=N         "id,name,note\n", then N rows: 1,name 1,"a ""quoted"", note 1"\n
 *   /ndjson?n=N      {"id":1,"name":"name 1"}\n … N lines
 *   /text?text=T     T, percent-decoded
 *   /file/PATH       a file below the root (config.root, --root)
 *   /data/NAME       what origin_put() gave for NAME
 *   /echo            the request's own body (POST), as it came
 *   /request         the request's head as it came, as text
 *   /silence         reads the request and never answers
 *   /_stats          the counters as JSON    /_release?name=NAME   see hold
 * The generated bodies take `endless=1` in place of n.
 *
 * PARAMETERS (they compose; "body bytes" are bytes of the body as it is framed or not, encoded or
 * not, without chunk headers) Framing: framing=length|chunked|close (length; chunked if endless),
 * chunk=SIZE (4096), length=+K|-K (Content-Length is wrong by K; the connection closes after the
 * true body), dup_length=same|other (two Content-Length), te_cl=1 (Content-Length and chunked),
 *   close=1 (Connection: close), trailer=1 (a trailer field after the last chunk),
 *   http10=1 (HTTP/1.0 status line, closes).
 *  Cuts: cut=K (closes after K body bytes), reset=K (RST after K), stall=K (K, then silence until
 * the client goes), bad_chunk=K (after K bytes a chunk size that is none), no_final_chunk=1,
 * no_final_crlf=1
 *   ("0\r\n" and a close), notify=0|1 (TLS: whether a close is announced by close_notify; 0 for the
 * cuts, 1 for the rest). Time: slow_head=MS (before the head), head_drip=MS (the head, a byte each
 * MS), drip=MS,SIZE (SIZE body bytes each MS), hold=NAME (nothing is sent until NAME is released),
 * hold_at=K (…but the head and K body bytes). Head: status=NNN (a 204 or 304 has no body),
 * info=NNN[,COUNT] (COUNT 1xx heads first), header=NAME:VALUE (repeatable), type=MIME,
 * header_flood=N (N more header lines), huge_header=SIZE (one of SIZE), endless_head=1, head_cut=K
 * (closes after K bytes of the head; 0: an empty reply), head_reset=K, no_status_line=1,
 * bad_status=1, http09=1 (no head at all), garbage=1 (binary rubbish, then close). Redirects:
 * redirect=URL (302 unless status= says), redirects=N (N hops, then the body), loop=1. Encoding:
 * gzip=1 (Content-Encoding), gzip=2 (in two members), gzip=crc (a wrong checksum). Validators:
 * etag=strong|weak|none|change (change: another one each time), modified=1|0|change,
 *   digest=sha256|wrong (Repr-Digest and Content-Digest, RFC 9530).
 *  Ranges (to a request with Range: bytes=…):
 * range=ok|ignore|shift|short|othertotal|otheretag|nocr|416 (ok: If-Range is honoured. ignore: 200.
 * shift: starts a byte later, and says so. short: ends half-way, and says so. othertotal,
 * otheretag: Content-Range's total or the ETag differs. nocr: 206 without Content-Range. 416).
 *  Again and again: id=ID (counts requests under ID rather than under the path), first=N (cuts,
 * holds and delays apply to the id's first N requests only), cut_first=K (cut=K for the first
 * request alone), flaky=N (the first N requests get flaky_status=NNN, 503), retry_after=SECONDS
 * (with any 4xx or 5xx). */
#ifndef TESTS_SUPPORT_ORIGIN_H
#define TESTS_SUPPORT_ORIGIN_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct origin;

enum origin_tls {
    ORIGIN_PLAIN,
    ORIGIN_TLS,             /* a good certificate for localhost, 127.0.0.1 and ::1 */
    ORIGIN_TLS_WRONG_NAME,  /* …for wrong.invalid */
    ORIGIN_TLS_EXPIRED,     /* …that ended yesterday */
    ORIGIN_TLS_SELF_SIGNED, /* …that no CA vouches for */
    ORIGIN_TLS_SILENT,      /* takes connections and never shakes hands */
};

struct origin_config {
    enum origin_tls tls;
    bool ipv6;        /* listens on ::1 in place of 127.0.0.1 */
    uint16_t port;    /* 0: any */
    const char *root; /* of /file/…; NULL for none */
    int send_buffer;  /* SO_SNDBUF of each connection, to bound what is under way; 0: the kernel's
                         way */
    const char
        *ca_file; /* where the CA's certificate is written; NULL: into a new temporary directory */
};

/* Starts it on its own thread. NULL with a sentence on stderr if that fails. */
struct origin *origin_new(const struct origin_config *config);
/* Closes every connection and joins the thread. Takes NULL. */
void origin_free(struct origin *origin);

uint16_t origin_port(const struct origin *origin);
/* PEM file of the CA that signed the certificate (TLS only, else NULL). */
const char *origin_ca_file(const struct origin *origin);
/* "http://127.0.0.1:PORT" and the formatted path; aborts if it does not fit. Returns ret. */
char *origin_url(const struct origin *origin, char *ret, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Serves a copy of data at /data/NAME from the next request on. 0 or -ENOMEM. Any thread. */
int origin_put(struct origin *origin, const char *name, const void *data, size_t len);

/* Lets hold=NAME go on, now and for ever. Any thread. 0 or -ENOMEM. */
int origin_release(struct origin *origin, const char *name);

/* Byte `offset` of /bytes: counts upwards, and no two pages or chunks are alike in what they add.
 */
static inline unsigned char origin_pattern(uint64_t offset)
{
    return (unsigned char)(offset + (offset >> 8) * 31 + (offset >> 16) * 57 +
                           (offset >> 24) * 101);
}

/* The body that `path` (with its query) gives when nothing goes wrong, without its encoding: what a
 * download must equal. Generated bodies of known size, and /text. 0 or a negative errno. */
int origin_expected(const char *path, struct buf *ret_body);

/* What happened under one key: an id=, else a path without its query. */
struct origin_counts {
    uint64_t requests;    /* heads read */
    uint64_t ranged;      /* …with a Range */
    uint64_t body_sent;   /* body bytes that the kernel took, of all its responses */
    uint64_t last_sent;   /* …of the latest response */
    uint64_t finished;    /* responses sent to their planned end, cuts included */
    uint64_t client_left; /* responses that the client did not wait for */
    uint64_t held;        /* waiting in a hold now */
    uint64_t stalled;     /* silent now: stall=, /silence */
    char last_range[64];  /* the latest Range and If-Range values; "" for none */
    char last_if_range[128];
};
/* False if no request came under that key so far (and then *ret is zeroed). Any thread. */
bool origin_counts(struct origin *origin, const char *key, struct origin_counts *ret);

struct origin_totals {
    uint64_t connections; /* accepted (TLS: whether or not the handshake went well) */
    uint64_t open;        /* now */
    uint64_t most_open;
    uint64_t requests;
    uint64_t body_sent;
    uint64_t handshake_failures;
};
void origin_totals(struct origin *origin, struct origin_totals *ret);

/* The reference above, from the tables that the origin itself goes by. */
void origin_help(FILE *out);

#endif
