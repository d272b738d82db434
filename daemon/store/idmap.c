#include "store/idmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_IDS 1024

struct idmap_page {
    unsigned used;
    void *slots[PAGE_IDS];
};

void idmap_deinit(struct idmap *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->pages[i]);
    free(m->pages);
    *m = (struct idmap){0};
}

/* The page's place in the array; SIZE_MAX if it lies outside. */
static size_t page_index(const struct idmap *m, uint64_t id)
{
    uint64_t page = id / PAGE_IDS;
    return page >= m->base && page - m->base < m->count ? (size_t)(page - m->base) : SIZE_MAX;
}

static int grow(struct idmap *m, uint64_t page)
{
    if (m->count == 0)
        m->base = page;
    if (page < m->base)
        return -EINVAL;
    size_t need = (size_t)(page - m->base) + 1;
    if (need > m->size) {
        size_t size = m->size ? m->size : 16;
        while (size < need)
            size *= 2;
        struct idmap_page **pages = realloc(m->pages, size * sizeof *pages);
        if (!pages)
            return -ENOMEM;
        m->pages = pages;
        m->size = size;
    }
    while (m->count < need)
        m->pages[m->count++] = NULL;
    return 0;
}

int idmap_set(struct idmap *m, uint64_t id, void *ptr)
{
    size_t i = page_index(m, id);
    if (i == SIZE_MAX) {
        int r = grow(m, id / PAGE_IDS);
        if (r < 0)
            return r;
        i = page_index(m, id);
    }
    if (!m->pages[i]) {
        m->pages[i] = calloc(1, sizeof *m->pages[i]);
        if (!m->pages[i])
            return -ENOMEM;
    }
    struct idmap_page *page = m->pages[i];
    page->used += !page->slots[id % PAGE_IDS];
    page->slots[id % PAGE_IDS] = ptr;
    return 0;
}

void *idmap_get(const struct idmap *m, uint64_t id)
{
    size_t i = page_index(m, id);
    return i == SIZE_MAX || !m->pages[i] ? NULL : m->pages[i]->slots[id % PAGE_IDS];
}

/* Drops empty pages at the old end, in big steps: each move of the array pays for many ids. */
static void shrink(struct idmap *m)
{
    size_t empty = 0;
    while (empty < m->count && !m->pages[empty])
        empty++;
    if (empty < 16 || empty < m->count / 2)
        return;
    m->count -= empty;
    m->base += empty;
    memmove(m->pages, m->pages + empty, m->count * sizeof *m->pages);
}

void idmap_clear(struct idmap *m, uint64_t id)
{
    size_t i = page_index(m, id);
    if (i == SIZE_MAX || !m->pages[i] || !m->pages[i]->slots[id % PAGE_IDS])
        return;
    m->pages[i]->slots[id % PAGE_IDS] = NULL;
    if (--m->pages[i]->used > 0)
        return;
    free(m->pages[i]);
    m->pages[i] = NULL;
    shrink(m);
}

void *idmap_below(const struct idmap *m, uint64_t id, uint64_t *ret_id)
{
    uint64_t end = (m->base + m->count) * PAGE_IDS, start = m->base * PAGE_IDS;
    if (id > end)
        id = end;
    while (id > start) {
        const struct idmap_page *page = m->pages[page_index(m, id - 1)];
        if (!page) {
            id = (id - 1) / PAGE_IDS * PAGE_IDS;
            continue;
        }
        id--;
        if (page->slots[id % PAGE_IDS]) {
            *ret_id = id;
            return page->slots[id % PAGE_IDS];
        }
    }
    return NULL;
}

void *idmap_from(const struct idmap *m, uint64_t id, uint64_t *ret_id)
{
    uint64_t end = (m->base + m->count) * PAGE_IDS, start = m->base * PAGE_IDS;
    if (id < start)
        id = start;
    while (id < end) {
        const struct idmap_page *page = m->pages[page_index(m, id)];
        if (!page) {
            id = (id / PAGE_IDS + 1) * PAGE_IDS;
            continue;
        }
        if (page->slots[id % PAGE_IDS]) {
            *ret_id = id;
            return page->slots[id % PAGE_IDS];
        }
        id++;
    }
    return NULL;
}
