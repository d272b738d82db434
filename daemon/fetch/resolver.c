#include "fetch/resolver.h"

#include "fetch/shortage.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>

typedef int resolver_function(const char *, const char *, const struct addrinfo *,
                              struct addrinfo **);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static resolver_function *library_resolver;
static atomic_int transfers, under_way;

static void find_library_resolver(void)
{
    *(void **)&library_resolver = dlsym(RTLD_NEXT, "getaddrinfo"); /* as dlsym(3) has it */
}

void resolver_count_transfers(int change)
{
    atomic_fetch_add_explicit(&transfers, change, memory_order_relaxed);
}

bool resolver_is_full(void)
{
    return atomic_load_explicit(&under_way, memory_order_relaxed) >=
           RESOLVER_LEFT_MAX + atomic_load_explicit(&transfers, memory_order_relaxed);
}

/* Takes the place of the C library's in the whole process; weak, so that a test can answer in its
 * place. */
__attribute__((weak)) int getaddrinfo(const char *name, const char *service,
                                      const struct addrinfo *hints, struct addrinfo **ret)
{
    pthread_once(&once, find_library_resolver);
    if (!library_resolver)
        return EAI_SYSTEM;
    if (resolver_is_full())
        return EAI_AGAIN;
    atomic_fetch_add_explicit(&under_way, 1, memory_order_relaxed);
    int r = library_resolver(name, service, hints, ret);
    atomic_fetch_sub_explicit(&under_way, 1, memory_order_relaxed);
    if (r == EAI_MEMORY)
        shortage_note();
    return r;
}
