#include "attempt/checksum.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;   /* ours */
    const char *header; /* in RFC 9530 and RFC 3230; NULL: not there */
    size_t bytes;
} algorithms[CHECKSUM_ALGORITHMS] = {
    {"sha256", "sha-256", 32}, {"sha384", NULL, 48}, {"sha512", "sha-512", 64}};

#define BYTES_MAX 64

/* --- what is computed ------------------------------------------------------------------------- */

static int need(struct checksum *c, int algorithm)
{
    if (c->running[algorithm].digest)
        return 0;
    return digest_new(algorithms[algorithm].name, &c->running[algorithm].digest) < 0 ? -ENOMEM : 0;
}

static int want(struct checksum *c, const char *source, int algorithm, const char *hex)
{
    if (c->wanted_count == CHECKSUM_WANTED)
        return 0; /* cannot be: each source gives each algorithm once */
    strcpy(c->wanted[c->wanted_count].hex, hex);
    c->wanted[c->wanted_count].source = source;
    c->wanted[c->wanted_count++].algorithm = algorithm;
    return need(c, algorithm);
}

int checksum_init(struct checksum *c, const char *asked)
{
    *c = (struct checksum){.asked = -1};
    if (!asked)
        return 0;
    size_t len = strcspn(asked, ":");
    for (int i = 0; i < CHECKSUM_ALGORITHMS; i++)
        if (strlen(algorithms[i].name) == len && strncmp(asked, algorithms[i].name, len) == 0)
            c->asked = i;
    if (c->asked < 0)
        return 0; /* cannot be: the settings have checked it */
    c->demanded = asked[len] == ':';
    return c->demanded ? want(c, "digest", c->asked, asked + len + 1) : need(c, c->asked);
}

void checksum_deinit(struct checksum *c)
{
    for (int i = 0; i < CHECKSUM_ALGORITHMS; i++) {
        digest_free(c->running[i].digest);
        c->running[i].digest = NULL;
    }
}

bool checksum_runs(const struct checksum *c)
{
    for (int i = 0; i < CHECKSUM_ALGORITHMS; i++)
        if (c->running[i].digest)
            return true;
    return false;
}

int checksum_update(struct checksum *c, const void *data, size_t len)
{
    for (int i = 0; i < CHECKSUM_ALGORITHMS; i++)
        if (c->running[i].digest && digest_update(c->running[i].digest, data, len) < 0)
            return -EIO;
    return 0;
}

int checksum_final(struct checksum *c, bool *ret_checked, struct error *err)
{
    for (int i = 0; i < CHECKSUM_ALGORITHMS; i++)
        if (c->running[i].digest && digest_final(c->running[i].digest, c->running[i].hex) < 0)
            return error_set(err, -EIO, "the digest could not be computed");
    for (size_t i = 0; i < c->wanted_count; i++) {
        const char *name = algorithms[c->wanted[i].algorithm].name;
        const char *hex = c->running[c->wanted[i].algorithm].hex;
        if (strcasecmp(c->wanted[i].hex, hex) != 0)
            return error_set(err, -EBADMSG, "%s: %s:%s was %s, the body has %s",
                             c->wanted[i].source, name, c->wanted[i].hex,
                             c->demanded && i == 0 ? "demanded" : "announced", hex);
    }
    *ret_checked = c->wanted_count > 0;
    return 0;
}

const char *checksum_asked(const struct checksum *c, const char **ret_hex)
{
    if (c->asked < 0 || !c->running[c->asked].hex[0])
        return NULL;
    *ret_hex = c->running[c->asked].hex;
    return algorithms[c->asked].name;
}

/* --- what the response says ------------------------------------------------------------------- */

static int value_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(digits, c) : NULL;
    return p ? (int)(p - digits) : -1;
}

/* Base64, of exactly `bytes` bytes; padding may be left out (RFC 8941, 4.2.7). False: it is not. */
static bool to_hex(const char *text, size_t len, size_t bytes, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";
    unsigned bits = 0, held = 0;
    size_t n = 0;
    while (len > 0 && text[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        int value = value_of(text[i]);
        if (value < 0 || n == bytes)
            return false;
        bits = (bits << 6 | (unsigned)value) & 0xfff;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        unsigned byte = bits >> held & 0xff;
        ret_hex[2 * n] = digits[byte >> 4];
        ret_hex[2 * n++ + 1] = digits[byte & 15];
    }
    ret_hex[2 * n] = '\0';
    return n == bytes;
}

static int find_algorithm(const char *name, size_t len)
{
    for (int i = 0; i < CHECKSUM_ALGORITHMS; i++)
        if (algorithms[i].header && strlen(algorithms[i].header) == len &&
            strncasecmp(name, algorithms[i].header, len) == 0)
            return i;
    return -1;
}

/* One member, "sha-256=:BASE64:" with perhaps parameters behind; in the old header without the
 * colons. The last one of an algorithm counts (RFC 8941, 3.2). */
static void read_member(const char *member, size_t len, bool old,
                        char found[CHECKSUM_ALGORITHMS][DIGEST_HEX_SIZE])
{
    const char *equals = memchr(member, '=', len);
    int algorithm = equals ? find_algorithm(member, (size_t)(equals - member)) : -1;
    if (algorithm < 0)
        return;
    const char *value = equals + 1;
    size_t rest = len - (size_t)(value - member);
    char hex[DIGEST_HEX_SIZE];
    if (!old) {
        const char *end = rest > 0 && *value == ':' ? memchr(value + 1, ':', rest - 1) : NULL;
        if (!end)
            return;
        value++;
        rest = (size_t)(end - value);
    }
    if (to_hex(value, rest, algorithms[algorithm].bytes, hex))
        strcpy(found[algorithm], hex);
}

static void read_value(const char *value, bool old,
                       char found[CHECKSUM_ALGORITHMS][DIGEST_HEX_SIZE])
{
    while (*value) {
        value += strspn(value, ", \t");
        size_t len = strcspn(value, ","), used = len;
        while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
            len--;
        read_member(value, len, old, found);
        value += used;
    }
}

static int read_header(struct checksum *c, const struct transfer_response *response,
                       const char *name, bool old)
{
    char found[CHECKSUM_ALGORITHMS][DIGEST_HEX_SIZE] = {{0}};
    for (size_t i = 0; i < response->header_count; i++)
        if (strcasecmp(response->headers[i].name, name) == 0)
            read_value(response->headers[i].value, old, found);
    for (int i = 0; i < CHECKSUM_ALGORITHMS; i++) {
        if (!found[i][0])
            continue;
        int r = want(c, name, i, found[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int checksum_headers(struct checksum *c, const struct transfer_response *response)
{
    int r = read_header(c, response, "Content-Digest", false);
    if (response->status != 200 && response->status != 203)
        return r;
    if (r == 0)
        r = read_header(c, response, "Repr-Digest", false);
    return r < 0 ? r : read_header(c, response, "Digest", true);
}
