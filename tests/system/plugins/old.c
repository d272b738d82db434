/* An old program's function, as it was: it reads a FILE * and prints. */
#include <stdio.h>
#include <string.h>

#include <penstock/parser.h>

static int report(FILE *in)
{
    char line[1024];
    unsigned long number = 0;
    while (fgets(line, sizeof line, in)) {
        number++;
        if (strncmp(line, "bad", 3) == 0) {
            fprintf(stderr, "line %lu is bad\n", number);
            return 2;
        }
        printf("%lu: %s", number, line);
    }
    /* As so many: it does not look at ferror. */
    printf("%lu lines\n", number);
    return 0;
}

PENSTOCK_STDIO_PARSER("old", report);
