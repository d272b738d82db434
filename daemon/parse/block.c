#include "parse/block.h"

void block_init(struct block *block, FILE *file)
{
    *block = (struct block){.file = file};
}

bool block_next(struct block *block)
{
    block->offset += block->len;
    block->len = 0;
    FILE *file = block->file;
    if (getc_unlocked(file) == EOF)
        return false;
    /* The byte just taken lies before the read pointer; what lies behind it is taken too. */
    block->data = file->_IO_read_ptr - 1;
    block->len = (size_t)(file->_IO_read_end - block->data);
    file->_IO_read_ptr = file->_IO_read_end;
    return true;
}
