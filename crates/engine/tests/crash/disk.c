/*
 * Stands between a child process and its disk; see disk.rs, which compiles this
 * and has the child load it (LD_PRELOAD).
 *
 * Every change that the child makes to files below TUCKBOX_DISK_ROOT passes
 * through here: those of the log, which Rust writes, and those of the store,
 * which LMDB writes. Each is counted, can be made to fail, to take long or to be
 * the last thing the process does (TUCKBOX_DISK_CONTROL), and can be written
 * down with its data (TUCKBOX_DISK_TRACE).
 *
 * System calls are made directly, so that nothing here calls itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What a call is about; disk.rs has the same lists. */
enum place { LOG, STORE, OTHER };
enum kind { WRITE, HEADER, FILL, META, SYNC, DIRSYNC, CREATE, RENAME, REMOVE, RESIZE, KINDS };
enum action { NOTHING, FAIL_IO, FAIL_SPACE, SHORTEN, DIE_BEFORE, DIE_AMID, DIE_AFTER, DELAY, LIE };

struct rule {
    int32_t calls;      /* how many there were */
    int32_t action;
    int32_t countdown;  /* calls to let pass before the action */
    int32_t repeat;     /* whether it stays */
    int32_t parameter;  /* of DELAY: milliseconds */
    int32_t hits;       /* how often the action was taken */
    int32_t unused[2];
};

/* What the trace holds of a call; the data or the names follow. */
struct record {
    uint32_t bytes; /* of all of it */
    uint8_t kind, place, durable, failed;
    uint64_t file;
    uint64_t offset;
    uint32_t first; /* bytes of the data, or of the first name */
    uint32_t second;
};
enum { SYNC_BEGINS = 16, SYNC_ENDS, MKDIR };

static struct rule nowhere[3 * KINDS], *rules = nowhere;
static char root[PATH_MAX];
static size_t root_bytes;
static int trace = -1;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TUCKBOX_DISK_ROOT");
    if (!path || strlen(path) >= sizeof root) return;
    strcpy(root, path);
    root_bytes = strlen(root);
    if ((path = getenv("TUCKBOX_DISK_CONTROL"))) {
        int file = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
        void *map = mmap(NULL, sizeof nowhere, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (map != MAP_FAILED) rules = map;
        syscall(SYS_close, file);
    }
    if ((path = getenv("TUCKBOX_DISK_TRACE")))
        trace = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
}

/* The part of `path` below the root; NULL when it is elsewhere. */
static const char *below(const char *path) {
    if (!root_bytes || strncmp(path, root, root_bytes)) return NULL;
    if (path[root_bytes] == 0) return path + root_bytes;
    return path[root_bytes] == '/' ? path + root_bytes + 1 : NULL;
}

static const char *name_of(int file, char *buffer) {
    char link[32] = "/proc/self/fd/";
    char digits[12];
    int at = 0, to = strlen(link);
    unsigned number = file;
    do digits[at++] = '0' + number % 10;
    while (number /= 10);
    while (at) link[to++] = digits[--at];
    link[to] = 0;
    ssize_t bytes = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, PATH_MAX - 1);
    if (bytes < 0) return NULL;
    buffer[bytes] = 0;
    return below(buffer);
}

static int ends_with(const char *text, const char *end) {
    size_t bytes = strlen(text), wanted = strlen(end);
    return bytes >= wanted && !strcmp(text + bytes - wanted, end);
}

static enum place place_of(const char *name) {
    if (ends_with(name, ".log") || ends_with(name, ".spare") || ends_with(name, "/log")) return LOG;
    if (ends_with(name, "/data.mdb") || ends_with(name, "/store")) return STORE;
    return OTHER;
}

/* The lock files hold nothing that lasts. */
static int is_kept(const char *name) {
    return name && !ends_with(name, "/lock.mdb") && !ends_with(name, "/LOCK") &&
           !ends_with(name, "/probe");
}

static void tell(int kind, int place, int durable, int failed, uint64_t file, uint64_t offset,
                 const struct iovec *parts, int count, size_t most, const char *second) {
    if (trace < 0) return;
    struct iovec out[IOV_MAX < 128 ? IOV_MAX : 128];
    struct record record = {0};
    size_t first = 0;
    int used = 1;
    for (int part = 0; part < count && used < 120; part++) {
        size_t left = most - first;
        size_t bytes = parts[part].iov_len < left ? parts[part].iov_len : left;
        out[used].iov_base = parts[part].iov_base;
        out[used++].iov_len = bytes;
        first += bytes;
    }
    if (second) {
        out[used].iov_base = (void *)second;
        out[used++].iov_len = record.second = strlen(second);
    }
    record.kind = kind, record.place = place, record.durable = durable, record.failed = failed;
    record.file = file, record.offset = offset, record.first = first;
    record.bytes = sizeof record + first + record.second;
    out[0].iov_base = &record;
    out[0].iov_len = sizeof record;
    /* One call, at the file's end: whole, whatever other threads do. */
    if (syscall(SYS_writev, trace, out, used) != record.bytes) syscall(SYS_kill, getpid(), SIGABRT);
}

static void tell_name(int kind, int place, uint64_t file, const char *name, const char *second) {
    struct iovec part = {(void *)name, strlen(name)};
    tell(kind, place, 0, 0, file, 0, &part, 1, part.iov_len, second);
}

static uint64_t file_at(const char *path) {
    struct stat found;
    return stat(path, &found) ? 0 : found.st_ino;
}

static uint64_t file_of(int file) {
    struct stat found;
    return fstat(file, &found) ? 0 : found.st_ino;
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Counts a call and says what is to become of it. */
static enum action action_for(enum place place, enum kind kind) {
    struct rule *rule = &rules[place * KINDS + kind];
    __atomic_fetch_add(&rule->calls, 1, __ATOMIC_SEQ_CST);
    int action = __atomic_load_n(&rule->action, __ATOMIC_SEQ_CST);
    if (!action) return NOTHING;
    int left = __atomic_fetch_sub(&rule->countdown, 1, __ATOMIC_SEQ_CST);
    if (left > 0 || (left < 0 && !rule->repeat)) return NOTHING;
    __atomic_fetch_add(&rule->hits, 1, __ATOMIC_SEQ_CST);
    if (action == DIE_BEFORE) die();
    if (action == DELAY) {
        struct timespec time = {rule->parameter / 1000, rule->parameter % 1000 * 1000000L};
        nanosleep(&time, NULL);
    }
    return action;
}

/* A call without data: `action` before it, and what it returns. */
#define REFUSED(action)                                              \
    ((action) == FAIL_IO      ? (errno = EIO, 1)                     \
     : (action) == FAIL_SPACE ? (errno = ENOSPC, 1)                  \
                              : 0)

static int is_blank(const struct iovec *parts, int count) {
    for (int part = 0; part < count; part++) {
        const char *bytes = parts[part].iov_base;
        size_t length = parts[part].iov_len;
        if (length && (bytes[0] || memcmp(bytes, bytes + 1, length - 1))) return 0;
    }
    return 1;
}

static enum kind kind_of_write(int file, enum place place, const struct iovec *parts, int count,
                               off_t offset) {
    if (place == LOG && offset == 0 && !is_blank(parts, count)) return HEADER;
    if (place == LOG && is_blank(parts, count)) return FILL;
    if (place == STORE && syscall(SYS_fcntl, file, F_GETFL) & O_DSYNC) return META;
    return WRITE;
}

static ssize_t write_parts(int file, const struct iovec *parts, int count, off_t offset) {
    char buffer[PATH_MAX];
    const char *name = name_of(file, buffer);
    if (!is_kept(name)) return syscall(SYS_pwritev, file, parts, count, offset, 0);
    enum place place = place_of(name);
    enum kind kind = kind_of_write(file, place, parts, count, offset);
    enum action action = action_for(place, kind);
    size_t all = 0;
    for (int part = 0; part < count; part++) all += parts[part].iov_len;
    size_t most = all;
    if (action == SHORTEN || action == DIE_AMID) most = all > 1 ? all / 2 : all;
    int refused = action == FAIL_IO || action == FAIL_SPACE;
    /* A synced write that fails leaves its data in the cache, to be written some time or never. */
    int stays = kind == META;
    if (refused && !stays) {
        (void)REFUSED(action);
        return -1;
    }
    int durable = kind == META && !refused;
    uint64_t inode = trace < 0 ? 0 : file_of(file);
    tell(kind, place, 0, refused, inode, offset, parts, count, most, NULL);
    struct iovec part[128];
    int used = 0;
    for (size_t left = most; left && used < count && used < 128; used++) {
        part[used] = parts[used];
        if (part[used].iov_len > left) part[used].iov_len = left;
        left -= part[used].iov_len;
    }
    ssize_t result = syscall(SYS_pwritev, file, part, used, offset, 0);
    if (durable && result >= 0) {
        tell(SYNC_BEGINS, place, 0, 0, inode, 0, NULL, 0, 0, NULL);
        tell(SYNC_ENDS, place, 0, 0, inode, 0, NULL, 0, 0, NULL);
    }
    if (action == DIE_AMID || action == DIE_AFTER) die();
    if (REFUSED(action)) return -1;
    return result;
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    return write_parts(file, parts, count, offset);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t offset) {
    return write_parts(file, parts, count, offset);
}

ssize_t pwrite(int file, const void *data, size_t bytes, off_t offset) {
    struct iovec part = {(void *)data, bytes};
    return write_parts(file, &part, 1, offset);
}

ssize_t pwrite64(int file, const void *data, size_t bytes, off64_t offset) {
    return pwrite(file, data, bytes, offset);
}

/* LMDB writes runs of pages so, behind an lseek. */
ssize_t writev(int file, const struct iovec *parts, int count) {
    char buffer[PATH_MAX];
    if (!is_kept(name_of(file, buffer))) return syscall(SYS_writev, file, parts, count);
    off_t offset = syscall(SYS_lseek, file, 0, SEEK_CUR);
    ssize_t written = write_parts(file, parts, count, offset);
    if (written > 0) syscall(SYS_lseek, file, offset + written, SEEK_SET);
    return written;
}

ssize_t write(int file, const void *data, size_t bytes) {
    struct iovec part = {(void *)data, bytes};
    char buffer[PATH_MAX];
    if (!is_kept(name_of(file, buffer))) return syscall(SYS_write, file, data, bytes);
    return writev(file, &part, 1);
}

static int sync_with(long call, int file) {
    char buffer[PATH_MAX];
    const char *name = name_of(file, buffer);
    if (!is_kept(name)) return syscall(call, file);
    struct stat found = {0};
    int is_dir = !fstat(file, &found) && S_ISDIR(found.st_mode);
    enum place place = place_of(name);
    struct iovec part = {(void *)name, is_dir ? strlen(name) : 0};
    tell(SYNC_BEGINS, place, is_dir, 0, found.st_ino, 0, &part, 1, part.iov_len, NULL);
    enum action action = action_for(place, is_dir ? DIRSYNC : SYNC);
    int refused = REFUSED(action);
    int result = refused ? -1 : action == LIE ? 0 : syscall(call, file);
    tell(SYNC_ENDS, place, is_dir, refused || action == LIE, found.st_ino, 0, &part, 1, part.iov_len, NULL);
    if (action == DIE_AMID || action == DIE_AFTER) die();
    if (refused) (void)REFUSED(action);
    return result;
}

int fsync(int file) { return sync_with(SYS_fsync, file); }

int fdatasync(int file) { return sync_with(SYS_fdatasync, file); }

static int open_at(int dir, const char *path, int flags, mode_t mode) {
    const char *name = flags & O_CREAT ? below(path) : NULL;
    if (!is_kept(name)) return syscall(SYS_openat, dir, path, flags, mode);
    struct stat found;
    int is_new = stat(path, &found) != 0;
    if (!is_new && !(flags & O_TRUNC)) return syscall(SYS_openat, dir, path, flags, mode);
    enum place place = place_of(name);
    enum action action = action_for(place, CREATE);
    if (REFUSED(action)) return -1;
    int file = syscall(SYS_openat, dir, path, flags, mode);
    if (file >= 0) tell_name(CREATE, place, file_of(file), name, NULL);
    if (action == DIE_AMID || action == DIE_AFTER) die();
    return file;
}

#define MODE(flags)                        \
    mode_t mode = 0;                       \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest;                      \
        va_start(rest, flags);             \
        mode = va_arg(rest, mode_t);       \
        va_end(rest);                      \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int mkdir(const char *path, mode_t mode) {
    const char *name = below(path);
    int result = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (name && !result) tell_name(MKDIR, OTHER, file_at(path), name, NULL);
    return result;
}

int rename(const char *from, const char *to) {
    const char *name = below(from);
    if (!is_kept(name)) return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    enum place place = place_of(name);
    enum action action = action_for(place, RENAME);
    if (REFUSED(action)) return -1;
    tell_name(RENAME, place, file_at(from), name, below(to));
    int result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (action == DIE_AMID || action == DIE_AFTER) die();
    return result;
}

int unlink(const char *path) {
    const char *name = below(path);
    if (!is_kept(name)) return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    enum place place = place_of(name);
    enum action action = action_for(place, REMOVE);
    if (REFUSED(action)) return -1;
    tell_name(REMOVE, place, file_at(path), name, NULL);
    int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (action == DIE_AMID || action == DIE_AFTER) die();
    return result;
}

static int resize(int file, off_t bytes) {
    char buffer[PATH_MAX];
    const char *name = name_of(file, buffer);
    if (!is_kept(name)) return syscall(SYS_ftruncate, file, bytes);
    enum place place = place_of(name);
    enum action action = action_for(place, RESIZE);
    if (REFUSED(action)) return -1;
    tell(RESIZE, place, 0, 0, file_of(file), bytes, NULL, 0, 0, NULL);
    int result = syscall(SYS_ftruncate, file, bytes);
    if (action == DIE_AMID || action == DIE_AFTER) die();
    return result;
}

int ftruncate(int file, off_t bytes) { return resize(file, bytes); }

int ftruncate64(int file, off64_t bytes) { return resize(file, bytes); }
