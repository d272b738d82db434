/* UTF-8, UTF-16 and UTF-32 are ours: a fault in them has one place and one length, whatever the
 * library. Everything else is iconv's; a charset of single bytes is asked for its 256 characters
 * once, and then is a table. */
#include "flow/transcode_codec.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define ESCAPE 0x1b

#define SURROGATE(c, half) (((c)&0xfc00u) == (half))

/* --- UTF-8 ------------------------------------------------------------------------------------ */

/* May the ill-formed part, which reaches to the end, become well-formed by more bytes? Its length
 * is 1 to 3. */
static bool may_go_on(const unsigned char *p, const unsigned char *end)
{
    unsigned char copy[4] = {0};
    size_t n = (size_t)(end - p);
    if (n >= sizeof copy || *p < 0xc2 || *p > 0xf4)
        return false;
    memcpy(copy, p, n);
    return utf8_sequence(copy, copy + n) == -(int)n;
}

static enum text_result run_utf8(struct text_codec *codec, struct text_step *s)
{
    size_t room = (size_t)(s->out_end - s->out), len = (size_t)(s->in_end - s->in);
    size_t n = utf8_valid((const char *)s->in, len < room ? len : room);
    memcpy(s->out, s->in, n);
    s->in += n;
    s->out += n;
    if (s->in == s->in_end)
        return TEXT_MORE;
    if (s->out_end - s->out < 4)
        return TEXT_FULL;
    if (may_go_on(s->in, s->in_end))
        return TEXT_MORE;
    codec->wrong = (size_t)-utf8_sequence(s->in, s->in_end);
    return TEXT_WRONG;
}

/* --- UTF-16, UTF-32 --------------------------------------------------------------------------- */

/* Room for four bytes is there. */
static void put_character(struct text_step *s, uint32_t c)
{
    if (c < 0x80) {
        *s->out++ = (unsigned char)c;
        return;
    }
    if (c < 0x800) {
        *s->out++ = (unsigned char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *s->out++ = (unsigned char)(0xe0 | c >> 12);
        } else {
            *s->out++ = (unsigned char)(0xf0 | c >> 18);
            *s->out++ = (unsigned char)(0x80 | (c >> 12 & 0x3f));
        }
        *s->out++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
    }
    *s->out++ = (unsigned char)(0x80 | (c & 0x3f));
}

static uint32_t get16(const unsigned char *p, bool big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static enum text_result run_utf16(struct text_codec *codec, struct text_step *s)
{
    bool big = codec->charset->form == CHARSET_UTF16BE;
    codec->wrong = 2;
    for (; s->in_end - s->in >= 2; s->in += 2) {
        if (s->out_end - s->out < 4)
            return TEXT_FULL;
        uint32_t c = get16(s->in, big);
        if (SURROGATE(c, 0xdc00))
            return TEXT_WRONG;
        if (SURROGATE(c, 0xd800)) {
            if (s->in_end - s->in < 4)
                return TEXT_MORE;
            uint32_t low = get16(s->in + 2, big);
            if (!SURROGATE(low, 0xdc00))
                return TEXT_WRONG;
            c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
            s->in += 2;
        }
        put_character(s, c);
    }
    return TEXT_MORE;
}

static enum text_result run_utf32(struct text_codec *codec, struct text_step *s)
{
    bool big = codec->charset->form == CHARSET_UTF32BE;
    codec->wrong = 4;
    for (; s->in_end - s->in >= 4; s->in += 4) {
        if (s->out_end - s->out < 4)
            return TEXT_FULL;
        uint32_t first = get16(s->in, big), second = get16(s->in + 2, big);
        uint32_t c = big ? first << 16 | second : second << 16 | first;
        if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return TEXT_WRONG;
        put_character(s, c);
    }
    return TEXT_MORE;
}

/* --- single bytes ----------------------------------------------------------------------------- */

#ifdef __SSE2__
/* Copies sixteen bytes at once while they are ASCII. */
static void copy_ascii(struct text_step *s)
{
    while (s->in_end - s->in >= 16 && s->out_end - s->out >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)s->in);
        int high = _mm_movemask_epi8(v);
        _mm_storeu_si128((__m128i *)(void *)s->out, v);
        size_t n = high ? (size_t)__builtin_ctz((unsigned)high) : 16;
        s->in += n;
        s->out += n;
        if (high)
            return;
    }
}
#endif

static enum text_result run_table(struct text_codec *codec, struct text_step *s)
{
    while (s->in < s->in_end) {
#ifdef __SSE2__
        if (codec->ascii)
            copy_ascii(s);
        if (s->in == s->in_end)
            break;
#endif
        if (s->out_end - s->out < 4)
            return TEXT_FULL;
        const unsigned char *c = codec->table[*s->in];
        if (c[3] == 0) {
            codec->wrong = 1;
            return TEXT_WRONG;
        }
        memcpy(s->out, c, 4);
        s->out += c[3];
        s->in++;
    }
    return TEXT_MORE;
}

/* What a byte alone is, in at most three bytes: 1; 0: no character; -1: it needs others, or is more
 * than that. The second call has out what iconv holds back of windows-1255, -1258 and TCVN, to
 * combine it with an accent that may follow: letter and accent stay two characters, as they are in
 * the text, and as the WHATWG has it. */
static int ask_byte(iconv_t cd, unsigned char byte, unsigned char entry[4])
{
    char in = (char)byte, *from = &in, out[16], *to = out;
    size_t in_left = 1, out_left = sizeof out;
    iconv(cd, NULL, NULL, NULL, NULL);
    size_t r = iconv(cd, &from, &in_left, &to, &out_left);
    if (r != (size_t)-1)
        r = iconv(cd, NULL, NULL, &to, &out_left);
    size_t len = sizeof out - out_left;
    if (r == (size_t)-1)
        return errno == EILSEQ ? 0 : -1;
    if (len < 1 || len > 3)
        return -1;
    memcpy(entry, out, len);
    entry[3] = (unsigned char)len;
    return 1;
}

/* Makes the table. False: the charset has other characters than single bytes, or there is no memory
 * for it. */
static bool make_table(struct text_codec *codec)
{
    codec->table = calloc(256, sizeof *codec->table);
    codec->ascii = true;
    for (int i = 0; codec->table && i < 256; i++) {
        unsigned char *entry = codec->table[i];
        if (ask_byte(codec->cd, (unsigned char)i, entry) < 0) {
            free(codec->table);
            codec->table = NULL;
        } else if (i < 0x80 && (entry[3] != 1 || entry[0] != i)) {
            codec->ascii = false;
        }
    }
    return codec->table;
}

/* --- iconv ------------------------------------------------------------------------------------ */

/* A wrong one takes its second along, unless that is ASCII, which can stand alone. */
static enum text_result find_wrong(struct text_codec *codec, const struct text_step *s)
{
    bool first = codec->charset->pairs && s->in[0] >= 0x80;
    if (first && s->in_end - s->in == 1)
        return TEXT_MORE; /* so that where the body was cut changes nothing */
    codec->wrong = first && s->in[1] >= 0x80 ? 2 : 1;
    return TEXT_WRONG;
}

static enum text_result run_iconv(struct text_codec *codec, struct text_step *s)
{
    char *in = (char *)s->in, *out = (char *)s->out;
    size_t in_left = (size_t)(s->in_end - s->in), out_left = (size_t)(s->out_end - s->out);
    if (in_left == 0)
        return TEXT_MORE;
    if (out_left < TEXT_STEP_ROOM)
        return TEXT_FULL;
    size_t r = iconv(codec->cd, &in, &in_left, &out, &out_left);
    int error = r == (size_t)-1 ? errno : 0;
    s->in = (const unsigned char *)in;
    s->out = (unsigned char *)out;
    switch (error) {
    case 0:
    case EINVAL:
        return TEXT_MORE;
    case E2BIG:
        return TEXT_FULL;
    case EILSEQ:
        return find_wrong(codec, s);
    default:
        return TEXT_FAILED;
    }
}

/* A step that is not understood goes through iconv as text, and so would the rest, which is none
 * then. What is given to it grows until it is a whole step. */
static enum text_result take_escape(struct text_codec *codec, struct text_step *s)
{
    for (const unsigned char *end = s->in + 1; end <= s->in_end; end++) {
        struct text_step part = {.in = s->in, .in_end = end, .out = s->out, .out_end = s->out_end};
        enum text_result result = run_iconv(codec, &part);
        if (result != TEXT_MORE)
            return result;
        if (part.in == s->in)
            continue;
        if (part.out > s->out && *s->out == ESCAPE) {
            codec->wrong = 1;
            return TEXT_WRONG;
        }
        s->in = part.in;
        s->out = part.out;
        return TEXT_MORE;
    }
    return TEXT_MORE;
}

/* ISO 2022: between the steps from one set of characters to another everything is iconv's. */
static enum text_result run_escapes(struct text_codec *codec, struct text_step *s)
{
    while (s->in < s->in_end) {
        const unsigned char *before = s->in, *end = s->in_end;
        enum text_result result;
        if (*s->in == ESCAPE) {
            result = take_escape(codec, s);
        } else {
            const unsigned char *escape = memchr(s->in, ESCAPE, (size_t)(end - s->in));
            struct text_step part = *s;
            part.in_end = escape ? escape : end;
            result = run_iconv(codec, &part);
            s->in = part.in;
            s->out = part.out;
            if (result == TEXT_MORE && escape && s->in < escape)
                return find_wrong(codec, s); /* half a character */
        }
        if (result != TEXT_MORE || s->in == before)
            return result;
    }
    return TEXT_MORE;
}

int text_codec_flush(struct text_codec *codec, struct text_step *s)
{
    char *out = (char *)s->out;
    size_t out_left = (size_t)(s->out_end - s->out);
    if (codec->run != run_iconv || !codec->charset->holds)
        return 0;
    if (iconv(codec->cd, NULL, NULL, &out, &out_left) == (size_t)-1)
        return -EINVAL;
    s->out = (unsigned char *)out;
    return 0;
}

/* --- one of them ------------------------------------------------------------------------------ */

static int init_iconv(struct text_codec *codec)
{
    int r = charset_open(codec->charset, &codec->cd);
    if (r < 0) {
        codec->cd = NULL;
        return r == -EINVAL ? r : -ENOMEM;
    }
    if (strncmp(codec->charset->iconv, "ISO-2022-", 9) == 0)
        codec->run = run_escapes;
    else
        codec->run = make_table(codec) ? run_table : run_iconv;
    iconv(codec->cd, NULL, NULL, NULL, NULL);
    return 0;
}

int text_codec_init(struct text_codec *codec, const struct charset *charset)
{
    codec->charset = charset;
    switch (charset->form) {
    case CHARSET_UTF8:
        codec->run = run_utf8;
        return 0;
    case CHARSET_UTF16LE:
    case CHARSET_UTF16BE:
        codec->run = run_utf16;
        return 0;
    case CHARSET_UTF32LE:
    case CHARSET_UTF32BE:
        codec->run = run_utf32;
        return 0;
    default:
        return init_iconv(codec);
    }
}

void text_codec_deinit(struct text_codec *codec)
{
    if (codec->cd)
        charset_close(codec->charset, codec->cd);
    free(codec->table);
    *codec = (struct text_codec){0};
}
