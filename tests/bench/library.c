/* The reader's side of tests/bench/case_library.py: counts the lines of a URL through
 * penstock_open; or with a number, opens, reads and closes it so often, and prints how many
 * microseconds each took. */
#include <penstock/client.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

static long count_lines(const char *url)
{
    static char data[1 << 16];
    long lines = 0;
    size_t n;
    FILE *body = penstock_open(url, NULL);
    if (!body)
        return -1;
    while ((n = fread(data, 1, sizeof data, body)) > 0)
        for (char *p = data; (p = memchr(p, '\n', n - (size_t)(p - data))); p++)
            lines++;
    return penstock_close(body, 0, NULL) == 0 ? lines : -1;
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
    long lines = -1;
    for (int i = 0, n = argc > 2 ? atoi(argv[2]) : 1; i < n; i++) {
        double began = now();
        lines = count_lines(argv[1]);
        if (argc > 2)
            printf("%.1f\n", now() - began);
    }
    if (argc == 2)
        printf("%ld\n", lines);
    return lines < 0;
}
