// clang-format off
/* The misbehaving origin: an HTTP/1.1 server on loopback whose faults are written into the URL.
 *
 * In a test:
 *     struct origin *o = origin_new(&(struct origin_config){0});
 *     origin_url(o, url, sizeof url, "/lines?n=1000&cut=5000&framing=chunked");
 *     …
 *     origin_free(o);
 * and as a program, for system tests: `test-origin --help`.
 *
 * One epoll thread serves everything; a stalled connection costs 2 KiB. Nothing is random: the same
 * requests in the same order get the same answers. An unknown path answers 404 and an unknown or
 * malformed parameter 400, with a sentence, so that a typing error does not pass for good behaviour.
 *
 * Paths: what the body is (a size may end in K, M or G; the generated ones take endless=1 for n)
 *     /bytes?n=N      N bytes of origin_pattern()
 *     /zeros?n=N      N zero bytes
 *     /lines?n=N      "line 1\n" … "line N\n"
 *     /csv?n=N        "id,name,note\n", then N rows: 1,name 1,"a ""quoted"", note 1"\n
 *     /ndjson?n=N     {"id":1,"name":"name 1"}\n … N lines
 *     /text?text=T    T, percent-decoded
 *     /file/PATH      a file below the root (config.root, --root)
 *     /data/NAME      what origin_put() gave for NAME
 *     /echo           the request's own body (POST), as it came
 *     /request        the request's head, as it came
 *     /silence        reads the request and never answers
 *     /_stats         the counters as JSON
 *     /_release?name=NAME    see hold
 *
 * Parameters compose. "Body bytes" are those between the frames: after Content-Encoding, without chunk
 * headers. What is marked * is a fault, which first=N limits to an id's first N requests.
 *   framing
 *     framing=length|chunked|close   how the end is told; length, or chunked if it is endless
 *     chunk=SIZE           of each chunk; 4096
 *   * length=+K|-K         Content-Length is wrong by K; closes after the body
 *   * dup_length=same|other   a second Content-Length
 *   * te_cl=1              Content-Length beside Transfer-Encoding: chunked
 *     close=1              Connection: close, and does
 *     trailer=1            a trailer field after the last chunk
 *     http10=1             answers as HTTP/1.0, and closes
 *   cuts
 *   * cut=K                closes after K body bytes
 *   * reset=K              RST after K body bytes, once the client's kernel has them
 *   * stall=K              K body bytes, then silence until the client goes
 *   * bad_chunk=K          after K body bytes a chunk size that is none; closes
 *   * no_final_chunk=1     closes in place of the last chunk
 *   * no_final_crlf=1      closes after "0\r\n"
 *     notify=0|1           TLS: is a close told by close_notify? 0 for the cuts, 1 for the rest
 *   time
 *   * slow_head=MS         waits before the head
 *   * head_drip=MS         the head, a byte each MS
 *   * drip=MS,SIZE         SIZE body bytes each MS
 *   * hold=NAME            sends nothing until NAME is released (origin_release, /_release)
 *   * hold_at=K            …but the head and K body bytes
 *   head
 *     status=NNN           a 1xx, 204 or 304 has no body
 *   * info=NNN[,COUNT]     COUNT 1xx heads first
 *     header=NAME:VALUE    one more header; repeatable
 *     type=MIME            Content-Type
 *   * header_flood=N       N more headers
 *   * huge_header=SIZE     one header with a value of SIZE bytes
 *   * endless_head=1       headers without an end
 *   * head_cut=K           closes after K bytes of the head; 0: an empty reply
 *   * head_reset=K         RST after K bytes of the head
 *   * no_status_line=1     the head begins with its headers
 *   * bad_status=1         "HTTP/1.1 abc"
 *   * folded=1             the first header is the rest of a folded one
 *   * http09=1             the body without a head, then closes
 *   * garbage=1            512 bytes of rubbish, then closes
 *   redirects
 *     redirect=URL         Location, with 302 unless status says otherwise
 *     redirects=N          N hops to the same path, then the body
 *     loop=1               redirects to itself for ever
 *   encoding, validators, ranges
 *     gzip=1|2|crc         Content-Encoding: gzip; in two members; with a wrong checksum
 *     etag=strong|weak|none|change|is:TEXT   change: another one each time; TEXT as it is; strong unless told
 *     modified=1|0|change|is:TEXT|ago:N   Last-Modified; N seconds before now; 1
 *     date=0|1|is:TEXT     Date; 0
 *     body=N               another body of the same size for each N, of /bytes
 *                          (If-None-Match and If-Modified-Since are honoured: 304)
 *     digest=sha256|wrong  Repr-Digest and Content-Digest (RFC 9530)
 *     range=HOW            the answer to a Range: ok (If-Range is honoured), always (it is not), ignore (200), shift (a byte
 *                          later, and says so), short (half of it, and says so), othertotal, otheretag,
 *                          nocr (206 without Content-Range), 416
 *     content_range=TEXT   of a 206, as it is
 *   again and again
 *     id=ID                counts the requests under ID, not under the path
 *     N.NAME=VALUE         NAME=VALUE from the id's N-th request on
 *     first=N              what is marked * is for the id's first N requests alone
 *     cut_first=K          cut=K for the id's first request
 *     flaky=N              the id's first N requests get flaky_status=NNN (503)
 *     retry_after=VALUE    Retry-After, with a status of 400 and more */
// clang-format on
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
    uint64_t most_open;   /* answers under way at once, at most */
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
