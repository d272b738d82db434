/* A typed field of a struct that is set from text: one row of a settings table. What a key is
 * called, how its text is read, what is accepted, its default and its help stand in one place. */
#ifndef PENSTOCK_SPEC_FIELD_H
#define PENSTOCK_SPEC_FIELD_H

#include "base/buf.h"
#include "base/error.h"
#include "terms/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_STRING, /* char *; NULL for the empty text */
    /* struct strings; items separated by white space or commas, and by repeating the key */
    FIELD_LIST,
    FIELD_LINES,    /* struct strings; each repetition of the key is one item, as it stands */
    FIELD_U64,      /* uint64_t in [min, max] */
    FIELD_I64,      /* int64_t in ±max */
    FIELD_DURATION, /* uint64_t, ns in [min, max]; 0 for "none" if none_ok */
    FIELD_SIZE,     /* uint64_t, bytes in [min, max]; the same */
    FIELD_RATE,     /* double, above 0, up to max: so many a second */
    FIELD_CHOICE,   /* int, one of `choices` */
    FIELD_MODE,     /* mode_t, octal */
    FIELD_EVENTS,   /* unsigned, a mask of enum event; names as in a list, or "all" */
};

struct field_choice {
    const char *name; /* NULL ends the list */
    int value;
};

struct field {
    const char *name;
    enum field_type type;
    bool none_ok;         /* "none" is 0: no bound */
    size_t offset;        /* in its struct */
    const char *standard; /* the default's text; "" for none */
    const char *shown; /* what is told as the default, where it depends on the machine; else NULL */
    uint64_t min, max; /* max 0: no bound */
    const struct field_choice *choices;
    /* A further check of a string, of one item of a list or of a choice. 0, or -EINVAL and a
     * sentence. May be NULL. */
    int (*check)(const char *text, struct error *err);
    const char *help; /* lines of a comment, for the config file and the manual */
};

/* Sets the field of `object` from `count` texts: of a list all count, else the last one; none at
 * all empties a list and resets another to its default. 0; -ENOMEM; -EINVAL, a sentence without the
 * field's name, and *ret_bad = the text that is wrong. On failure the field keeps its value. */
int field_set(const struct field *field, void *object, const char *const *texts, size_t count,
              size_t *ret_bad, struct error *err);

/* Sets the default. 0 or -ENOMEM; a default that is refused is a mistake in the table: -EINVAL. */
int field_reset(const struct field *field, void *object, struct error *err);

/* Sets `to`'s field to a copy of `from`'s. 0 or -ENOMEM. */
int field_copy(const struct field *field, void *to, const void *from);

/* Appends the field's value as the config would have it, so that field_set reads the same back: a
 * list's items behind one another (of FIELD_LINES: the i-th alone, see field_lines), "none" for no
 * bound. A string that is not set appends nothing. */
void field_put(const struct field *field, const void *object, size_t i, struct buf *b);

/* How many lines the value takes in a config: the items of FIELD_LINES, else 1. */
size_t field_lines(const struct field *field, const void *object);

/* Frees the value; the field is empty then. */
void field_clear(const struct field *field, void *object);

/* Helpers for lists and pairs. 0 or -ENOMEM. */
int strings_add(struct strings *list, const char *text, size_t len);
void strings_deinit(struct strings *list);
int pairs_add(struct settings_pair **pairs, size_t *count, const char *name, const char *value);
void pairs_free(struct settings_pair *pairs, size_t count);

#endif
