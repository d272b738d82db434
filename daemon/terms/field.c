#include "terms/field.h"

#include "base/buf.h"
#include "base/suggest.h"
#include "base/clock.h"
#include "base/units.h"
#include "record/kind.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATORS " \t,"

static void *slot(const struct field *field, void *object)
{
    return (char *)object + field->offset;
}

/* --- lists ------------------------------------------------------------------------------------ */

int strings_add(struct strings *list, const char *text, size_t len)
{
    char *item = strndup(text, len);
    char **items = item ? reallocarray(list->items, list->count + 1, sizeof *items) : NULL;
    if (!items) {
        free(item);
        return -ENOMEM;
    }
    items[list->count++] = item;
    list->items = items;
    return 0;
}

void strings_deinit(struct strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct strings){0};
}

int pairs_add(struct settings_pair **pairs, size_t *count, const char *name, const char *value)
{
    struct settings_pair pair = {strdup(name), strdup(value)};
    struct settings_pair *more =
        pair.name && pair.value ? reallocarray(*pairs, *count + 1, sizeof pair) : NULL;
    if (!more) {
        free(pair.name);
        free(pair.value);
        return -ENOMEM;
    }
    more[(*count)++] = pair;
    *pairs = more;
    return 0;
}

void pairs_free(struct settings_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
    free(pairs);
}

static int add_checked(const struct field *field, struct strings *list, const char *text,
                       size_t len, struct error *err)
{
    int r = strings_add(list, text, len);
    if (r < 0)
        return error_set(err, r, "out of memory");
    return field->check ? field->check(list->items[list->count - 1], err) : 0;
}

static int add_words(const struct field *field, struct strings *list, const char *text,
                     struct error *err)
{
    for (;;) {
        text += strspn(text, SEPARATORS);
        size_t len = strcspn(text, SEPARATORS);
        if (len == 0)
            return 0;
        int r = add_checked(field, list, text, len, err);
        if (r < 0)
            return r;
        text += len;
    }
}

static int set_list(const struct field *field, struct strings *target, const char *const *texts,
                    size_t count, size_t *ret_bad, struct error *err)
{
    struct strings list = {0};
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        *ret_bad = i;
        r = field->type == FIELD_LINES ? add_checked(field, &list, texts[i], strlen(texts[i]), err)
                                       : add_words(field, &list, texts[i], err);
    }
    if (r < 0) {
        strings_deinit(&list);
        return r;
    }
    strings_deinit(target);
    *target = list;
    return 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static int check_event(const char *text, struct error *err)
{
    enum event event;
    char near[64];
    if (strcmp(text, "all") == 0 || strcmp(text, "audit") == 0 || event_parse(text, &event) == 0)
        return 0;
    return error_set(
        err, -EINVAL,
        "'%.40s' is no event%s (there are start, record, attempt, verdict, stop, revoke, all and "
        "audit)",
        text, event_meant(text, near, sizeof near));
}

static int set_events(unsigned *target, const char *const *texts, size_t count, size_t *ret_bad,
                      struct error *err)
{
    static const struct field words = {.type = FIELD_LIST, .check = check_event};
    struct strings list = {0};
    unsigned mask = 0;

    int r = set_list(&words, &list, texts, count, ret_bad, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < list.count; i++) {
        enum event event = strcmp(list.items[i], "audit") == 0 ? EVENT_AUDIT : EVENT_ALL;
        event_parse(list.items[i], &event);
        mask |= event;
    }
    strings_deinit(&list);
    *target = mask;
    return 0;
}

/* --- single values ---------------------------------------------------------------------------- */

static int set_string(const struct field *field, char **target, const char *text, struct error *err)
{
    char *copy = NULL;
    if (*text) {
        int r = field->check ? field->check(text, err) : 0;
        if (r < 0)
            return r;
        copy = strdup(text);
        if (!copy)
            return error_set(err, -ENOMEM, "out of memory");
    }
    free(*target);
    *target = copy;
    return 0;
}

static int set_i64(const struct field *field, int64_t *target, const char *text, struct error *err)
{
    uint64_t value;
    bool negative = *text == '-';
    if (parse_u64(text + negative, 0, field->max, &value, NULL) < 0)
        return error_set(err, -EINVAL,
                         "'%.40s' is not a whole number from -%" PRIu64 " to %" PRIu64, text,
                         field->max, field->max);
    *target = negative ? -(int64_t)value : (int64_t)value;
    return 0;
}

static int duration_bound(const struct field *field, uint64_t ns, struct error *err)
{
    if (ns < field->min)
        return error_set(err, -EINVAL, "it is too short; at least %gs%s",
                         (double)field->min / (double)NS_PER_SEC,
                         field->none_ok ? ", or none" : "");
    if (field->max && ns > field->max)
        return error_set(err, -EINVAL, "it is too long; at most %gs%s",
                         (double)field->max / (double)NS_PER_SEC,
                         field->none_ok ? ", or none" : "");
    return 0;
}

static int size_bound(const struct field *field, uint64_t bytes, struct error *err)
{
    const char *none = field->none_ok ? ", or none" : "";
    if (field->max && (bytes < field->min || bytes > field->max))
        return error_set(err, -EINVAL, "%" PRIu64 " bytes; from %" PRIu64 " to %" PRIu64 "%s",
                         bytes, field->min, field->max, none);
    if (bytes < field->min)
        return error_set(err, -EINVAL, "%" PRIu64 " bytes; at least %" PRIu64 "%s", bytes,
                         field->min, none);
    return 0;
}

static int set_quantity(const struct field *field, uint64_t *target, const char *text,
                        struct error *err)
{
    bool duration = field->type == FIELD_DURATION;
    uint64_t value = 0;
    int r = duration ? parse_duration(text, field->none_ok, &value, err)
                     : parse_size(text, field->none_ok, &value, err);
    if (r < 0)
        return r;
    if (field->none_ok && value == 0)
        r = 0; /* "none", or a plain 0 that says the same */
    else
        r = duration ? duration_bound(field, value, err) : size_bound(field, value, err);
    if (r == 0)
        *target = value;
    return r;
}

static int set_rate(const struct field *field, double *target, const char *text, struct error *err)
{
    char *end;
    double value = strtod(text, &end);
    if (!isdigit((unsigned char)*text) || text[strspn(text, "0123456789.")] || *end ||
        !(value > 0) || !(value <= (double)field->max))
        return error_set(
            err, -EINVAL,
            "'%.40s' is not a number a second, as 5 or 0.5, above 0 and up to %" PRIu64, text,
            field->max);
    *target = value;
    return 0;
}

static int unknown_choice(const struct field *field, const char *text, struct error *err)
{
    struct buf names = BUF_INIT;
    struct suggest near;
    char hint[96];
    suggest_init(&near, text);
    for (const struct field_choice *c = field->choices; c->name; c++) {
        buf_printf(&names, "%s%s", c == field->choices ? "" : c[1].name ? ", " : " or ", c->name);
        suggest_offer(&near, c->name);
    }
    int r = names.failed ? error_set(err, -ENOMEM, "out of memory")
                         : error_set(err, -EINVAL, "'%.40s' is not %s%s", text, names.data,
                                     suggest_text(&near, hint, sizeof hint));
    buf_deinit(&names);
    return r;
}

static int set_choice(const struct field *field, int *target, const char *text, struct error *err)
{
    for (const struct field_choice *c = field->choices; c->name; c++) {
        if (strcmp(c->name, text) == 0) {
            int r = field->check ? field->check(text, err) : 0;
            if (r == 0)
                *target = c->value;
            return r;
        }
    }
    return unknown_choice(field, text, err);
}

static int set_mode(mode_t *target, const char *text, struct error *err)
{
    size_t digits = strspn(text, "01234567");
    if (digits < 3 || digits > 4 || text[digits] || strtoul(text, NULL, 8) > 0777)
        return error_set(err, -EINVAL, "'%.40s' is not a mode; write it octal, as 0660", text);
    *target = (mode_t)strtoul(text, NULL, 8);
    return 0;
}

static int set_single(const struct field *field, void *target, const char *text, struct error *err)
{
    switch (field->type) {
    case FIELD_STRING:
        return set_string(field, target, text, err);
    case FIELD_U64:
        return parse_u64(text, field->min, field->max ? field->max : UINT64_MAX, target, err);
    case FIELD_I64:
        return set_i64(field, target, text, err);
    case FIELD_DURATION:
    case FIELD_SIZE:
        return set_quantity(field, target, text, err);
    case FIELD_RATE:
        return set_rate(field, target, text, err);
    case FIELD_CHOICE:
        return set_choice(field, target, text, err);
    case FIELD_MODE:
        return set_mode(target, text, err);
    case FIELD_LIST:
    case FIELD_LINES:
    case FIELD_EVENTS:
        break;
    }
    return error_set(err, -EINVAL, "not a single value");
}

/* --- any field -------------------------------------------------------------------------------- */

static bool is_list(const struct field *field)
{
    return field->type == FIELD_LIST || field->type == FIELD_LINES;
}

int field_set(const struct field *field, void *object, const char *const *texts, size_t count,
              size_t *ret_bad, struct error *err)
{
    *ret_bad = 0;
    if (is_list(field))
        return set_list(field, slot(field, object), texts, count, ret_bad, err);
    if (field->type == FIELD_EVENTS && count > 0)
        return set_events(slot(field, object), texts, count, ret_bad, err);
    if (count == 0)
        return field_reset(field, object, err);
    *ret_bad = count - 1;
    return set_single(field, slot(field, object), texts[count - 1], err);
}

int field_reset(const struct field *field, void *object, struct error *err)
{
    size_t bad;
    if (field->type == FIELD_EVENTS)
        return set_events(slot(field, object), &field->standard, 1, &bad, err);
    /* Without a default a number stays 0, which says "not set" wherever there is none. */
    if (!*field->standard && !is_list(field) && field->type != FIELD_STRING)
        return 0;
    if (!is_list(field))
        return set_single(field, slot(field, object), field->standard, err);
    return set_list(field, slot(field, object), &field->standard, *field->standard ? 1 : 0, &bad,
                    err);
}

static int copy_list(struct strings *to, const struct strings *from)
{
    struct strings list = {0};
    for (size_t i = 0; i < from->count; i++) {
        if (strings_add(&list, from->items[i], strlen(from->items[i])) < 0) {
            strings_deinit(&list);
            return -ENOMEM;
        }
    }
    strings_deinit(to);
    *to = list;
    return 0;
}

static int copy_string(char **to, const char *from)
{
    char *copy = from ? strdup(from) : NULL;
    if (from && !copy)
        return -ENOMEM;
    free(*to);
    *to = copy;
    return 0;
}

static size_t plain_size(enum field_type type)
{
    switch (type) {
    case FIELD_CHOICE:
        return sizeof(int);
    case FIELD_MODE:
        return sizeof(mode_t);
    case FIELD_EVENTS:
        return sizeof(unsigned);
    case FIELD_RATE:
        return sizeof(double);
    default:
        return sizeof(uint64_t);
    }
}

int field_copy(const struct field *field, void *to, const void *from)
{
    const void *source = (const char *)from + field->offset;
    if (is_list(field))
        return copy_list(slot(field, to), source);
    if (field->type == FIELD_STRING)
        return copy_string(slot(field, to), *(char *const *)source);
    memcpy(slot(field, to), source, plain_size(field->type));
    return 0;
}

void field_clear(const struct field *field, void *object)
{
    void *target = slot(field, object);
    if (is_list(field))
        strings_deinit(target);
    else if (field->type == FIELD_STRING)
        copy_string(target, NULL);
    else
        memset(target, 0, plain_size(field->type));
}

/* --- back to text ----------------------------------------------------------------------------- */

static void put_words(struct buf *b, const struct strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        buf_printf(b, "%s%s", i ? " " : "", list->items[i]);
}

static void put_events(struct buf *b, unsigned mask)
{
    bool all = (mask & EVENT_ALL) == EVENT_ALL, first = !all;
    if (all)
        buf_puts(b, "all");
    for (unsigned bit = 1; bit <= EVENT_AUDIT; bit <<= 1) {
        if (!(mask & bit) || (all && (bit & EVENT_ALL)))
            continue;
        buf_printf(b, "%s%s", first ? "" : " ", event_name((enum event)bit));
        first = false;
    }
}

static void put_choice(struct buf *b, const struct field *field, int value)
{
    for (const struct field_choice *c = field->choices; c->name; c++) {
        if (c->value == value) {
            buf_puts(b, c->name);
            return;
        }
    }
}

static void put_quantity(struct buf *b, const struct field *field, uint64_t value)
{
    char text[UNITS_TEXT];
    if (value == 0 && field->none_ok)
        buf_puts(b, "none");
    else if (value == 0 && !*field->standard)
        return; /* it is not set */
    else if (field->type == FIELD_DURATION)
        buf_puts(b, format_duration(value, text));
    else if (field->type == FIELD_SIZE)
        buf_puts(b, format_size(value, text));
    else
        buf_printf(b, "%" PRIu64, value);
}

static void put_rate(struct buf *b, double rate)
{
    if (rate > 0)
        buf_printf(b, "%.10g", rate);
}

void field_put(const struct field *field, const void *object, size_t i, struct buf *b)
{
    const void *source = (const char *)object + field->offset;
    const char *string;
    switch (field->type) {
    case FIELD_STRING:
        string = *(char *const *)source;
        buf_puts(b, string ? string : "");
        break;
    case FIELD_LIST:
        put_words(b, source);
        break;
    case FIELD_LINES:
        buf_puts(b, ((const struct strings *)source)->items[i]);
        break;
    case FIELD_U64:
    case FIELD_DURATION:
    case FIELD_SIZE:
        put_quantity(b, field, *(const uint64_t *)source);
        break;
    case FIELD_I64:
        buf_printf(b, "%" PRId64, *(const int64_t *)source);
        break;
    case FIELD_RATE:
        put_rate(b, *(const double *)source);
        break;
    case FIELD_CHOICE:
        put_choice(b, field, *(const int *)source);
        break;
    case FIELD_MODE:
        buf_printf(b, "%04o", *(const mode_t *)source);
        break;
    case FIELD_EVENTS:
        put_events(b, *(const unsigned *)source);
        break;
    }
}

size_t field_lines(const struct field *field, const void *object)
{
    const void *source = (const char *)object + field->offset;
    return field->type == FIELD_LINES ? ((const struct strings *)source)->count : 1;
}
