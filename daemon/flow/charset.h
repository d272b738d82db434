/* Charsets: the names that people, headers and documents use for them, and which one a text is in.
 *
 * The rule, for every parser of text: a byte order mark wins; then the charset of Content-Type;
 * then what the document says of itself, which is XML's declaration, or zeros among its first four
 * bytes (UTF-16 and UTF-32 without a mark); then the option `charset`; then UTF-8. The option as
 * `NAME!` wins over all of them.
 *
 * Names are compared as letters and digits alone, without regard to case: utf8, UTF_8 and utf-8 are
 * one. They mean what the WHATWG's Encoding Standard says where that is a superset of what they
 * said once: latin1 and iso-8859-1 are windows-1252, iso-8859-9 is windows-1254, gb2312 and gbk are
 * gb18030, shift_jis is windows-31j, euc-kr is UHC, big5 has the Hong Kong characters. us-ascii is
 * read as UTF-8, which contains it. The list is closed: what a server may choose is what was meant
 * to be chosen from. */
#ifndef PENSTOCK_FLOW_CHARSET_H
#define PENSTOCK_FLOW_CHARSET_H

#include "base/error.h"

#include <iconv.h>
#include <stdbool.h>
#include <stddef.h>

#define CHARSET_LABEL 48   /* bytes of a name, its NUL included */
#define CHARSET_HEAD  1024 /* bytes of a text that always tell its charset */

enum charset_form {
    CHARSET_UTF8,
    /* by its mark, or by where zeros are; little-endian in doubt, as the WHATWG has it */
    CHARSET_UTF16,
    CHARSET_UTF16LE,
    CHARSET_UTF16BE,
    CHARSET_UTF32,
    CHARSET_UTF32LE,
    CHARSET_UTF32BE,
    CHARSET_ICONV, /* whatever iconv(3) makes of `iconv` */
};

struct charset {
    const char *name; /* the one that is shown */
    enum charset_form form;
    const char *iconv; /* the name that iconv_open(3) knows */
    bool holds; /* its converter keeps a character back, which the next one may combine with */
    bool pairs; /* bytes from 0x80 on come in twos, so one that is wrong takes its second along */
};

/* What is known of a text before its first byte. Holds no pointer: it is sent to other processes as
 * it is. Zeroed: nothing, and bytes that are wrong are a failure. */
struct charset_plan {
    char option[CHARSET_LABEL]; /* `charset`: a name, or a name and '!'; "" */
    char header[CHARSET_LABEL]; /* as Content-Type has it, known or not; "" */
    bool declares;              /* it may have an XML declaration */
    bool replace;               /* `charset_errors`: wrong bytes become U+FFFD, and are counted */
};

/* NULL: there is no charset of that name. Any thread. */
const struct charset *charset_find(const char *name);

/* Is `text` a value for the option `charset`? 0, or -EINVAL with a message in *err. Touches no
 * file. */
int charset_check(const char *text, struct error *err);

/* The parameter `charset` of a Content-Type field; "" if there is none. NULL is no field. */
void charset_of_type(const char *content_type, char ret_label[CHARSET_LABEL]);

struct charset_choice {
    const struct charset *charset; /* not one of CHARSET_UTF16 and CHARSET_UTF32 */
    size_t mark;                   /* bytes of a byte order mark, which are no text */
    /* its XML declaration says UTF-16 or UTF-32, in bytes that are neither: it was taken as
     * UTF-8 */
    bool contradicted;
};

/* Chooses by a text's first bytes, of which `whole` says that there are no more. 0; 1: more of them
 * are needed (never with CHARSET_HEAD of them); -EINVAL with a message in *err: nobody knows the
 * charset that was named. */
int charset_choose(const struct charset_plan *plan, const char *head, size_t len, bool whole,
                   struct charset_choice *ret, struct error *err);

/* A converter to UTF-8, in its first state. 0 and an iconv_t; or -EINVAL: this system's iconv lacks
 * it; -ENOMEM. Reads files, unless charset_load has. Any thread. */
int charset_open(const struct charset *charset, iconv_t *ret_cd);
void charset_close(const struct charset *charset, iconv_t cd);

/* In a process that will read no more files: opens the converters that a text with this plan may
 * need. For one thread, once; from then on charset_open gives these. */
void charset_load(const struct charset_plan *plan);

#endif
