/*
 * A disk that fails when it is told to: preloaded into a broker, it stands between it and the files of one folder. What is to go wrong,
 * and what did, is in a file that both sides share; `tests/crash/faults/disk.rs` is the other side.
 *
 *     DUNLIN_FAULTS_FOLDER    the files in here are meant; an absolute path without links
 *     DUNLIN_FAULTS_CONTROL   the shared file
 *     DUNLIN_FAULTS_SHADOW    a folder: what has been synced of each file, as a machine that loses power would find it
 *
 * In the shadow, NAME is the synced content of a file; NAME.named is there when its name is synced, too; NAME.gone is a removed file
 * whose name may come back, since the folder was not synced since.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <dirent.h>
#include <time.h>
#include <unistd.h>

#if ULONG_MAX == 0xffffffffUL
#error "for systems of 64 bits"
#endif

/* Words of the shared file, in the order of `disk.rs`. */
struct control {
    /* What is to go wrong. */
    uint64_t seed;
    uint64_t write_errno;   /* of writes, once the budget is used up */
    uint64_t budget;        /* bytes that are still taken: a short write comes first */
    uint64_t create_errno;  /* of files that are made */
    uint64_t truncate_errno;
    uint64_t short_percent; /* of writes that take less than they are given */
    uint64_t sync_errno;    /* of as many syncs as come next: */
    uint64_t sync_failures;
    uint64_t loss;          /* of what was written since the last good sync, when one fails: see `lose` */
    uint64_t sync_delay_ms;
    uint64_t kill_in_write; /* SIGKILL in the n-th write from now, of which a part is done */
    uint64_t kill_in_sync;  /* SIGKILL before the n-th sync from now */
    uint64_t reserved[4];
    /* What was done. */
    uint64_t writes;
    uint64_t bytes;
    uint64_t refused_writes;
    uint64_t short_writes;
    uint64_t syncs;
    uint64_t failed_syncs;
    uint64_t delayed_syncs;
    uint64_t lost_bytes;
    uint64_t truncates;
    uint64_t refused_truncates;
    uint64_t creates;
    uint64_t refused_creates;
    uint64_t folder_syncs;
    uint64_t killed;        /* 1: in a write, 2: before a sync */
    uint64_t torn_bytes;    /* of the last write, what is there */
};

enum { NOTHING, FILES, FOLDER };
enum { FDS = 65536, KNOWN = 4096, PAGE = 4096 };

struct file {
    dev_t dev;
    ino_t ino;
    char name[128];
    /* What has been written since the last good sync; empty if `lo` is not below `hi`. */
    off_t lo, hi;
    int resized, gone;
};

static struct control *control, nobody;
static char folder[PATH_MAX], shadow[PATH_MAX];
static size_t folder_length;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char kinds[FDS];
static int of_fd[FDS];
static struct file files[KNOWN];
static int known;
static uint64_t noise;

static void begin(void) __attribute__((constructor));
static void begin(void) {
    const char *where = getenv("DUNLIN_FAULTS_FOLDER"), *shared = getenv("DUNLIN_FAULTS_CONTROL"), *copies = getenv("DUNLIN_FAULTS_SHADOW");
    control = &nobody;
    if (!where || !shared || !copies) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC, 0);
    void *words = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (words == MAP_FAILED) {
        perror("faulty_disk: the control file");
        abort();
    }
    syscall(SYS_close, fd);
    snprintf(shadow, sizeof shadow, "%s", copies);
    snprintf(folder, sizeof folder, "%s", where);
    folder_length = strlen(folder);
    control = words;
    noise = control->seed ^ (uint64_t)getpid() << 32;
    /* A later program of the same process tree is not meant. */
    unsetenv("LD_PRELOAD");
}

static uint64_t dice(void) {
    uint64_t n = noise += 0x9E3779B97F4A7C15u;
    n = (n ^ n >> 30) * 0xBF58476D1CE4E5B9u;
    n = (n ^ n >> 27) * 0x94D049BB133111EBu;
    return n ^ n >> 31;
}

static uint64_t look(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static void count(uint64_t *word, uint64_t n) { __atomic_add_fetch(word, n, __ATOMIC_SEQ_CST); }

/* Counts down; whether this was the last. Zero is not counted. */
static int down(uint64_t *word) {
    uint64_t now = look(word);
    while (now && !__atomic_compare_exchange_n(word, &now, now - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
    return now == 1;
}

/* What of the folder a path is; `name` is behind it. */
static int kind_of(const char *path, const char **name) {
    if (!folder_length || strncmp(path, folder, folder_length) != 0) return NOTHING;
    if (!path[folder_length]) return FOLDER;
    if (path[folder_length] != '/') return NOTHING;
    *name = path + folder_length + 1;
    if (!**name) return FOLDER;
    return strchr(*name, '/') || strlen(*name) >= sizeof files[0].name ? NOTHING : FILES;
}

static int shadow_file(const char *name, const char *ending, int flags) {
    char path[PATH_MAX + 160];
    snprintf(path, sizeof path, "%s/%s%s", shadow, name, ending);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

/* Copies a range as far as it is there. */
static void copy(int from, int to, off_t lo, off_t hi) {
    static char buffer[1 << 16];
    while (lo < hi) {
        size_t length = hi - lo < (off_t)sizeof buffer ? (size_t)(hi - lo) : sizeof buffer;
        ssize_t got = pread(from, buffer, length, lo);
        if (got <= 0 || syscall(SYS_pwrite64, to, buffer, got, lo) != got) return;
        lo += got;
    }
}

/* Whether the two are the same up to `hi`; else where they begin to differ. */
static off_t differs(int one, int other, off_t hi) {
    static char a[1 << 16], b[1 << 16];
    for (off_t at = 0; at < hi;) {
        ssize_t n = pread(one, a, sizeof a, at), m = pread(other, b, sizeof b, at);
        for (ssize_t i = 0; i < n; i++)
            if (i >= m || a[i] != b[i]) return at + i;
        if (n <= 0) break;
        at += n;
    }
    return hi;
}

static off_t size_of(int fd) {
    struct stat stat;
    return fstat(fd, &stat) == 0 ? stat.st_size : 0;
}

static struct file *file_of(int fd, const char *name) {
    struct stat stat;
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) return NULL;
    for (int n = 0; n < known; n++)
        if (files[n].ino == stat.st_ino && files[n].dev == stat.st_dev && !files[n].gone) return &files[n];
    if (known == KNOWN) {
        fputs("faulty_disk: too many files\n", stderr);
        abort();
    }
    struct file *file = &files[known++];
    memset(file, 0, sizeof *file);
    file->dev = stat.st_dev, file->ino = stat.st_ino;
    snprintf(file->name, sizeof file->name, "%s", name);
    /* What a process before this one left unsynced is not synced now. */
    file->hi = stat.st_size;
    int old = shadow_file(name, "", O_RDONLY);
    if (old >= 0) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int again = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
        file->lo = again < 0 ? 0 : differs(again, old, stat.st_size);
        file->resized = size_of(old) != stat.st_size;
        if (again >= 0) syscall(SYS_close, again);
        syscall(SYS_close, old);
    }
    return file;
}

static void track(int fd, const char *path, int kind, const char *name) {
    if (fd < 0 || kind == NOTHING) return;
    if (fd >= FDS) {
        fprintf(stderr, "faulty_disk: %s has a descriptor beyond all measure\n", path);
        abort();
    }
    struct file *file = kind == FILES ? file_of(fd, name) : NULL;
    kinds[fd] = kind == FILES ? (file ? FILES : NOTHING) : FOLDER;
    of_fd[fd] = file ? (int)(file - files) : 0;
}

static int kind_of_fd(int fd) { return fd >= 0 && fd < FDS ? kinds[fd] : NOTHING; }

static int open_it(int at, const char *path, int flags, mode_t mode) {
    const char *name = NULL;
    int kind = kind_of(path, &name);
    if (kind == NOTHING) return (int)syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat stat;
    int result = -1, makes = (flags & O_CREAT) && lstat(path, &stat) != 0;
    if (makes && look(&control->create_errno)) {
        count(&control->refused_creates, 1);
        errno = (int)look(&control->create_errno);
    } else {
        off_t before = !makes && kind == FILES && (flags & O_TRUNC) && lstat(path, &stat) == 0 ? stat.st_size : 0;
        result = (int)syscall(SYS_openat, at, path, flags, mode);
        int error = errno;
        track(result, path, kind, name);
        if (makes && result >= 0) count(&control->creates, 1);
        if (before && result >= 0 && kinds[result] == FILES) files[of_fd[result]].resized = 1;
        errno = error;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static int rename_now(const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static void die(uint64_t why) {
    control->killed = why;
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* One write to a file of the folder, at `at` or, if that is negative, where it stands. */
static ssize_t write_it(int fd, const void *bytes, size_t length, off_t at) {
    pthread_mutex_lock(&lock);
    struct file *file = &files[of_fd[fd]];
    count(&control->writes, 1);
    size_t taken = length;
    ssize_t result = -1;
    int dies = down(&control->kill_in_write);
    if (dies) {
        taken = length ? dice() % length : 0;
        control->torn_bytes = taken;
    } else if (look(&control->write_errno)) {
        uint64_t budget = look(&control->budget);
        if (!budget && length) {
            count(&control->refused_writes, 1);
            errno = (int)look(&control->write_errno);
            pthread_mutex_unlock(&lock);
            return -1;
        }
        if (taken > budget) {
            taken = budget;
            count(&control->short_writes, 1);
        }
        __atomic_store_n(&control->budget, budget - taken, __ATOMIC_SEQ_CST);
    } else if (length > 1 && dice() % 100 < look(&control->short_percent)) {
        taken = 1 + dice() % (length - 1);
        count(&control->short_writes, 1);
    }
    off_t from = at;
    if (at < 0) from = (fcntl(fd, F_GETFL) & O_APPEND) ? size_of(fd) : lseek(fd, 0, SEEK_CUR);
    if (taken || !length) result = at < 0 ? syscall(SYS_write, fd, bytes, taken) : syscall(SYS_pwrite64, fd, bytes, taken, at);
    int error = errno;
    if (result > 0) {
        if (file->lo >= file->hi) file->lo = from, file->hi = from + result;
        if (from < file->lo) file->lo = from;
        if (from + result > file->hi) file->hi = from + result;
        count(&control->bytes, result);
    }
    if (dies) die(1);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static ssize_t write_vector(int fd, const struct iovec *parts, int n, off_t at) {
    size_t length = 0;
    for (int i = 0; i < n; i++) length += parts[i].iov_len;
    char *all = malloc(length + 1), *end = all;
    if (!all) {
        errno = ENOMEM;
        return -1;
    }
    for (int i = 0; i < n; i++) end = (char *)memcpy(end, parts[i].iov_base, parts[i].iov_len) + parts[i].iov_len;
    ssize_t result = write_it(fd, all, length, at);
    int error = errno;
    free(all);
    errno = error;
    return result;
}

/*
 * What becomes of what was written since the last good sync. 1: it is gone at once, as if the cache had let go of all of it; 2: of some
 * pages; 3: it can still be read, and no sync will ever write it.
 */
static void lose(struct file *file) {
    static const char zeros[PAGE];
    uint64_t how = look(&control->loss);
    char path[PATH_MAX + 160];
    snprintf(path, sizeof path, "%s/%s", folder, file->name);
    int fd = how == 1 || how == 2 ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0) : -1;
    for (off_t at = file->lo; fd >= 0 && at < file->hi;) {
        off_t end = (at / PAGE + 1) * PAGE;
        if (end > file->hi) end = file->hi;
        if (how == 1 || dice() % 2) {
            syscall(SYS_pwrite64, fd, zeros, end - at, at);
            count(&control->lost_bytes, end - at);
        }
        at = end;
    }
    if (fd >= 0) syscall(SYS_close, fd);
    if (how == 3 && file->lo < file->hi) {
        count(&control->lost_bytes, file->hi - file->lo);
        file->lo = file->hi = 0;
    }
}

static void synced(int fd, struct file *file) {
    if (file->gone || (file->lo >= file->hi && !file->resized)) return;
    int copied = shadow_file(file->name, "", O_WRONLY | O_CREAT);
    if (copied < 0) return;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (again >= 0) {
        copy(again, copied, file->lo, file->hi);
        if (syscall(SYS_ftruncate, copied, size_of(again)) != 0) perror("faulty_disk: a copy");
        syscall(SYS_close, again);
    }
    syscall(SYS_close, copied);
    file->lo = file->hi = 0;
    file->resized = 0;
}

static void names_synced(void) {
    count(&control->folder_syncs, 1);
    char path[PATH_MAX + 300];
    DIR *there = opendir(shadow);
    if (there) {
        for (struct dirent *entry; (entry = readdir(there));) {
            size_t length = strlen(entry->d_name);
            if (length < 5 || strcmp(entry->d_name + length - 5, ".gone") != 0) continue;
            snprintf(path, sizeof path, "%s/%s", shadow, entry->d_name);
            syscall(SYS_unlinkat, AT_FDCWD, path, 0);
        }
        closedir(there);
    }
    there = opendir(folder);
    if (!there) return;
    for (struct dirent *entry; (entry = readdir(there));) {
        int fd = entry->d_name[0] == '.' ? -1 : shadow_file(entry->d_name, ".named", O_WRONLY | O_CREAT);
        if (fd >= 0) syscall(SYS_close, fd);
    }
    closedir(there);
}

static int sync_it(int fd, long call) {
    uint64_t delay = look(&control->sync_delay_ms);
    if (delay) {
        struct timespec time = {(time_t)(delay / 1000), (long)(delay % 1000) * 1000000};
        count(&control->delayed_syncs, 1);
        nanosleep(&time, NULL);
    }
    pthread_mutex_lock(&lock);
    int result = -1, error = 0, kind = kind_of_fd(fd);
    count(&control->syncs, 1);
    if (down(&control->kill_in_sync)) die(2);
    if (look(&control->sync_failures)) {
        down(&control->sync_failures);
        count(&control->failed_syncs, 1);
        if (kind == FILES) lose(&files[of_fd[fd]]);
        error = (int)look(&control->sync_errno);
    } else {
        result = (int)syscall(call, fd);
        error = errno;
        if (result == 0 && kind == FILES) synced(fd, &files[of_fd[fd]]);
        if (result == 0 && kind == FOLDER) names_synced();
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static int truncate_it(int fd, off_t length) {
    pthread_mutex_lock(&lock);
    int result = -1, error = (int)look(&control->truncate_errno);
    if (error) {
        count(&control->refused_truncates, 1);
    } else {
        struct file *file = &files[of_fd[fd]];
        result = (int)syscall(SYS_ftruncate, fd, length);
        error = errno;
        count(&control->truncates, 1);
        file->resized = 1;
        if (file->hi > length) file->hi = length;
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

/* A name in the folder does not mean its file any more; it may come back with a loss of power, if it was synced. */
static void forget(const char *name, const struct stat *was) {
    char from[PATH_MAX + 160], to[PATH_MAX + 160];
    for (int n = 0; n < known; n++)
        if (files[n].ino == was->st_ino && files[n].dev == was->st_dev) files[n].gone = 1;
    snprintf(to, sizeof to, "%s/%s.named", shadow, name);
    int was_named = syscall(SYS_unlinkat, AT_FDCWD, to, 0) == 0;
    snprintf(from, sizeof from, "%s/%s", shadow, name);
    snprintf(to, sizeof to, "%s/%s.gone", shadow, name);
    if (was_named) rename_now(from, to);
    else syscall(SYS_unlinkat, AT_FDCWD, from, 0);
}

static int remove_it(int at, const char *path, int flags) {
    const char *name = NULL;
    if (kind_of(path, &name) != FILES) return (int)syscall(SYS_unlinkat, at, path, flags);
    pthread_mutex_lock(&lock);
    struct stat stat;
    int is_there = lstat(path, &stat) == 0, result = (int)syscall(SYS_unlinkat, at, path, flags), error = errno;
    if (is_there && result == 0) forget(name, &stat);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

/* The new name is synced with the folder; until then the file may be gone with the power. */
static int rename_it(int at_from, const char *from, int at_to, const char *to, unsigned flags) {
    const char *old = NULL, *new = NULL;
    if (kind_of(from, &old) != FILES || kind_of(to, &new) != FILES || flags)
        return (int)syscall(SYS_renameat2, at_from, from, at_to, to, flags);
    pthread_mutex_lock(&lock);
    struct stat moved, replaced;
    int was_there = lstat(to, &replaced) == 0, is_there = lstat(from, &moved) == 0;
    int result = rename_now(from, to), error = errno;
    if (is_there && result == 0) {
        if (was_there) forget(new, &replaced);
        for (int n = 0; n < known; n++)
            if (files[n].ino == moved.st_ino && files[n].dev == moved.st_dev && !files[n].gone)
                snprintf(files[n].name, sizeof files[n].name, "%s", new);
        char path[PATH_MAX + 160], other[PATH_MAX + 160];
        snprintf(path, sizeof path, "%s/%s.named", shadow, old);
        syscall(SYS_unlinkat, AT_FDCWD, path, 0);
        snprintf(path, sizeof path, "%s/%s", shadow, old);
        snprintf(other, sizeof other, "%s/%s", shadow, new);
        rename_now(path, other);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

/* What the C library would have done. */

static mode_t mode_of(int flags, va_list rest) { return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0; }

#define OPEN(name)                                       \
    int name(const char *path, int flags, ...) {         \
        va_list rest;                                    \
        va_start(rest, flags);                           \
        mode_t mode = mode_of(flags, rest);              \
        va_end(rest);                                    \
        return open_it(AT_FDCWD, path, flags, mode);     \
    }
#define OPENAT(name)                                     \
    int name(int at, const char *path, int flags, ...) { \
        va_list rest;                                    \
        va_start(rest, flags);                           \
        mode_t mode = mode_of(flags, rest);              \
        va_end(rest);                                    \
        return open_it(at, path, flags, mode);           \
    }
#define PWRITE(name)                                                                                        \
    ssize_t name(int fd, const void *bytes, size_t length, off_t at) {                                      \
        if (kind_of_fd(fd) != FILES || at < 0) return syscall(SYS_pwrite64, fd, bytes, length, at);         \
        return write_it(fd, bytes, length, at);                                                             \
    }
#define PWRITEV(name)                                                                                       \
    ssize_t name(int fd, const struct iovec *parts, int n, off_t at) {                                      \
        if (kind_of_fd(fd) != FILES || at < 0) return syscall(SYS_pwritev, fd, parts, n, at, 0L);           \
        return write_vector(fd, parts, n, at);                                                              \
    }
#define FTRUNCATE(name)                                                                                     \
    int name(int fd, off_t length) {                                                                        \
        return kind_of_fd(fd) == FILES ? truncate_it(fd, length) : (int)syscall(SYS_ftruncate, fd, length); \
    }

OPEN(open)
OPENAT(openat)
PWRITE(pwrite)
PWRITEV(pwritev)
FTRUNCATE(ftruncate)
#ifdef __GLIBC__
OPEN(open64)
OPENAT(openat64)
PWRITE(pwrite64)
PWRITEV(pwritev64)
FTRUNCATE(ftruncate64)
#endif

ssize_t write(int fd, const void *bytes, size_t length) {
    return kind_of_fd(fd) == FILES ? write_it(fd, bytes, length, -1) : syscall(SYS_write, fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    return kind_of_fd(fd) == FILES ? write_vector(fd, parts, n, -1) : syscall(SYS_writev, fd, parts, n);
}

int fsync(int fd) { return kind_of_fd(fd) ? sync_it(fd, SYS_fsync) : (int)syscall(SYS_fsync, fd); }

int fdatasync(int fd) { return kind_of_fd(fd) ? sync_it(fd, SYS_fdatasync) : (int)syscall(SYS_fdatasync, fd); }

/* Promises nothing. */
int sync_file_range(int fd, off_t at, off_t length, unsigned flags) {
    return (int)syscall(SYS_sync_file_range, fd, at, length, flags);
}

int unlink(const char *path) { return remove_it(AT_FDCWD, path, 0); }

int unlinkat(int at, const char *path, int flags) { return remove_it(at, path, flags); }

int rename(const char *from, const char *to) { return rename_it(AT_FDCWD, from, AT_FDCWD, to, 0); }

int renameat(int at_from, const char *from, int at_to, const char *to) { return rename_it(at_from, from, at_to, to, 0); }

int renameat2(int at_from, const char *from, int at_to, const char *to, unsigned flags) {
    return rename_it(at_from, from, at_to, to, flags);
}

int dup2(int from, int to) {
    if (from == to) return (int)syscall(SYS_fcntl, from, F_GETFD) < 0 ? -1 : to;
    int result = (int)syscall(SYS_dup3, from, to, 0);
    if (result >= 0 && result < FDS) kinds[result] = (unsigned char)kind_of_fd(from), of_fd[result] = from < FDS ? of_fd[from] : 0;
    return result;
}

int close(int fd) {
    if (kind_of_fd(fd) != NOTHING) {
        pthread_mutex_lock(&lock);
        kinds[fd] = NOTHING;
        pthread_mutex_unlock(&lock);
    }
    return (int)syscall(SYS_close, fd);
}
