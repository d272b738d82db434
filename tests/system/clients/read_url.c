/* Reads URLs through libpenstock, as a FILE or (-d) as a descriptor, and prints for each what a
 * reader saw and how it ended: "BYTES END|ERROR" and "done HOW" or "failed KIND". With -t N each is
 * read by N threads at once; with -e N a reader has enough after N bytes; -w waits for a line on
 * standard input after the first byte; -r N gives N as the reader's result; -o gives options. */
#include <penstock/client.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *options;
static int descriptor, waits, result;
static size_t enough = (size_t)-1;
static pthread_mutex_t print = PTHREAD_MUTEX_INITIALIZER;

struct seen {
    size_t bytes;
    int error; /* errno; 0: the end; -1: it had enough */
};

static void wait_for_line(void)
{
    char c = 0;
    printf("begun\n");
    fflush(stdout);
    while (read(0, &c, 1) == 1 && c != '\n')
        ;
}

static size_t piece(size_t size, const struct seen *seen)
{
    size_t left = enough - seen->bytes;
    return left < size ? left : size;
}

static void read_file(FILE *body, struct seen *seen)
{
    char data[5000];
    size_t n;
    if (waits && (n = fread(data, 1, 1, body)) == 1) {
        seen->bytes = 1;
        wait_for_line();
    }
    while (seen->bytes < enough && (n = fread(data, 1, piece(sizeof data, seen), body)) > 0)
        seen->bytes += n;
    seen->error = ferror(body) ? errno : feof(body) ? 0 : -1;
    if (seen->error > 0 && !strchr(penstock_error(body), ':') && !strchr(penstock_error(body), '/'))
        seen->error = 9998; /* it names no kind, nor the daemon */
    /* What was said once is said again. */
    if (seen->error > 0 && (clearerr(body), fread(data, 1, 1, body)) != 0)
        seen->error = 9999;
}

static void read_fd(int fd, struct seen *seen)
{
    char data[5000];
    ssize_t n;
    if (waits && read(fd, data, 1) == 1) {
        seen->bytes = 1;
        wait_for_line();
    }
    while (seen->bytes < enough && (n = read(fd, data, piece(sizeof data, seen))) > 0)
        seen->bytes += (size_t)n;
    seen->error = seen->bytes >= enough ? -1 : n < 0 ? errno : 0;
    /* The library can say more than the kernel does, and has nothing to say of what went well. */
    if ((seen->error > 0) != (penstock_error_fd(fd)[0] != '\0'))
        seen->error = 9999;
}

static void *run(void *arg)
{
    const char *url = arg;
    struct seen seen = {0, 0};
    struct penstock_verdict verdict;
    FILE *body = NULL;
    int fd = -1, r;
    if (descriptor)
        fd = penstock_open_fd(url, options);
    else
        body = penstock_open(url, options);
    if (!body && fd < 0) {
        int code = errno;
        pthread_mutex_lock(&print);
        printf("no: %s: %s\n", strerror(code), penstock_error(NULL));
        pthread_mutex_unlock(&print);
        return NULL;
    }
    if (body)
        read_file(body, &seen);
    else
        read_fd(fd, &seen);
    r = body ? penstock_close(body, result, &verdict) : penstock_close_fd(fd, result, &verdict);
    pthread_mutex_lock(&print);
    printf("%zu %s %s %s\n", seen.bytes,
           seen.error == 0    ? "END"
           : seen.error == -1 ? "ENOUGH"
                              : strerror(seen.error),
           r == 0   ? "done"
           : r == 1 ? "failed"
                    : strerror(-r),
           r == 0 ? verdict.verified_by : verdict.error_kind);
    pthread_mutex_unlock(&print);
    return NULL;
}

int main(int argc, char **argv)
{
    int opt, threads = 1;
    while ((opt = getopt(argc, argv, "dwt:e:r:o:")) != -1) {
        if (opt == 'd')
            descriptor = 1;
        else if (opt == 'w')
            waits = 1;
        else if (opt == 't')
            threads = atoi(optarg);
        else if (opt == 'e')
            enough = (size_t)atol(optarg);
        else if (opt == 'r')
            result = atoi(optarg);
        else if (opt == 'o')
            options = optarg;
        else
            return 2;
    }
    for (; optind < argc; optind++) {
        pthread_t ids[256];
        for (int i = 0; i < threads; i++)
            if (pthread_create(&ids[i], NULL, run, argv[optind]) != 0)
                return 2;
        for (int i = 0; i < threads; i++)
            pthread_join(ids[i], NULL);
        fflush(stdout);
    }
    return 0;
}
