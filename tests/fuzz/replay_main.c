/* Runs a fuzz target over stored inputs, with any compiler: each file of the directories and files
 * named on the command line, the empty input, and prefixes of each file, as torn input is what
 * parsers here meet most. The first crash or sanitizer report ends it; the input at fault is on
 * stderr by then. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PREFIXES 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static unsigned long files, runs;
static char current[PATH_MAX];
static size_t current_size;

/* Where a sanitizer or an assertion stopped us; called by abort's way out only if stderr still
 * works. */
static void tell_input(void)
{
    if (current[0])
        fprintf(stderr, "while at: %s, first %zu bytes\n", current, current_size);
}

/* An allocation of exactly the input's size, so that a sanitizer sees a read beyond it. */
static void run_one(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    current_size = size;
    LLVMFuzzerTestOneInput(copy, size);
    runs++;
    free(copy);
}

static bool read_all(const char *path, uint8_t **ret_data, size_t *ret_size)
{
    FILE *in = fopen(path, "re");
    if (!in)
        return false;
    size_t size = 0, room = 4096, got;
    uint8_t *data = malloc(room);
    while (data && (got = fread(data + size, 1, room - size, in)) > 0) {
        size += got;
        if (size == room) {
            uint8_t *bigger = realloc(data, room *= 2);
            if (!bigger)
                free(data);
            data = bigger;
        }
    }
    bool good = data && !ferror(in);
    fclose(in);
    if (!good) {
        free(data);
        return false;
    }
    *ret_data = data;
    *ret_size = size;
    return true;
}

static bool replay_file(const char *path)
{
    uint8_t *data;
    size_t size;
    snprintf(current, sizeof current, "%s", path);
    if (!read_all(path, &data, &size)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    for (size_t i = 1; i < PREFIXES; i++)
        if (size * i / PREFIXES > size * (i - 1) / PREFIXES)
            run_one(data, size * i / PREFIXES);
    run_one(data, size);
    free(data);
    files++;
    return true;
}

static bool replay(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOTDIR ? replay_file(path) : errno == ENOENT;
    bool good = true;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char name[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(name, sizeof name, "%s/%s", path, entry->d_name) >= (int)sizeof name)
            good = false;
        else
            good &= replay_file(name);
    }
    closedir(dir);
    return good;
}

int main(int argc, char **argv)
{
    bool good = true;
    atexit(tell_input);
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    run_one((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        good &= replay(argv[i]);
    current[0] = '\0';
    printf("%lu inputs, %lu runs\n", files, runs);
    if (!files)
        fprintf(stderr, "no corpus: the target is not tested\n");
    return good && files ? EXIT_SUCCESS : EXIT_FAILURE;
}
