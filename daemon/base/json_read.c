#include "base/json_read.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* So much text is given at a time. After an allocation has failed nothing more is given, so this
 * bounds what is still taken from the reserve: for each character a value of less than 256 bytes,
 * and for the text that came before, tables of 16 bytes a member and the buffer of a string, each
 * once more when it grows. */
#define PIECE         128
#define RESERVE       ((size_t)PIECE * 256)
#define RESERVE_TIMES 16

struct reading {
    const char *text;
    size_t len;
    bool failed;
    char *reserve;
    size_t reserved, used;
};

static _Thread_local struct reading *current; /* what this thread reads; NULL: nothing */
static _Thread_local unsigned lost;

static bool in_reserve(const void *block)
{
    uintptr_t at = (uintptr_t)block;
    return current && at >= (uintptr_t)current->reserve &&
           at < (uintptr_t)current->reserve + current->reserved;
}

static void *take(size_t size)
{
    void *block = malloc(size);
    if (block)
        return block;
    lost++;
    if (!current)
        return NULL;
    current->failed = true;
    size_t whole = (size + 15) & ~(size_t)15; /* aligned as malloc's */
    if (whole < size || whole > current->reserved - current->used)
        return NULL;
    block = current->reserve + current->used;
    current->used += whole;
    return block;
}

static void give(void *block)
{
    if (!in_reserve(block))
        free(block);
}

/* Before main, as jansson wants it: no value may be made before. In a program of somebody else's,
 * jansson's memory is that program's affair: the library does not ask for it. */
#ifndef PENSTOCK_LIBRARY
__attribute__((constructor))
#endif
__attribute__((unused)) static void
set_functions(void)
{
    json_set_alloc_funcs(take, give);
}

static size_t next_piece(void *buffer, size_t size, void *arg)
{
    struct reading *r = arg;
    size_t n = r->len < PIECE ? r->len : PIECE;
    if (r->failed)
        return 0;
    n = n < size ? n : size;
    memcpy(buffer, r->text, n);
    r->text += n;
    r->len -= n;
    return n;
}

static void say_no_memory(json_error_t *ret_why)
{
    static const char why[] = "out of memory";
    if (!ret_why)
        return;
    memset(ret_why, 0, sizeof *ret_why);
    memcpy(ret_why->text, why, sizeof why);
    ret_why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory; /* json_error_code's */
}

json_t *json_read(const char *text, size_t len, size_t flags, json_error_t *ret_why)
{
    struct reading r = {.text = text, .len = len};
    json_t *root = NULL;
    if (!__builtin_mul_overflow(len, RESERVE_TIMES, &r.reserved) &&
        !__builtin_add_overflow(r.reserved, RESERVE, &r.reserved))
        r.reserve = malloc(r.reserved);
    if (!r.reserve) {
        lost++;
        say_no_memory(ret_why);
        return NULL;
    }
    current = &r;
    root = json_load_callback(next_piece, &r, flags, ret_why);
    if (r.failed) {
        json_decref(root);
        root = NULL;
        say_no_memory(ret_why);
    }
    current = NULL;
    free(r.reserve);
    return root;
}

json_t *json_read_text(const char *text, size_t flags, json_error_t *ret_why)
{
    return json_read(text, strlen(text), flags, ret_why);
}

unsigned json_lost(void)
{
    return lost;
}

void json_note_lost(void)
{
    lost++;
}

/* What was made since `before`, if it is whole. */
static json_t *whole(json_t *value, unsigned before)
{
    if (json_lost() == before)
        return value;
    json_decref(value);
    return NULL;
}

json_t *json_copied(const json_t *value)
{
    unsigned before = json_lost();
    return whole(json_copy((json_t *)(uintptr_t)value), before);
}

json_t *json_deep_copied(const json_t *value)
{
    unsigned before = json_lost();
    return whole(json_deep_copy(value), before);
}
