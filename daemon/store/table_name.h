/* The name of a table of the user's own, as a config has it and as SQL writes it: NAME or
 * SCHEMA.NAME, in which a part without quotes is folded to lower case, and one in double quotes
 * stands as it is ("" is a quote in it). Any thread. */
#ifndef PENSTOCK_STORE_TABLE_NAME_H
#define PENSTOCK_STORE_TABLE_NAME_H

#include "base/error.h"

#define TABLE_NAME_PART 64 /* bytes of a part with its end: PostgreSQL cuts longer ones off */

struct table_name {
    char schema[TABLE_NAME_PART]; /* "": none was named */
    char name[TABLE_NAME_PART];
};

/* Takes a name apart. 0; or -EINVAL with what is wrong with it in *err. */
int table_name_parse(const char *text, struct table_name *ret_name, struct error *err);

#endif
