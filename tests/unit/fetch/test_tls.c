/* The limits of TLS connections, of which a part is made once for the whole process, at the first
 * use. */
#include "support/exhaust.h"

#include "fetch/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { REFUSED_THEN_SET = 10, SET_AT_ONCE, NEVER_SET };

/* The first use, in a process of its own, whose n-th allocation fails; then one with memory. */
static int first_use(long n)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        CURL *easy = curl_easy_init();
        atomic_store(&exhaust_at, n);
        exhaust_spares = false;
        bool first = tls_limit(easy);
        exhaust_spares = true;
        bool all = atomic_exchange(&exhaust_at, 0) > 0;
        bool again = tls_limit(easy);
        curl_easy_cleanup(easy);
        _exit(!again || (all && !first) ? NEVER_SET : all ? SET_AT_ONCE : REFUSED_THEN_SET);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A process that had no memory then has them as soon as it has some. */
static void test_the_first_use_without_memory(void **state)
{
    long n = 0;
    int end;
    if (!exhaust_possible)
        skip();
    while ((end = first_use(++n)) == REFUSED_THEN_SET)
        ;
    assert_int_equal(end, SET_AT_ONCE);
    assert_true(n > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_first_use_without_memory)};
    exhaust_spares = true;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
