/* An old function as a plug-in: it prints each line of the body in brackets; a line "fail" ends it,
 * and why stands on standard error. */
#include "penstock/parser.h"

#include <stdio.h>
#include <string.h>

static int print_lines(FILE *body)
{
    char line[256];
    while (fgets(line, sizeof line, body)) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "fail") == 0) {
            fprintf(stderr, "I have had enough\n");
            return 1;
        }
        printf("<%s>\n", line);
    }
    return 0;
}
PENSTOCK_STDIO_PARSER("printing", print_lines);
