/* Faults of files. The program that includes this has its own writev, ftruncate and fdatasync
 * before libc's: they come short, fail or wait, as the test says. Included once. */
#ifndef PENSTOCK_TESTS_SINK_FAULTS_H
#define PENSTOCK_TESTS_SINK_FAULTS_H

#include "sink_support.h"

#include <sys/syscall.h>
#include <sys/uio.h>

static atomic_int faults_left;       /* injected while > 0 */
static atomic_int fail_syncs, syncs; /* of fdatasync */
static atomic_int truncations;
static atomic_int writes_left; /* the last of so many waits until the test lets it */
static atomic_bool writes_held;
static atomic_uint dice = 1;

static unsigned roll(void)
{
    unsigned seed = atomic_load(&dice) * 1103515245 + 12345;
    atomic_store(&dice, seed);
    return seed >> 16;
}

/* At most `max` bytes of it. */
static ssize_t write_part(int fd, const struct iovec *iov, int n, size_t max)
{
    struct iovec part[1024];
    int count = 0;
    for (; count < n && max > 0; count++) {
        part[count] = iov[count];
        if (part[count].iov_len > max)
            part[count].iov_len = max;
        max -= part[count].iov_len;
    }
    return syscall(SYS_writev, fd, part, count);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
    static const int errors[] = {ENOSPC, EIO, EDQUOT, EINTR, EFBIG};
    if (atomic_fetch_sub(&writes_left, 1) == 1) {
        atomic_store(&writes_held, true);
        WAIT_UNTIL(!atomic_load(&writes_held));
    }
    if (atomic_load(&faults_left) <= 0)
        return syscall(SYS_writev, fd, iov, n);
    atomic_fetch_sub(&faults_left, 1);
    unsigned r = roll();
    if (r % 3 == 0) {
        errno = errors[r / 3 % 5];
        return -1;
    }
    return write_part(fd, iov, n, 1 + r % 700);
}

int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    if (atomic_fetch_sub(&fail_syncs, 1) > 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t size)
{
    atomic_fetch_add(&truncations, 1);
    return (int)syscall(SYS_ftruncate, fd, size);
}

static int setup(void **state)
{
    atomic_store(&faults_left, 0);
    atomic_store(&writes_left, 0);
    atomic_store(&writes_held, false);
    atomic_store(&fail_syncs, 0);
    atomic_store(&syncs, 0);
    atomic_store(&truncations, 0);
    return 0;
}

#endif
