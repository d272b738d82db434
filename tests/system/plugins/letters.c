/* Text in any charset, as UTF-8: a record for each line, and at the end what the run knows of
 * it. */
#include <stdio.h>
#include <string.h>

#include <penstock/parser.h>

static int emit_line(struct penstock_run *run, char *line)
{
    char record[1100];
    line[strcspn(line, "\n")] = '\0';
    int len = snprintf(record, sizeof record, "\"%s\"", line);
    return run->emit(run, record, (size_t)len);
}

static int parse(FILE *body, struct penstock_run *run)
{
    char line[1024];
    if (run->size < sizeof *run)
        return run->fail(run, 0, PENSTOCK_NO_OFFSET, "this penstock is too old");
    while (fgets(line, sizeof line, body)) {
        char *tab = strchr(line, '\t');
        if (tab) { /* would be no JSON */
            *tab = ' ';
            run->repaired(run, 1);
        }
        if (emit_line(run, line) < 0)
            return PENSTOCK_FAILED;
    }
    if (ferror(body))
        return PENSTOCK_FAILED;
    snprintf(line, sizeof line, "%s", run->charset(run));
    return emit_line(run, line) < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

const struct penstock_parser penstock_plugin = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "letters",
    .summary = "a record for each line of text, whatever its charset",
    .parse = parse,
    .flags = PENSTOCK_PARSER_TEXT | PENSTOCK_PARSER_DECLARES | PENSTOCK_PARSER_AS_IS,
};
