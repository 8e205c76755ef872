/* A disk that fails: preloaded, it makes the n-th call that writes below a folder, and every later one, fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITE = 1, CREATE = 2, RENAME = 4, SYNC = 8 };

static long passed, first;
static int code, kinds;
static char under[4096];

/* Fail from the `at`-th call on (0: never), with `number`, of the kinds in `which`, below `folder`. */
void disk_fails(long at, int number, int which, const char *folder) {
    passed = 0;
    first = at;
    code = number;
    kinds = which;
    snprintf(under, sizeof under, "%s", folder);
}

long disk_calls(void) { return passed; }

static int fails(int kind, const char *path) {
    if (!*under || !(kinds & kind) || strncmp(path, under, strlen(under))) return 0;
    passed++;
    if (!first || passed < first) return 0;
    errno = code;
    return 1;
}

static int fails_at(int kind, int fd) {
    char link[64], path[4096];
    if (!*under) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(kind, path);
}

#define REAL(name)                                      \
    static __typeof__(name) *real;                      \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size) { REAL(write); return fails_at(WRITE, fd) ? -1 : real(fd, data, size); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { REAL(pwrite); return fails_at(WRITE, fd) ? -1 : real(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { REAL(pwrite64); return fails_at(WRITE, fd) ? -1 : real(fd, data, size, at); }
int fsync(int fd) { REAL(fsync); return fails_at(SYNC, fd) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(fdatasync); return fails_at(SYNC, fd) ? -1 : real(fd); }
int ftruncate(int fd, off_t size) { REAL(ftruncate); return fails_at(WRITE, fd) ? -1 : real(fd, size); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); return fails_at(WRITE, fd) ? -1 : real(fd, size); }
int rename(const char *from, const char *to) { REAL(rename); return fails(RENAME, to) ? -1 : real(from, to); }
int unlink(const char *path) { REAL(unlink); return fails(RENAME, path) ? -1 : real(path); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); return fails(CREATE, path) ? -1 : real(path, mode); }
int link(const char *from, const char *to) { REAL(link); return fails(CREATE, to) ? -1 : real(from, to); }

static int creates(const char *path, int flags) {
    return (flags & (O_CREAT | O_WRONLY | O_RDWR)) && fails(CREATE, path);
}

int open(const char *path, int flags, ...) {
    REAL(open);
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return creates(path, flags) ? -1 : real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return creates(path, flags) ? -1 : real(path, flags, mode);
}
