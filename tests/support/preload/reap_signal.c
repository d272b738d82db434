/* A wait4(2) for system tests, put before the C library's by LD_PRELOAD: the process that is named
 * $TEST_REAP_IN (its comm, prctl(2)) gets the signal of the number $TEST_REAP_SIGNAL as soon as it
 * has reaped a child, which nobody else could send it as early. */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

typedef pid_t waiter(pid_t, int *, int, struct rusage *);

pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    waiter *real = (waiter *)dlsym(RTLD_NEXT, "wait4");
    const char *name = getenv("TEST_REAP_IN"), *number = getenv("TEST_REAP_SIGNAL");
    char comm[16] = "";
    pid_t reaped = real(pid, status, options, usage);
    prctl(PR_GET_NAME, comm);
    if (reaped > 0 && name && number && strcmp(comm, name) == 0)
        kill(getpid(), atoi(number));
    return reaped;
}
