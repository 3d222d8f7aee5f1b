/* Modes of files: chmod, umask, and st_mode with permissions in it; and other
 * things about files that the C library leaves out.
 *
 * WASI preview 1 knows no modes. The host sets them by a function of its own,
 * `belljar.mode_set`, and tells them in bytes of `filestat` that WASI leaves
 * unused (../README.md). The linker's --wrap sends what the C library does
 * about files through here.
 */
#include "modes.h"
#include "opened.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>
#include <wasi/libc-find-relpath.h>

/* What the host gives new files and directories. */
#define HOST_MASK 022
#define NEW_FILE (0666 & ~HOST_MASK)
#define NEW_DIRECTORY (0777 & ~HOST_MASK)

#define PERMISSIONS 0777

/* The folder of a run. */
#define WORKSPACE "/workspace"

/* Whose files they are: who `bash` of the same session says it is. */
#define USER 1000

/* What st_blocks counts in, whatever st_blksize says. */
#define BLOCK 512
#define PREFERRED_SIZE 4096

/* Where in a filestat the host tells the mode, and the bit by which it says
 * that it did. */
#define TOLD_AT 18
#define TOLD 0x8000

__attribute__((import_module("belljar"), import_name("mode_set"))) extern int32_t
host_mode_set(int32_t descriptor, int32_t lookup, const char *path, size_t size, int32_t mode);

static mode_t mask = HOST_MASK;

/* Of the file that was looked at last; zero when the host did not say. */
static uint16_t told;

/* ---- looking ---- */

__wasi_errno_t __real___wasi_fd_filestat_get(__wasi_fd_t descriptor, __wasi_filestat_t *out);
__wasi_errno_t __real___wasi_path_filestat_get(__wasi_fd_t descriptor, __wasi_lookupflags_t flags,
                                               const char *path, __wasi_filestat_t *out);

static void
note_mode(const __wasi_filestat_t *out)
{
    memcpy(&told, (const char *)out + TOLD_AT, sizeof told);
}

__wasi_errno_t
__wrap___wasi_fd_filestat_get(__wasi_fd_t descriptor, __wasi_filestat_t *out)
{
    /* A host that tells nothing leaves these bytes as they were. */
    memset(out, 0, sizeof *out);
    __wasi_errno_t error = __real___wasi_fd_filestat_get(descriptor, out);
    note_mode(out);
    return error;
}

__wasi_errno_t
__wrap___wasi_path_filestat_get(__wasi_fd_t descriptor, __wasi_lookupflags_t flags,
                                const char *path, __wasi_filestat_t *out)
{
    memset(out, 0, sizeof *out);
    __wasi_errno_t error = __real___wasi_path_filestat_get(descriptor, flags, path, out);
    note_mode(out);
    return error;
}

static void
add_mode(struct stat *out)
{
    mode_t mode = told & PERMISSIONS;
    if (!(told & TOLD)) {
        mode = S_ISDIR(out->st_mode) ? NEW_DIRECTORY : S_ISREG(out->st_mode) ? NEW_FILE : 0;
    }
    out->st_mode = (out->st_mode & S_IFMT) | mode;
    out->st_uid = out->st_gid = USER;
    out->st_blksize = PREFERRED_SIZE;
    out->st_blocks = (out->st_size + BLOCK - 1) / BLOCK;
}

int __real_fstat(int descriptor, struct stat *out);
int __real___wasilibc_nocwd_fstatat(int descriptor, const char *path, struct stat *out, int flags);

int
__wrap_fstat(int descriptor, struct stat *out)
{
    int result = __real_fstat(descriptor, out);
    if (result == 0) {
        add_mode(out);
    }
    return result;
}

/* Behind stat, lstat and fstatat. */
int
__wrap___wasilibc_nocwd_fstatat(int descriptor, const char *path, struct stat *out, int flags)
{
    int result = __real___wasilibc_nocwd_fstatat(descriptor, path, out, flags);
    if (result == 0) {
        add_mode(out);
    }
    return result;
}

/* The C library takes an empty path for the working directory. */
static int
is_named(const char *path)
{
    if (path[0] == '\0') {
        errno = ENOENT;
        return 0;
    }
    return 1;
}

int __real_stat(const char *path, struct stat *out);
int __real_lstat(const char *path, struct stat *out);
int __real_unlink(const char *path);
int __real_rmdir(const char *path);
int __real_rename(const char *from, const char *to);
int __real_utimensat(int directory, const char *path, const struct timespec times[2], int flags);
int __real_chdir(const char *path);
DIR *__real_opendir(const char *path);

int
__wrap_stat(const char *path, struct stat *out)
{
    return is_named(path) ? __real_stat(path, out) : -1;
}

int
__wrap_lstat(const char *path, struct stat *out)
{
    return is_named(path) ? __real_lstat(path, out) : -1;
}

int
__wrap_chdir(const char *path)
{
    if (!is_named(path)) {
        return -1;
    }
    /* Where a program is does not tell how it came there: the C library would
     * keep the dots and links of the way. */
    static char there[PATH_MAX];
    if (strcmp(path, WORKSPACE) != 0 && realpath(path, there) != NULL) {
        path = there;
    }
    return __real_chdir(path);
}

int
__wrap_unlink(const char *path)
{
    return is_named(path) ? __real_unlink(path) : -1;
}

int
__wrap_rmdir(const char *path)
{
    return is_named(path) ? __real_rmdir(path) : -1;
}

int
__wrap_rename(const char *from, const char *to)
{
    return is_named(from) && is_named(to) ? __real_rename(from, to) : -1;
}

int
__wrap_utimensat(int directory, const char *path, const struct timespec times[2], int flags)
{
    return is_named(path) ? __real_utimensat(directory, path, times, flags) : -1;
}

DIR *
__wrap_opendir(const char *path)
{
    return is_named(path) ? __real_opendir(path) : NULL;
}

/* The owner's permissions: there is one user. */
static int
grants(const struct stat *found, int wanted)
{
    int granted = 0;
    granted |= found->st_mode & S_IRUSR ? R_OK : 0;
    granted |= found->st_mode & S_IWUSR ? W_OK : 0;
    granted |= found->st_mode & S_IXUSR ? X_OK : 0;
    if ((wanted & ~granted) != 0) {
        errno = EACCES;
        return -1;
    }
    return 0;
}

int
__wrap_access(const char *path, int wanted)
{
    struct stat found;
    return stat(path, &found) == 0 ? grants(&found, wanted) : -1;
}

int
__wrap_faccessat(int descriptor, const char *path, int wanted, int flags)
{
    struct stat found;
    flags &= AT_SYMLINK_NOFOLLOW;
    return fstatat(descriptor, path, &found, flags) == 0 ? grants(&found, wanted) : -1;
}

/* ---- setting ---- */

static int
set_mode(int descriptor, int lookup, const char *path, mode_t mode)
{
    int32_t error = host_mode_set(descriptor, lookup, path, strlen(path), (int32_t)mode);
    if (error != 0) {
        __wasi_errno = error;
        return -1;
    }
    return 0;
}

static int
set_path_mode(const char *path, int lookup, mode_t mode)
{
    /* Kept: the C library makes it larger when a path needs that. */
    static char *relative;
    static size_t size;
    const char *prefix;
    char *found = relative;
    if (!is_named(path)) {
        return -1;
    }
    int descriptor = __wasilibc_find_relpath_alloc(path, &prefix, &found, &size, 1);
    if (descriptor < 0) {
        errno = ENOENT;
        return -1;
    }
    if (path[0] != '/') {
        relative = found;
    }
    return set_mode(descriptor, lookup, found[0] == '\0' ? "." : found, mode);
}

int
__wrap_chmod(const char *path, mode_t mode)
{
    return set_path_mode(path, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, mode);
}

int
__wrap_fchmod(int descriptor, mode_t mode)
{
    return set_mode(descriptor, 0, "", mode);
}

int
__wrap_fchmodat(int descriptor, const char *path, mode_t mode, int flags)
{
    int lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW;
    if (descriptor == AT_FDCWD) {
        return set_path_mode(path, lookup, mode);
    }
    return is_named(path) ? set_mode(descriptor, lookup, path, mode) : -1;
}

mode_t
umask(mode_t new_mask)
{
    mode_t old = mask;
    mask = new_mask & PERMISSIONS;
    return old;
}

void
modes_end_run(void)
{
    /* Only what is written to has to be saved or reset. */
    if (mask != HOST_MASK) {
        mask = HOST_MASK;
    }
}

/* ---- making ---- */

int __real_open(const char *path, int flags, ...);
int __real_mkdir(const char *path, mode_t mode);

int
__wrap_open(const char *path, int flags, ...)
{
    if (!is_named(path)) {
        return -1;
    }
    opened_note(flags);
    /* O_RDONLY is zero elsewhere, and so programs leave it out. */
    if (!(flags & O_ACCMODE)) {
        flags |= O_RDONLY;
    }
    if (!(flags & O_CREAT)) {
        return __real_open(path, flags);
    }
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = va_arg(arguments, mode_t) & PERMISSIONS & ~mask;
    va_end(arguments);
    if (mode == NEW_FILE) {
        return __real_open(path, flags, mode);
    }
    /* Only who makes a file says what its mode is. */
    int descriptor = __real_open(path, flags | O_EXCL, mode);
    if (descriptor < 0) {
        if (errno != EEXIST || (flags & O_EXCL)) {
            return -1;
        }
        return __real_open(path, flags, mode);
    }
    /* Without the right mode it is still the file that was asked for. */
    (void)__wrap_fchmod(descriptor, mode);
    return descriptor;
}

int
__wrap_mkdir(const char *path, mode_t mode)
{
    if (!is_named(path)) {
        return -1;
    }
    mode = mode & PERMISSIONS & ~mask;
    int result = __real_mkdir(path, mode);
    if (result == 0 && mode != NEW_DIRECTORY) {
        (void)set_path_mode(path, 0, mode);
    }
    return result;
}
