/* penstock-host's command line, for people who meet it in a list of processes. */
#include "support/testlib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE (60000 * test_patience()) /* ms; only a hang meets it */

static void test_command_lines(void **state)
{
    static const struct {
        const char *args[3];
        int status;
        const char *out, *err; /* how they begin; "": nothing is said there */
    } rows[] = {
        {{"--version"}, 0, "penstock-host " PENSTOCK_VERSION "\n", ""},
        {{"--help"}, 0, "usage: penstock-host --describe FILE.so", ""},
        {{NULL}, 2, "", "usage: "},
        {{"--describe"}, 2, "", "usage: "},
        {{"--describe", "a", "b"}, 2, "", "usage: "},
        {{"--run", "x"}, 2, "", "usage: "},
        {{"--settle", "x"}, 2, "", "usage: "},
        {{"--version", "x"}, 2, "", "usage: "},
        {{"load"}, 2, "", "usage: "},
        {{"--run"}, 1, "", ""}, /* by hand: nobody is there to be told */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const *args = rows[i].args;
        const char *const argv[] = {PENSTOCK_HOST, args[0], args[1], args[2], NULL};
        struct buf out = BUF_INIT, err = BUF_INIT;
        assert_int_equal(test_run(argv, "", PATIENCE, &out, &err), rows[i].status);
        const char *said = out.data ? out.data : "", *told = err.data ? err.data : "";
        assert_int_equal(strncmp(said, rows[i].out, strlen(rows[i].out)), 0);
        assert_int_equal(strncmp(told, rows[i].err, strlen(rows[i].err)), 0);
        assert_int_equal(*said != '\0', *rows[i].out != '\0');
        assert_int_equal(*told != '\0', *rows[i].err != '\0');
        buf_deinit(&out);
        buf_deinit(&err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_command_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
