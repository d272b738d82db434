#include "parse/block.h"

#include <string.h>

void block_init(struct block *block, FILE *file)
{
    *block = (struct block){.file = file};
}

void block_skip_bom(struct block *block)
{
    static const char bom[] = "\xef\xbb\xbf";
    while (block->head_len < sizeof block->head) {
        int c = getc_unlocked(block->file);
        if (c == EOF)
            return;
        block->head[block->head_len++] = (char)c;
        if (block->head[block->head_len - 1] != bom[block->head_len - 1])
            return;
    }
    block->head_len = 0;
    block->offset = sizeof block->head;
}

bool block_next(struct block *block)
{
    block->offset += block->len;
    block->len = 0;
    if (block->head_len > 0) {
        block->data = block->head;
        block->len = block->head_len;
        block->head_len = 0;
        return true;
    }
    FILE *file = block->file;
    if (getc_unlocked(file) == EOF)
        return false;
    /* The byte just taken lies before the read pointer; what lies behind it is taken too. */
    block->data = file->_IO_read_ptr - 1;
    block->len = (size_t)(file->_IO_read_end - block->data);
    file->_IO_read_ptr = file->_IO_read_end;
    return true;
}
