/* Whatever a parser can do wrong, by its option `do`. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <penstock/parser.h>

static char table[64]; /* what setup has read */

static int setup(void)
{
    FILE *f = fopen("/etc/passwd", "r");
    if (!f || !fgets(table, sizeof table, f))
        return -1;
    fclose(f);
    return 0;
}

static int emit_text(struct penstock_run *run, const char *name, const char *text)
{
    char record[256];
    int len = snprintf(record, sizeof record, "{\"%s\":\"%s\"}", name, text);
    return run->emit(run, record, (size_t)len);
}

static void tried(struct penstock_run *run, const char *name, long result)
{
    emit_text(run, name, result >= 0 ? "allowed" : strerrorname_np(errno));
}

static void *in_thread(void *arg)
{
    return arg;
}

/* What the sandbox forbids, and what it must not. */
static void try_all(struct penstock_run *run)
{
    struct stat st;
    pthread_t thread;
    char *const argv[] = {"true", NULL};
    emit_text(run, "setup", strchr(table, ':') ? "allowed" : "?");
    tried(run, "open", open("/etc/passwd", O_RDONLY));
    tried(run, "create", open("/tmp/penstock-wicked", O_WRONLY | O_CREAT, 0600));
    tried(run, "stat", stat("/etc/passwd", &st));
    tried(run, "stat_at", syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, AT_EMPTY_PATH));
    tried(run, "fstat", fstat(STDERR_FILENO, &st) == 0 && S_ISFIFO(st.st_mode) ? 0 : -1);
    tried(run, "unlink", unlink("/tmp/penstock-wicked-none"));
    tried(run, "socket", socket(AF_INET, SOCK_STREAM, 0));
    tried(run, "unix", socket(AF_UNIX, SOCK_STREAM, 0));
    tried(run, "ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    tried(run, "kill", kill(getppid(), 0));
    tried(run, "exec", execve("/bin/true", argv, NULL));
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    tried(run, "fork", pid);
    errno = pthread_create(&thread, NULL, in_thread, NULL);
    tried(run, "thread", errno ? -1 : 0);
    if (errno == 0)
        pthread_join(thread, NULL);
    void *memory = malloc(64 << 20);
    tried(run, "memory", memory ? 0 : -1);
    free(memory);
}

static int hog(struct penstock_run *run)
{
    for (;;) {
        char *piece = malloc(1 << 20);
        if (!piece)
            return run->fail(run, 0, PENSTOCK_NO_OFFSET, "no memory");
        memset(piece, 1, 1 << 20);
    }
}

/* Reads to the end, and says how it was. */
static int count(FILE *body, struct penstock_run *run)
{
    char text[64];
    unsigned long n = 0;
    while (getc(body) != EOF)
        n++;
    snprintf(text, sizeof text, "%s after %lu", ferror(body) ? "error" : "end", n);
    fprintf(stderr, "%s\n", text);
    return emit_text(run, "count", text) < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

/* For when nobody takes records any more. */
static int witness(FILE *body, struct penstock_run *run)
{
    while (getc(body) != EOF)
        ;
    FILE *f = fopen(run->option(run, "file"), "w");
    if (f) {
        fprintf(f, "%s, %s, emit gives %s\n", ferror(body) ? strerrorname_np(errno) : "end",
                run->cancelled(run) ? "cancelled" : "going on",
                run->emit(run, "1", 1) == -ECANCELED ? "ECANCELED" : "?");
        fclose(f);
    }
    return PENSTOCK_OK;
}

/* `run` lies in memory that is shared with the host: all of its page becomes ones. */
static _Noreturn void forge(struct penstock_run *run)
{
    memset((void *)((uintptr_t)run & ~(uintptr_t)4095), 0xff, 4096);
    _exit(0);
}

static int misuse(const char *what, FILE *body, struct penstock_run *run)
{
    if (strcmp(what, "json") == 0)
        return run->emit(run, "{]", 2) == -EINVAL ? PENSTOCK_OK : PENSTOCK_FAILED;
    if (strcmp(what, "long") == 0) {
        char *text = malloc(4 << 20);
        memset(text, '1', 4 << 20);
        return run->emit(run, text, 4 << 20) == -EMSGSIZE ? PENSTOCK_OK : PENSTOCK_FAILED;
    }
    if (strcmp(what, "result") == 0)
        return 77;
    if (strcmp(what, "raw") == 0) /* past the function table */
        return write(3, "\xff\xff\xff\x7fgarbage", 11) > 0 ? count(body, run) : PENSTOCK_FAILED;
    if (strcmp(what, "rawjson") == 0)
        return write(3, "\2\0\0\0{]", 6) > 0 ? count(body, run) : PENSTOCK_FAILED;
    if (strcmp(what, "fail") == 0) {
        fputs("more of it\n", stderr);
        return run->fail(run, 7, 99, "it does not please me");
    }
    return PENSTOCK_FAILED;
}

static int facts(struct penstock_run *run)
{
    char record[512];
    const char *type = run->header(run, "content-type"), *label = run->label(run, "who");
    int len =
        snprintf(record, sizeof record,
                 "{\"url\":\"%s\",\"status\":%d,\"type\":\"%s\",\"label\":\"%s\",\"do\":\"%s\"}",
                 run->url(run), run->status(run), type ? type : "-", label ? label : "-",
                 run->option(run, "do"));
    return run->emit(run, record, (size_t)len) < 0 ? PENSTOCK_FAILED : PENSTOCK_ENOUGH;
}

static int parse(FILE *body, struct penstock_run *run)
{
    const char *what = run->option(run, "do");
    if (strcmp(what, "count") == 0)
        return count(body, run);
    if (strcmp(what, "witness") == 0)
        return witness(body, run);
    if (strcmp(what, "facts") == 0)
        return facts(run);
    if (strcmp(what, "segv") == 0)
        raise(SIGSEGV);
    if (strcmp(what, "abort") == 0)
        abort();
    if (strcmp(what, "exit") == 0)
        exit(0);
    if (strcmp(what, "loop") == 0)
        for (;;)
            getpid();
    if (strcmp(what, "hog") == 0)
        return hog(run);
    if (strcmp(what, "forge") == 0)
        forge(run);
    if (strcmp(what, "try") == 0)
        try_all(run);
    else
        return misuse(what, body, run);
    return PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"do", "count", "what to do wrong"},
    {"file", "/dev/null", "where `witness` writes"},
    {NULL, NULL, NULL},
};

const struct penstock_parser penstock_plugin = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "wicked",
    .summary = "does what a parser should not",
    .options = options,
    .setup = setup,
    .parse = parse,
};
