/* Files, as the C library has them. Each function answers with what it was asked
 * for, or with a number of Linux below zero; `session/fs.js` makes errors of those. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "modes.h"
#include "natives.h"

#define COUNT(table) (sizeof table / sizeof table[0])

static JSValue
failed(JSContext *context)
{
    return JS_NewInt32(context, -errno);
}

static JSValue
answered(JSContext *context, int result)
{
    return result < 0 ? failed(context) : JS_NewInt32(context, result);
}

/* What to do with a path: each is one function of the C library. */
enum { UNLINK, RMDIR, MKDIR, CHMOD, CHDIR, ACCESS, RENAME, SYMLINK, LINK };

/* A function of one path, or of a path and a number. */
static JSValue
with_path(JSContext *context, JSValueConst this, int count, JSValueConst *arguments, int what)
{
    int32_t number = 0;
    if (count > 1 && JS_ToInt32(context, &number, arguments[1]) < 0) {
        return JS_EXCEPTION;
    }
    const char *path = JS_ToCString(context, arguments[0]);
    if (path == NULL) {
        return JS_EXCEPTION;
    }
    int result = -1;
    switch (what) {
        case UNLINK: result = unlink(path); break;
        case RMDIR: result = rmdir(path); break;
        case MKDIR: result = mkdir(path, (mode_t)number); break;
        case CHMOD: result = chmod(path, (mode_t)number); break;
        case CHDIR: result = chdir(path); break;
        case ACCESS: result = access(path, number); break;
    }
    JSValue answer = answered(context, result);
    JS_FreeCString(context, path);
    return answer;
}

static JSValue
with_paths(JSContext *context, JSValueConst this, int count, JSValueConst *arguments, int what)
{
    const char *first = JS_ToCString(context, arguments[0]);
    const char *second = first ? JS_ToCString(context, arguments[1]) : NULL;
    if (second == NULL) {
        JS_FreeCString(context, first);
        return JS_EXCEPTION;
    }
    int result = what == RENAME ? rename(first, second) : what == LINK ? link(first, second) : symlink(first, second);
    JSValue answer = answered(context, result);
    JS_FreeCString(context, second);
    JS_FreeCString(context, first);
    return answer;
}

/* open(path, flags, mode) -> a descriptor. */
static JSValue
open_file(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    int32_t flags, mode;
    if (JS_ToInt32(context, &flags, arguments[1]) < 0 || JS_ToInt32(context, &mode, arguments[2]) < 0) {
        return JS_EXCEPTION;
    }
    const char *path = JS_ToCString(context, arguments[0]);
    if (path == NULL) {
        return JS_EXCEPTION;
    }
    JSValue answer = answered(context, open(path, flags, (mode_t)mode));
    JS_FreeCString(context, path);
    return answer;
}

static JSValue
close_file(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    int32_t descriptor;
    return JS_ToInt32(context, &descriptor, arguments[0]) < 0 ? JS_EXCEPTION : answered(context, close(descriptor));
}

/* transfer(descriptor, bytes, offset, size, position or -1) -> how many. */
static JSValue
transfer(JSContext *context, JSValueConst this, int count, JSValueConst *arguments, int writes)
{
    int32_t descriptor;
    int64_t offset, size, position;
    size_t whole;
    if (JS_ToInt32(context, &descriptor, arguments[0]) < 0 || JS_ToInt64(context, &offset, arguments[2]) < 0 ||
        JS_ToInt64(context, &size, arguments[3]) < 0 || JS_ToInt64(context, &position, arguments[4]) < 0) {
        return JS_EXCEPTION;
    }
    uint8_t *bytes = natives_bytes(context, &whole, arguments[1]);
    if (bytes == NULL) {
        return JS_EXCEPTION;
    }
    if (offset < 0 || size < 0 || offset > (int64_t)whole || size > (int64_t)whole - offset) {
        return JS_ThrowRangeError(context, "offset and length are outside of the buffer");
    }
    uint8_t *start = bytes + offset;
    ssize_t done;
    if (writes) {
        done = position < 0 ? write(descriptor, start, (size_t)size) : pwrite(descriptor, start, (size_t)size, position);
    } else {
        done = position < 0 ? read(descriptor, start, (size_t)size) : pread(descriptor, start, (size_t)size, position);
    }
    return answered(context, (int)done);
}

static JSValue
truncate_file(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    int32_t descriptor;
    int64_t size;
    if (JS_ToInt32(context, &descriptor, arguments[0]) < 0 || JS_ToInt64(context, &size, arguments[1]) < 0) {
        return JS_EXCEPTION;
    }
    return answered(context, ftruncate(descriptor, size));
}

static double
milliseconds(struct timespec time)
{
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

/* The numbers of a file: mode, size, the three times, inode, links, blocks. */
static JSValue
told(JSContext *context, const struct stat *found)
{
    double numbers[] = {
        found->st_mode, (double)found->st_size, milliseconds(found->st_atim), milliseconds(found->st_mtim),
        milliseconds(found->st_ctim), (double)found->st_ino, (double)found->st_nlink, (double)found->st_blocks,
    };
    JSValue array = JS_NewArray(context);
    for (uint32_t i = 0; i < COUNT(numbers); i++) {
        JS_SetPropertyUint32(context, array, i, JS_NewFloat64(context, numbers[i]));
    }
    return array;
}

/* stat(path, whether a link is followed) -> its numbers. */
static JSValue
stat_path(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    const char *path = JS_ToCString(context, arguments[0]);
    if (path == NULL) {
        return JS_EXCEPTION;
    }
    struct stat found;
    int result = JS_ToBool(context, arguments[1]) ? stat(path, &found) : lstat(path, &found);
    JSValue answer = result < 0 ? failed(context) : told(context, &found);
    JS_FreeCString(context, path);
    return answer;
}

static JSValue
stat_open(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    int32_t descriptor;
    struct stat found;
    if (JS_ToInt32(context, &descriptor, arguments[0]) < 0) {
        return JS_EXCEPTION;
    }
    return fstat(descriptor, &found) < 0 ? failed(context) : told(context, &found);
}

/* list(path) -> names and modes, one after the other; a mode without
 * permissions, and 0 where the kind is not known. */
static JSValue
list(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    const char *path = JS_ToCString(context, arguments[0]);
    if (path == NULL) {
        return JS_EXCEPTION;
    }
    DIR *folder = opendir(path);
    JSValue answer = folder ? JS_NewArray(context) : failed(context);
    JS_FreeCString(context, path);
    if (folder == NULL) {
        return answer;
    }
    uint32_t at = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        int mode = entry->d_type == DT_DIR ? S_IFDIR : entry->d_type == DT_REG ? S_IFREG
            : entry->d_type == DT_LNK ? S_IFLNK : 0;
        JS_SetPropertyUint32(context, answer, at++, JS_NewString(context, entry->d_name));
        JS_SetPropertyUint32(context, answer, at++, JS_NewInt32(context, mode));
    }
    closedir(folder);
    return answer;
}

static JSValue
read_link(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    char target[PATH_MAX];
    const char *path = JS_ToCString(context, arguments[0]);
    if (path == NULL) {
        return JS_EXCEPTION;
    }
    ssize_t size = readlink(path, target, sizeof target);
    JSValue answer = size < 0 ? failed(context) : JS_NewStringLen(context, target, (size_t)size);
    JS_FreeCString(context, path);
    return answer;
}

/* utimes(path, accessed, modified), in milliseconds. */
static JSValue
set_times(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    struct timespec times[2];
    for (int i = 0; i < 2; i++) {
        double wanted;
        if (JS_ToFloat64(context, &wanted, arguments[i + 1]) < 0) {
            return JS_EXCEPTION;
        }
        times[i].tv_sec = (time_t)(wanted / 1e3);
        times[i].tv_nsec = (long)((wanted - (double)times[i].tv_sec * 1e3) * 1e6);
    }
    const char *path = JS_ToCString(context, arguments[0]);
    if (path == NULL) {
        return JS_EXCEPTION;
    }
    JSValue answer = answered(context, utimensat(AT_FDCWD, path, times, 0));
    JS_FreeCString(context, path);
    return answer;
}

static JSValue
here(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    char path[PATH_MAX];
    return getcwd(path, sizeof path) ? JS_NewString(context, path) : failed(context);
}

static JSValue
set_mask(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    int32_t mask;
    return JS_ToInt32(context, &mask, arguments[0]) < 0 ? JS_EXCEPTION
        : JS_NewInt32(context, (int32_t)umask((unsigned)mask));
}

/* error_text(number) -> what Linux calls it. */
static JSValue
error_text(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
{
    int32_t number;
    return JS_ToInt32(context, &number, arguments[0]) < 0 ? JS_EXCEPTION : JS_NewString(context, strerror(number));
}

void
files_add(JSContext *context, JSValueConst native)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_MAGIC_DEF("unlink", 1, with_path, UNLINK),
        JS_CFUNC_MAGIC_DEF("rmdir", 1, with_path, RMDIR),
        JS_CFUNC_MAGIC_DEF("mkdir", 2, with_path, MKDIR),
        JS_CFUNC_MAGIC_DEF("chmod", 2, with_path, CHMOD),
        JS_CFUNC_MAGIC_DEF("chdir", 1, with_path, CHDIR),
        JS_CFUNC_MAGIC_DEF("access", 2, with_path, ACCESS),
        JS_CFUNC_MAGIC_DEF("rename", 2, with_paths, RENAME),
        JS_CFUNC_MAGIC_DEF("symlink", 2, with_paths, SYMLINK),
        JS_CFUNC_MAGIC_DEF("link", 2, with_paths, LINK),
        JS_CFUNC_DEF("open", 3, open_file),
        JS_CFUNC_DEF("close", 1, close_file),
        JS_CFUNC_MAGIC_DEF("read", 5, transfer, 0),
        JS_CFUNC_MAGIC_DEF("write_bytes", 5, transfer, 1),
        JS_CFUNC_DEF("truncate", 2, truncate_file),
        JS_CFUNC_DEF("stat", 2, stat_path),
        JS_CFUNC_DEF("stat_open", 1, stat_open),
        JS_CFUNC_DEF("list", 1, list),
        JS_CFUNC_DEF("read_link", 1, read_link),
        JS_CFUNC_DEF("utimes", 3, set_times),
        JS_CFUNC_DEF("here", 0, here),
        JS_CFUNC_DEF("umask", 1, set_mask),
        JS_CFUNC_DEF("error_text", 1, error_text),
        JS_PROP_INT32_DEF("O_RDONLY", O_RDONLY, 0),
        JS_PROP_INT32_DEF("O_WRONLY", O_WRONLY, 0),
        JS_PROP_INT32_DEF("O_RDWR", O_RDWR, 0),
        JS_PROP_INT32_DEF("O_CREAT", O_CREAT, 0),
        JS_PROP_INT32_DEF("O_EXCL", O_EXCL, 0),
        JS_PROP_INT32_DEF("O_TRUNC", O_TRUNC, 0),
        JS_PROP_INT32_DEF("O_APPEND", O_APPEND, 0),
    };
    JS_SetPropertyFunctionList(context, native, functions, COUNT(functions));
}
