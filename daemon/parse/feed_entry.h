/* An entry of a feed as it is gathered, whatever format it comes from, and the record that it
 * becomes:
 *
 *     {"id":"…","title":"…","title_type":"text","link":"…","published":"2026-11-21T22:30:00Z",
 *      "updated":"…","author":"…","summary":"…","summary_type":"html","content":"…",
 *      "content_type":"html","content_src":"…","categories":["…"],
 *      "enclosures":[{"url":"…","type":"…","length":"…"}],"duration":"…","image":"…",
 *      "explicit":"…","season":"…","episode":"…","episode_type":"…","transcripts":[{"url":"…"}],
 *      "chapters":[{"url":"…"}],"feed":{"title":"…","link":"…"}}
 *
 * What the entry lacks is left out. One thread. */
#ifndef PENSTOCK_PARSE_FEED_ENTRY_H
#define PENSTOCK_PARSE_FEED_ENTRY_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum feed_field {
    FEED_ID,
    FEED_TITLE,
    FEED_LINK,
    FEED_PUBLISHED,
    FEED_UPDATED,
    FEED_AUTHOR,
    FEED_SUMMARY,
    FEED_CONTENT,
    FEED_CONTENT_SRC,
    FEED_DURATION,
    FEED_IMAGE,
    FEED_EXPLICIT,
    FEED_SEASON,
    FEED_EPISODE,
    FEED_EPISODE_TYPE,
    FEED_OTHER_TITLE, /* that is taken if there is no title: an extension's */
    FEED_OTHER_AUTHOR,
    FEED_OTHER_SUMMARY,
    FEED_CATEGORY, /* from here on: JSON with commas */
    FEED_ENCLOSURE,
    FEED_TRANSCRIPT,
    FEED_CHAPTERS,
    FEED_FIELDS
};

#define FEED_TYPE 64 /* bytes of a type, its NUL included */

struct feed_entry {
    struct buf fields[FEED_FIELDS];
    char types[FEED_FIELDS][FEED_TYPE]; /* "text", "html", "xhtml", or a media type; "" */
    bool weak[FEED_FIELDS];             /* the text gives way to one that is not */
    bool weakly;                        /* what is kept from now on is so */
    bool base64;                        /* the content is */
    bool link_is_id;                    /* the id is a link */
};

/* The feed itself, as far as it has come. */
struct feed_about {
    struct buf title, link;
};

/* A file that belongs to the entry. What is NULL or "" is left out. */
struct feed_file {
    const char *url, *type, *length, *duration;
};

void feed_entry_reset(struct feed_entry *e);
void feed_entry_deinit(struct feed_entry *e);

/* Without the white space around it. Of a field that comes twice the first counts, and one that is
 * not kept weakly before one that is; authors are joined. `type` may be NULL. */
void feed_entry_keep(struct feed_entry *e, enum feed_field field, const char *text, size_t len,
                     const char *type);
void feed_entry_keep_category(struct feed_entry *e, const char *text, size_t len);
void feed_entry_keep_file(struct feed_entry *e, enum feed_field field,
                          const struct feed_file *file);

/* Bytes of all fields; *ret_failed: memory ran out. */
size_t feed_entry_size(const struct feed_entry *e, bool *ret_failed);

/* The record. b->failed: out of memory. */
void feed_entry_put(struct feed_entry *e, const struct feed_about *about, struct buf *b);

#endif
