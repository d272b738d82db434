/* The words of Content-Encoding. Three kinds: codings that we decode; codings that we cannot
 * decode, and words that nobody knows, which may be one; and words that are certainly none, as they
 * name a charset, a media type, a transfer coding or nothing at all. Origins send the last kind by
 * mistake and mean that there is no coding; they are skipped, as curl does, and counted. */
#include "flow/decode_plan.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <strings.h>

#define SEPARATORS ", \t;"
#define WORD_MAX   64 /* of what is shown, and of a charset's name */

static const struct {
    const char *name;
    enum decode_coding coding;
} codings[] = {
    {"gzip", DECODE_GZIP},     {"x-gzip", DECODE_GZIP}, {"deflate", DECODE_DEFLATE},
    {"br", DECODE_BROTLI},     {"zstd", DECODE_ZSTD},   {"bzip2", DECODE_BZIP2},
    {"x-bzip2", DECODE_BZIP2}, {"xz", DECODE_XZ},       {"x-xz", DECODE_XZ},
};

/* "aws-chunked" stays behind in the metadata of what was uploaded so; "chunked" belongs to another
 * header. */
static const char *const none[] = {
    "identity", "none",    "null",        "nil",          "undefined",  "unknown",
    "default",  "auto",    "off",         "no",           "false",      "raw",
    "plain",    "text",    "clear",       "normal",       "html",       "json",
    "xml",      "csv",     "unencoded",   "uncompressed", "binary",     "8bit",
    "7bit",     "chunked", "aws-chunked", "amz-1.0",      "x-identity", "*",
};

/* The coding of that name, or -1. */
static int find_coding(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++)
        if (strlen(codings[i].name) == len && strncasecmp(codings[i].name, word, len) == 0)
            return (int)codings[i].coding;
    return -1;
}

static bool names_charset(const char *word, size_t len)
{
    char name[WORD_MAX + 1];
    if (len > WORD_MAX)
        return false;
    memcpy(name, word, len);
    name[len] = '\0';
    iconv_t cd = iconv_open("UTF-8", name);
    if (cd == (iconv_t)-1) /* NOLINT: that is how iconv says it */
        return false;
    iconv_close(cd);
    return true;
}

static bool is_none(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (strlen(none[i]) == len && strncasecmp(none[i], word, len) == 0)
            return true;
    return memchr(word, '/', len) || memchr(word, '=', len) || names_charset(word, len);
}

int decode_plan_add(struct decode_plan *plan, const char *content_encoding, struct error *err)
{
    const char *p = content_encoding;
    while (*(p += strspn(p, SEPARATORS))) {
        size_t len = strcspn(p, SEPARATORS);
        int coding = find_coding(p, len);
        if (coding < 0 && !is_none(p, len))
            return error_set(err, -EINVAL,
                             "Content-Encoding: %.*s is none that can be decoded (gzip, deflate, "
                             "br, zstd, bzip2, xz); `decode = none` takes the body as it came",
                             len > WORD_MAX ? WORD_MAX : (int)len, p);
        if (coding >= 0 && plan->coding_count == DECODE_STACK)
            return error_set(err, -EINVAL, "Content-Encoding: more than %d codings", DECODE_STACK);
        if (coding >= 0)
            plan->codings[plan->coding_count++] = (enum decode_coding)coding;
        else
            plan->skipped++;
        p += len;
    }
    return 0;
}
