#include "flow/charset.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- names ------------------------------------------------------------------------------------ */

enum {
    UTF8,
    UTF16,
    UTF16LE,
    UTF16BE,
    UTF32,
    UTF32LE,
    UTF32BE,
    GB18030,
    BIG5,
    EUC_JP,
    ISO_2022_JP,
    SHIFT_JIS,
    EUC_KR,
    WINDOWS_1252,
    WINDOWS_1254,
    SINGLE_BYTES, /* the rest: by their own names alone */
};

/* clang-format off */
static const struct charset charsets[] = {
    [UTF8] = {"utf-8", CHARSET_UTF8, NULL, false, false},
    [UTF16] = {"utf-16", CHARSET_UTF16, NULL, false, false},
    [UTF16LE] = {"utf-16le", CHARSET_UTF16LE, NULL, false, false},
    [UTF16BE] = {"utf-16be", CHARSET_UTF16BE, NULL, false, false},
    [UTF32] = {"utf-32", CHARSET_UTF32, NULL, false, false},
    [UTF32LE] = {"utf-32le", CHARSET_UTF32LE, NULL, false, false},
    [UTF32BE] = {"utf-32be", CHARSET_UTF32BE, NULL, false, false},
    [GB18030] = {"gb18030", CHARSET_ICONV, "GB18030", false, true},
    [BIG5] = {"big5", CHARSET_ICONV, "BIG5-HKSCS", true, true},
    [EUC_JP] = {"euc-jp", CHARSET_ICONV, "EUC-JP-MS", false, true},
    [ISO_2022_JP] = {"iso-2022-jp", CHARSET_ICONV, "ISO-2022-JP-2", false, false}, /* and katakana */
    [SHIFT_JIS] = {"shift_jis", CHARSET_ICONV, "CP932", false, true},
    [EUC_KR] = {"euc-kr", CHARSET_ICONV, "UHC", false, true},
    [WINDOWS_1252] = {"windows-1252", CHARSET_ICONV, "CP1252", false, false},
    [WINDOWS_1254] = {"windows-1254", CHARSET_ICONV, "CP1254", false, false},
    [SINGLE_BYTES] = {"windows-1250", CHARSET_ICONV, "CP1250", false, false},
    {"windows-1251", CHARSET_ICONV, "CP1251", false, false},
    {"windows-1253", CHARSET_ICONV, "CP1253", false, false},
    {"windows-1255", CHARSET_ICONV, "CP1255", false, false},
    {"windows-1256", CHARSET_ICONV, "CP1256", false, false},
    {"windows-1257", CHARSET_ICONV, "CP1257", false, false},
    {"windows-1258", CHARSET_ICONV, "CP1258", false, false},
    {"windows-874", CHARSET_ICONV, "CP874", false, false},
    {"iso-8859-2", CHARSET_ICONV, "ISO-8859-2", false, false},
    {"iso-8859-3", CHARSET_ICONV, "ISO-8859-3", false, false},
    {"iso-8859-4", CHARSET_ICONV, "ISO-8859-4", false, false},
    {"iso-8859-5", CHARSET_ICONV, "ISO-8859-5", false, false},
    {"iso-8859-6", CHARSET_ICONV, "ISO-8859-6", false, false},
    {"iso-8859-7", CHARSET_ICONV, "ISO-8859-7", false, false},
    {"iso-8859-8", CHARSET_ICONV, "ISO-8859-8", false, false},
    {"iso-8859-10", CHARSET_ICONV, "ISO-8859-10", false, false},
    {"iso-8859-11", CHARSET_ICONV, "ISO-8859-11", false, false},
    {"iso-8859-13", CHARSET_ICONV, "ISO-8859-13", false, false},
    {"iso-8859-14", CHARSET_ICONV, "ISO-8859-14", false, false},
    {"iso-8859-15", CHARSET_ICONV, "ISO-8859-15", false, false},
    {"iso-8859-16", CHARSET_ICONV, "ISO-8859-16", false, false},
    {"koi8-r", CHARSET_ICONV, "KOI8-R", false, false},
    {"koi8-u", CHARSET_ICONV, "KOI8-U", false, false},
    {"koi8-t", CHARSET_ICONV, "KOI8-T", false, false},
    {"tis-620", CHARSET_ICONV, "TIS-620", false, false},
    {"macintosh", CHARSET_ICONV, "MACINTOSH", false, false},
    {"x-mac-cyrillic", CHARSET_ICONV, "MAC-CYRILLIC", false, false},
    {"ibm437", CHARSET_ICONV, "IBM437", false, false},
    {"ibm737", CHARSET_ICONV, "CP737", false, false},
    {"ibm775", CHARSET_ICONV, "CP775", false, false},
    {"ibm850", CHARSET_ICONV, "IBM850", false, false},
    {"ibm852", CHARSET_ICONV, "IBM852", false, false},
    {"ibm855", CHARSET_ICONV, "IBM855", false, false},
    {"ibm857", CHARSET_ICONV, "IBM857", false, false},
    {"ibm858", CHARSET_ICONV, "IBM858", false, false},
    {"ibm860", CHARSET_ICONV, "IBM860", false, false},
    {"ibm861", CHARSET_ICONV, "IBM861", false, false},
    {"ibm862", CHARSET_ICONV, "IBM862", false, false},
    {"ibm863", CHARSET_ICONV, "IBM863", false, false},
    {"ibm864", CHARSET_ICONV, "IBM864", false, false},
    {"ibm865", CHARSET_ICONV, "IBM865", false, false},
    {"ibm866", CHARSET_ICONV, "IBM866", false, false},
    {"ibm869", CHARSET_ICONV, "IBM869", false, false},
    {"ibm037", CHARSET_ICONV, "IBM037", false, false},
    {"ibm500", CHARSET_ICONV, "IBM500", false, false},
    {"ibm1047", CHARSET_ICONV, "IBM1047", false, false},
    {"armscii-8", CHARSET_ICONV, "ARMSCII-8", false, false},
    {"georgian-ps", CHARSET_ICONV, "GEORGIAN-PS", false, false},
    {"hp-roman8", CHARSET_ICONV, "HP-ROMAN8", false, false},
    {"pt154", CHARSET_ICONV, "PT154", false, false},
    {"rk1048", CHARSET_ICONV, "RK1048", false, false},
    {"viscii", CHARSET_ICONV, "VISCII", false, false},
    {"tcvn", CHARSET_ICONV, "TCVN", false, false},
    {"euc-tw", CHARSET_ICONV, "EUC-TW", false, true},
    {"johab", CHARSET_ICONV, "JOHAB", false, true},
    {"iso-2022-kr", CHARSET_ICONV, "ISO-2022-KR", false, false},
    {"iso-2022-jp-2", CHARSET_ICONV, "ISO-2022-JP-2", false, false},
    {"euc-jisx0213", CHARSET_ICONV, "EUC-JISX0213", true, true},
    {"shift_jisx0213", CHARSET_ICONV, "SHIFT_JISX0213", true, true},
    {"mac-centraleurope", CHARSET_ICONV, "MAC-CENTRALEUROPE", false, false},
    {"ibm273", CHARSET_ICONV, "IBM273", false, false},
    {"ibm424", CHARSET_ICONV, "IBM424", false, false},
    {"ibm1026", CHARSET_ICONV, "IBM1026", false, false},
    {"cp1125", CHARSET_ICONV, "CP1125", false, false},
    {"ibm1140", CHARSET_ICONV, "IBM1140", false, false},
};
#define CHARSET_COUNT (sizeof charsets / sizeof charsets[0])

/* Other names, as letters and digits; several of a kind in one string. */
static const struct alias {
    const char *names, *charset;
} aliases[] = {
    {"unicode11utf8 unicode20utf8 xunicode20utf8 utf8bom utf8sig utf8ucs2 utf8ucs4 u8 utf cp65001 65001", "utf-8"},
    {"ascii usascii ansix341968 ansix341986 iso646us iso646irv1991 isoir6 us ibm367 cp367 csascii 646", "utf-8"},
    {"unicode csunicode iso10646ucs2 ucs2 csucs2 u16", "utf-16"},
    {"unicodefeff ucs2le", "utf-16le"},
    {"unicodefffe ucs2be", "utf-16be"},
    {"ucs4 iso10646ucs4 csucs4 u32", "utf-32"},
    {"ucs4le", "utf-32le"},
    {"ucs4be", "utf-32be"},
    {"gb2312 gb231280 csgb2312 gbk cp936 ms936 windows936 936 xgbk chinese gb23121980 eucgb2312cn gb180302000 xmacsimpchinese csiso58gb231280 isoir58 euccn", "gb18030"},
    {"big5hkscs hkscs big5tw cnbig5 csbig5 xxbig5 cp950 950 ms950 windows950 xmactradchinese", "big5"},
    {"xeucjp ujis cseucpkdfmtjapanese eucjpms cp51932", "euc-jp"},
    {"csiso2022jp", "iso-2022-jp"},
    {"sjis xsjis csshiftjis mskanji windows31j cswindows31j ms932 cp932 932 windows932 xmacjapanese", "shift_jis"},
    {"cseuckr ksc56011987 ksc56011989 ksc5601 ksc56011992 isoir149 korean csksc56011987 windows949 cp949 949 uhc ms949 ksx1001 xmackorean", "euc-kr"},
    {"iso88591 latin1 l1 isolatin1 csisolatin1 iso885911987 isoir100 ibm819 cp819 cp1252 1252 xcp1252 ansi latin iso8859 8859", "windows-1252"},
    {"iso88599 latin5 l5 csisolatin5 iso885991989 isoir148 cp1254 1254 xcp1254", "windows-1254"},
    {"cp1250 1250 xcp1250", "windows-1250"},
    {"cp1251 1251 xcp1251", "windows-1251"},
    {"cp1253 1253 xcp1253", "windows-1253"},
    {"cp1255 1255 xcp1255", "windows-1255"},
    {"cp1256 1256 xcp1256", "windows-1256"},
    {"cp1257 1257 xcp1257", "windows-1257"},
    {"cp1258 1258 xcp1258", "windows-1258"},
    {"cp874 ibm874 dos874", "windows-874"},
    {"latin2 l2 csisolatin2 iso885921987 isoir101", "iso-8859-2"},
    {"latin3 l3 csisolatin3 iso885931988 isoir109", "iso-8859-3"},
    {"latin4 l4 csisolatin4 iso885941988 isoir110", "iso-8859-4"},
    {"cyrillic csisolatincyrillic iso885951988 isoir144", "iso-8859-5"},
    {"arabic csisolatinarabic iso885961987 isoir127 asmo708 ecma114 iso88596e iso88596i csiso88596e csiso88596i", "iso-8859-6"},
    {"greek greek8 csisolatingreek iso885971987 isoir126 elot928 ecma118 suneugreek", "iso-8859-7"},
    {"hebrew csisolatinhebrew iso885981988 isoir138 visual iso88598e iso88598i logical csiso88598e csiso88598i", "iso-8859-8"},
    {"latin6 l6 csisolatin6 isoir157 iso8859101992", "iso-8859-10"},
    {"latin7 l7 csiso885913", "iso-8859-13"},
    {"latin8 l8 isoceltic isoir199 iso8859141998 csiso885914", "iso-8859-14"},
    {"latin9 l9 csisolatin9 latin0 csiso885915", "iso-8859-15"},
    {"latin10 l10 isoir226 iso8859162001 csiso885916", "iso-8859-16"},
    {"koi koi8 cskoi8r", "koi8-r"},
    {"koi8ru", "koi8-u"},
    {"tis6202533 tis62025330 tis62025331 tis6200 tis62025290 tis62025291 cstis620 isoir166", "tis-620"}, {"thai iso8859112001", "iso-8859-11"},
    {"mac macroman xmacroman csmacintosh", "macintosh"},
    {"maccyrillic xmacukrainian", "x-mac-cyrillic"},
    {"cp437 437 cspc8codepage437", "ibm437"}, {"cp737 737", "ibm737"}, {"cp775 775 cspc775baltic", "ibm775"},
    {"cp850 850 cspc850multilingual", "ibm850"}, {"cp852 852 cspcp852", "ibm852"}, {"cp855 855 csibm855 cspcp855", "ibm855"},
    {"cp857 857 csibm857", "ibm857"}, {"cp858 858 csibm858 ccsid00858 cp00858", "ibm858"}, {"cp860 860 csibm860", "ibm860"},
    {"cp861 861 csibm861 cpis", "ibm861"}, {"cp862 862 cspc862latinhebrew", "ibm862"}, {"cp863 863 csibm863", "ibm863"},
    {"cp864 864 csibm864", "ibm864"}, {"cp865 865 csibm865", "ibm865"}, {"cp866 866 csibm866", "ibm866"},
    {"cp869 869 csibm869 cpgr", "ibm869"}, {"1125 ibm1125 cp866u ruscii", "cp1125"},
    {"cp037 037 csibm037 ibm039 cp039 ebcdiccpus ebcdiccpca ebcdiccpwt ebcdiccpnl", "ibm037"}, {"cp273 273 csibm273", "ibm273"},
    {"cp424 424 csibm424 ebcdiccphe", "ibm424"}, {"cp500 500 csibm500 ebcdiccpbe ebcdiccpch", "ibm500"},
    {"cp1026 1026 csibm1026", "ibm1026"}, {"cp1047 1047", "ibm1047"},
    {"cp1140 1140 ccsid01140 cp01140 ebcdicus37euro", "ibm1140"},
    {"iso2022jp1", "iso-2022-jp-2"}, {"eucjis2004 jisx0213", "euc-jisx0213"}, {"shiftjis2004 sjis2004 sjisx0213", "shift_jisx0213"},
    {"maclatin2 maccentraleurope maccenteuro", "mac-centraleurope"},
    {"roman8 r8 cp1051 ibm1051 cshproman8", "hp-roman8"}, {"ptcp154 cp154 csptcp154 cyrillicasian", "pt154"}, {"kz1048 strk10482002 cskz1048", "rk1048"}, {"tcvn5712", "tcvn"}, {"csviscii", "viscii"},
    {"cp1361 ms1361", "johab"}, {"csiso2022kr", "iso-2022-kr"},
};
/* clang-format on */

/* Its letters and digits, in lower case. False: too many. */
static bool make_key(const char *name, char key[CHARSET_LABEL])
{
    size_t n = 0;
    for (; *name; name++) {
        if (!isalnum((unsigned char)*name))
            continue;
        if (n + 1 == CHARSET_LABEL)
            return false;
        key[n++] = (char)tolower((unsigned char)*name);
    }
    key[n] = '\0';
    return true;
}

static bool has_word(const char *words, const char *key)
{
    size_t len = strlen(key);
    for (const char *p = words; *p;) {
        size_t word = strcspn(p, " ");
        if (word == len && memcmp(p, key, len) == 0)
            return true;
        p += word + (p[word] == ' ');
    }
    return false;
}

static const struct charset *find_key(const char *key)
{
    char own[CHARSET_LABEL];
    for (size_t i = 0; i < CHARSET_COUNT; i++)
        if (make_key(charsets[i].name, own) && strcmp(own, key) == 0)
            return &charsets[i];
    return NULL;
}

const struct charset *charset_find(const char *name)
{
    char key[CHARSET_LABEL];
    if (!make_key(name, key) || !key[0])
        return NULL;
    const struct charset *found = find_key(key);
    for (size_t i = 0; !found && i < sizeof aliases / sizeof aliases[0]; i++)
        if (has_word(aliases[i].names, key))
            found = charset_find(aliases[i].charset);
    return found;
}

/* --- where they are named --------------------------------------------------------------------- */

static bool is_forced(const char *option)
{
    size_t len = strlen(option);
    return len > 0 && option[len - 1] == '!';
}

int charset_check(const char *text, struct error *err)
{
    if (charset_find(text) && strcspn(text, "!") + 1 >= strlen(text) &&
        strlen(text) < CHARSET_LABEL)
        return 0;
    return error_set(err, -EINVAL,
                     "'%.64s' is no charset that is known here; write utf-8, windows-1252, "
                     "shift_jis …, with a ! behind it if it is to win over all that the body says",
                     text);
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* A token, or a string in quotes; apostrophes are no quotes by any rule, and are sent as such. */
static void copy_value(const char *p, char ret_label[CHARSET_LABEL])
{
    const char *ends = *p == '"' ? "\"" : *p == '\'' ? "'" : "; \t,";
    size_t len, n = 0;
    p += *p == '"' || *p == '\'';
    len = strcspn(p, ends);
    for (size_t i = 0; i < len && n + 1 < CHARSET_LABEL; i++)
        if (p[i] != '\\')
            ret_label[n++] = p[i];
    ret_label[n] = '\0';
}

/* Behind the value at p, which may be a quoted string with semicolons. */
static const char *skip_value(const char *p)
{
    if (*p == '"') {
        for (p++; *p && *p != '"'; p++)
            p += *p == '\\' && p[1];
    }
    return p + strcspn(p, ";");
}

void charset_of_type(const char *content_type, char ret_label[CHARSET_LABEL])
{
    const char *p = content_type ? content_type + strcspn(content_type, ";") : "";
    ret_label[0] = '\0';
    while (*p == ';') {
        p = skip_blanks(p + 1);
        size_t name = strcspn(p, "=; \t");
        const char *value = skip_blanks(p + name);
        if (*value != '=') {
            p = value + strcspn(value, ";");
            continue;
        }
        value = skip_blanks(value + 1);
        if (name == strlen("charset") && strncasecmp(p, "charset", name) == 0) {
            copy_value(value, ret_label);
            return;
        }
        p = skip_value(value);
    }
}

/* --- what a text shows ------------------------------------------------------------------------ */

static const struct mark {
    char bytes[4];
    size_t len;
    int charset;
} marks[] = {
    {{'\xef', '\xbb', '\xbf'}, 3, UTF8},
    {{'\xff', '\xfe', '\0', '\0'}, 4, UTF32LE}, /* before UTF-16's, which it begins with */
    {{'\0', '\0', '\xfe', '\xff'}, 4, UTF32BE},
    {{'\xff', '\xfe'}, 2, UTF16LE},
    {{'\xfe', '\xff'}, 2, UTF16BE},
    {{'\x84', '\x31', '\x95', '\x33'}, 4, GB18030},
};
#define MARK_COUNT (sizeof marks / sizeof marks[0])

/* The mark at the start; NULL: there is none; *ret_more: more bytes could make it one. */
static const struct mark *find_mark(const char *head, size_t len, bool whole, bool *ret_more)
{
    *ret_more = false;
    for (size_t i = 0; i < MARK_COUNT; i++) {
        const struct mark *mark = &marks[i];
        if (len >= mark->len && memcmp(head, mark->bytes, mark->len) == 0)
            return mark;
        if (len < mark->len && !whole && memcmp(head, mark->bytes, len) == 0) {
            *ret_more = true;
            return NULL;
        }
    }
    return NULL;
}

/* UTF-16 or UTF-32 without a mark, by the zeros in its first two characters; NULL: neither. 1: more
 * bytes are needed. */
static int find_zeros(const char *head, size_t len, bool whole, const struct charset **ret)
{
    static const struct {
        char zero[4];
        int charset;
    } patterns[] = {{{1, 1, 1, 0}, UTF32BE},
                    {{0, 1, 1, 1}, UTF32LE},
                    {{1, 0, 1, 0}, UTF16BE},
                    {{0, 1, 0, 1}, UTF16LE}};
    *ret = NULL;
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        size_t i = 0;
        while (i < 4 && i < len && (head[i] == '\0') == patterns[p].zero[i])
            i++;
        if (i == 4)
            *ret = &charsets[patterns[p].charset];
        else if (i == len && !whole)
            return 1;
        if (*ret)
            return 0;
    }
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The value of the declaration's `encoding`, of p up to end. */
static void find_encoding(const char *p, const char *end, char ret_label[CHARSET_LABEL])
{
    static const char word[] = "encoding";
    const char *at = memmem(p, (size_t)(end - p), word, strlen(word));
    size_t n = 0;
    if (!at)
        return;
    for (at += strlen(word); at < end && is_space(*at); at++)
        ;
    if (at == end || *at++ != '=')
        return;
    while (at < end && is_space(*at))
        at++;
    if (at == end)
        return;
    char quote = *at == '"' || *at == '\'' ? *at++ : '\0';
    const char *close = quote ? memchr(at, quote, (size_t)(end - at)) : end;
    for (; close && at < close && n + 1 < CHARSET_LABEL; at++) {
        if (!quote && (is_space(*at) || *at == '?'))
            break;
        ret_label[n++] = *at;
    }
    ret_label[n] = '\0';
}

/* What an XML declaration at the start names; "": nothing. White space before it, values without
 * quotes, capitals and a lone > at its end are no XML, but met in feeds. 1: more bytes are
 * needed. */
static int find_declaration(const char *head, size_t len, bool whole, char ret_label[CHARSET_LABEL])
{
    static const char open[] = "<?xml";
    const char *p = head, *end = head + len;
    ret_label[0] = '\0';
    if (len > CHARSET_HEAD)
        end = head + CHARSET_HEAD;
    whole = whole || len >= CHARSET_HEAD;
    while (p < end && is_space(*p))
        p++;
    size_t left = (size_t)(end - p), want = strlen(open);
    if (strncasecmp(p, open, left < want ? left : want) != 0)
        return 0;
    const char *close = left > want ? memchr(p + want, '>', left - want) : NULL;
    if (!close)
        return whole ? 0 : 1;
    if (is_space(p[want]))
        find_encoding(p + want, close, ret_label);
    return 0;
}

/* A text in EBCDIC begins with other bytes; those that a declaration is made of are the same in all
 * kinds of it (XML 1.0, appendix F). */
static bool is_ebcdic(const char *head, size_t len)
{
    static const char open[] = "\x4c\x6f\xa7\x94\x93"; /* <?xml */
    return len >= 5 && memcmp(head, open, 5) == 0;
}

static char of_ebcdic(unsigned char byte)
{
    static const char rows[16][17] = {
        [0x4] = "           .<(+ ",  [0x5] = "&         !$*); ", [0x6] = "-/         ,%_>?",
        [0x7] = "         `:#@'=\"", [0x8] = " abcdefghi      ", [0x9] = " jklmnopqr      ",
        [0xa] = " ~stuvwxyz      ",  [0xc] = "{ABCDEFGHI      ", [0xd] = "}JKLMNOPQR      ",
        [0xe] = "\\ STUVWXYZ      ", [0xf] = "0123456789      "};
    char c = rows[byte >> 4][byte & 15];
    return c ? c : ' ';
}

static int find_ebcdic_declaration(const char *head, size_t len, bool whole,
                                   char ret_label[CHARSET_LABEL])
{
    char text[CHARSET_HEAD];
    size_t n = len < sizeof text ? len : sizeof text;
    for (size_t i = 0; i < n; i++)
        text[i] = of_ebcdic((unsigned char)head[i]);
    return find_declaration(text, n, whole || len >= sizeof text, ret_label);
}

/* --- choosing --------------------------------------------------------------------------------- */

/* UTF-16 and UTF-32 of unknown order. Little-endian, unless the first character has its zeros in
 * front. */
static const struct charset *set_order(const struct charset *charset, const char *head, size_t len)
{
    bool big = len >= 2 && head[0] == '\0' && (charset->form == CHARSET_UTF32 || head[1] != '\0');
    if (charset->form == CHARSET_UTF16)
        return &charsets[big ? UTF16BE : UTF16LE];
    if (charset->form == CHARSET_UTF32)
        return &charsets[big ? UTF32BE : UTF32LE];
    return charset;
}

static bool is_wide(const struct charset *charset)
{
    return charset->form != CHARSET_UTF8 && charset->form != CHARSET_ICONV;
}

static int choose_named(const char *label, const char *who, const char *head, size_t len,
                        struct charset_choice *ret, struct error *err)
{
    const struct charset *charset = charset_find(label);
    if (!charset)
        return error_set(
            err, -EINVAL,
            "%s says that the text is in the charset '%.40s', which is not known here; "
            "the option charset = NAME! names another one",
            who, label);
    ret->charset = set_order(charset, head, len);
    return 0;
}

/* By its mark where the charset is forced: only its own. */
static int choose_forced(const char *option, const char *head, size_t len, bool whole,
                         struct charset_choice *ret, struct error *err)
{
    bool more;
    const struct mark *mark = find_mark(head, len, whole, &more);
    if (more)
        return 1;
    int r = choose_named(option, "the option charset", head, len, ret, err);
    const struct charset *named = r == 0 ? charset_find(option) : NULL;
    if (!mark || !named)
        return r;
    const struct charset *own = &charsets[mark->charset];
    bool same = own == named || (named->form == CHARSET_UTF16 && (mark->len == 2)) ||
                (named->form == CHARSET_UTF32 && is_wide(own) && mark->len == 4);
    /* UTF-32's mark begins as UTF-16's does, and zeros may follow that. */
    if (!same && named == &charsets[UTF16LE] && mark->charset == UTF32LE) {
        ret->mark = 2;
    } else if (same) {
        ret->charset = own;
        ret->mark = mark->len;
    }
    return r;
}

/* What the document says of itself. 0, with or without a charset; 1; -EINVAL. */
static int choose_own(const struct charset_plan *plan, const char *head, size_t len, bool whole,
                      struct charset_choice *ret, struct error *err)
{
    char label[CHARSET_LABEL] = "";
    int r = find_zeros(head, len, whole, &ret->charset);
    if (r != 0 || ret->charset || !plan->declares)
        return r;
    r = is_ebcdic(head, len) ? find_ebcdic_declaration(head, len, whole, label)
                             : find_declaration(head, len, whole, label);
    if (r == 0 && label[0])
        r = choose_named(label, "the document", head, len, ret, err);
    if (r == 0 && ret->charset && is_wide(ret->charset)) {
        ret->charset = &charsets[UTF8];
        ret->contradicted = true;
    }
    return r;
}

int charset_choose(const struct charset_plan *plan, const char *head, size_t len, bool whole,
                   struct charset_choice *ret, struct error *err)
{
    struct charset_choice choice = {0};
    bool more = false, forced = is_forced(plan->option);
    const struct mark *mark = forced ? NULL : find_mark(head, len, whole, &more);
    int r = more || (len == 0 && !whole);
    if (r == 0 && forced)
        r = choose_forced(plan->option, head, len, whole, &choice, err);
    if (mark) {
        choice.charset = &charsets[mark->charset];
        choice.mark = mark->len;
    }
    /* Which order it is in is seen in the first four bytes. */
    if (r == 0 && !choice.charset && plan->header[0])
        r = len < 4 && !whole && charset_find(plan->header) && is_wide(charset_find(plan->header))
                ? 1
                : choose_named(plan->header, "Content-Type", head, len, &choice, err);
    if (r == 0 && !choice.charset)
        r = choose_own(plan, head, len, whole, &choice, err);
    if (r == 0 && !choice.charset && plan->option[0])
        r = choose_named(plan->option, "the option charset", head, len, &choice, err);
    if (r == 0 && !choice.charset)
        choice.charset = &charsets[UTF8];
    if (r == 0)
        *ret = choice;
    return r;
}

/* --- converters ------------------------------------------------------------------------------- */

/* The converters of a process that may open no more files: one for each charset, or NULL. */
static iconv_t *loaded;

static int open_new(const struct charset *charset, iconv_t *ret_cd)
{
    iconv_t cd = iconv_open("UTF-8", charset->iconv);
    if (cd == (iconv_t)-1)
        return errno == ENOMEM || errno == EMFILE || errno == ENFILE ? -ENOMEM : -EINVAL;
    *ret_cd = cd;
    return 0;
}

int charset_open(const struct charset *charset, iconv_t *ret_cd)
{
    iconv_t cd = loaded ? loaded[charset - charsets] : NULL;
    if (!cd)
        return open_new(charset, ret_cd);
    loaded[charset - charsets] = NULL; /* until it is given back */
    iconv(cd, NULL, NULL, NULL, NULL);
    *ret_cd = cd;
    return 0;
}

void charset_close(const struct charset *charset, iconv_t cd)
{
    if (loaded && !loaded[charset - charsets])
        loaded[charset - charsets] = cd;
    else
        iconv_close(cd);
}

static void load_one(const struct charset *charset)
{
    iconv_t cd = NULL;
    if (charset && charset->form == CHARSET_ICONV && !loaded[charset - charsets] &&
        open_new(charset, &cd) == 0)
        loaded[charset - charsets] = cd;
}

void charset_load(const struct charset_plan *plan)
{
    if (!loaded)
        loaded = calloc(CHARSET_COUNT, sizeof(iconv_t));
    if (!loaded)
        return;
    load_one(&charsets[GB18030]); /* its mark may tell */
    load_one(charset_find(plan->header));
    load_one(charset_find(plan->option));
    for (size_t i = 0; plan->declares && i < CHARSET_COUNT; i++)
        load_one(&charsets[i]);
}
