/* The daemon's refusals in the words of the command line; and the order of exit statuses. */
#include "ctl/commands.h"
#include "ctl/out.h"
#include "ctl/refused.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define INVALID (-32602)
#define MISSING (-32001)

static void test_what_is_usage(void **state)
{
    static const struct {
        const char *line; /* behind the program's name, apart by blanks */
        int code;
        const char *field, *message;
        const char *text; /* NULL: it is no fault of usage */
    } rows[] = {
        {"submit u --max-body=x", INVALID, "max_body", "max_body: 'x' is no size",
         "--max-body: 'x' is no size"},
        /* The daemon's word for the place is not repeated. */
        {"submit u --header=a", INVALID, "headers[1]", "headers[1]: it has no colon",
         "--header: it has no colon"},
        {"submit u --option=a=b", INVALID, "options.a", "options.a: csv has no option a",
         "--option: csv has no option a"},
        {"list --label=k=v", INVALID, "label.k", "label.k: no", "--label: no"},
        {"submit u --label=k=v", INVALID, "labels.k", "labels.k: no", "--label: no"},
        {"schedule add n u --every=x", INVALID, "schedules[0].every", "schedules[0].every: no",
         "--every: no"},
        /* A message that does not begin with the field is told whole. */
        {"submit u --parser=x", INVALID, "parser", "there is no parser 'x': csv, count",
         "--parser: there is no parser 'x': csv, count"},
        {"submit u --credential=x", MISSING, "credential", "credential: there is none: x",
         "--credential: there is none: x"},
        {"submit u", INVALID, "url", "url: http or https", "url: http or https"},
        /* Of what was not typed. */
        {"submit u", INVALID, "max_body", "max_body: 'x' is no size", NULL},
        {"submit --from=-", INVALID, "url", "url: http or https", NULL},
        {"show 7", MISSING, "id", "there is no job 7", NULL},
        {"submit u", MISSING, "url", "no", NULL},
        {"submit u --max-body=x", INVALID, NULL, "no", NULL},
        /* Of the daemon's. */
        {"submit u --max-body=x", -32603, "max_body", "max_body: out of memory", NULL},
        /* A name that only begins like one is another. */
        {"submit u --max-body=x", INVALID, "max_body_size", "max_body_size: no", NULL},
        {"submit u --max-body=x", INVALID, "max", "max: no", NULL},
        {"submit u --timeout=x", INVALID, "schedules[0].max_body", "no", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char words[128] = "penstockctl ", *argv[16] = {NULL};
        int argc = 0;
        struct args args;
        struct error err, text = {""};
        strcat(words, rows[i].line);
        for (char *p = strtok(words, " "); p; p = strtok(NULL, " "))
            argv[argc++] = p;
        assert_int_equal(args_parse(&args, commands, argc, argv, &err), 0);
        bool usage = refusal_is_usage(&args, rows[i].code, rows[i].field, rows[i].message, &text);
        if (usage != (rows[i].text != NULL) || strcmp(text.text, usage ? rows[i].text : "") != 0)
            fail_msg("%s: %s: '%s'", rows[i].line, rows[i].message, text.text);
        args_deinit(&args);
    }
}

static void test_the_worse_status(void **state)
{
    static const int order[] = {EXIT_ALL_WELL, EXIT_JOB_FAILED, EXIT_USAGE, EXIT_REFUSED,
                                EXIT_INTERRUPTED};
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(ctl_worse(order[i], order[k]), order[i > k ? i : k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_usage),
        cmocka_unit_test(test_the_worse_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
