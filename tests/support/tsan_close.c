/* In every program of the thread sanitizer's build, and in no other. libuv closes its descriptors
 * by syscall(), as close() is a point where a thread can be cancelled. The sanitizer knows close()
 * and not syscall(), so it takes the next descriptor of that number, of any thread's, for the same
 * one, and what was done with both for a race. Here such a call becomes one that it sees. */
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

long syscall(long number, ...)
{
    static long (*next)(long, ...);
    long arguments[6];
    va_list ap;
    va_start(ap, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(ap, long);
    va_end(ap);
    if (number == SYS_close)
        return close((int)arguments[0]);
    if (!__atomic_load_n(&next, __ATOMIC_RELAXED)) {
        long (*found)(long, ...);
        *(void **)&found = dlsym(RTLD_NEXT, "syscall");
        __atomic_store_n(&next, found, __ATOMIC_RELAXED);
    }
    return __atomic_load_n(&next, __ATOMIC_RELAXED)(
        number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}
