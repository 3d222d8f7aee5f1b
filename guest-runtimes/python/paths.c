/* Paths beside the one folder that a guest has, /workspace.
 *
 * Programs write to /tmp without a thought, and to /dev/null. The linker's
 * --wrap sends the C library's look-up of absolute paths here. /tmp becomes
 * the folder .tmp of the workspace: made when it is first needed, removed
 * after a run that leaves it empty. All else is the host's, which knows devices
 * and what an operator has mounted by their absolute names, and says of the rest
 * that it is not there.
 */
#include "paths.h"
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

/* The one preopened folder, /workspace. */
#define WORKSPACE_DESCRIPTOR 3
#define WORKSPACE "/workspace"
#define TEMPORARY "/tmp"
#define BEHIND ".tmp"
#define BEHIND_WHOLE WORKSPACE "/" BEHIND

/* Longer names than this do not exist in any file system below. */
#define PATH_SIZE 4096

static int used;

/* Whether `path` is `folder`, or leads into it. */
static int
is_in(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

int __real___wasilibc_find_abspath(const char *path, const char **prefix, const char **relative);

int
__wrap___wasilibc_find_abspath(const char *path, const char **prefix, const char **relative)
{
    /* The root's own slashes say nothing. */
    while (path[0] == '/' && path[1] == '/') {
        path++;
    }
    if (is_in(path, WORKSPACE)) {
        return __real___wasilibc_find_abspath(path, prefix, relative);
    }
    if (!is_in(path, TEMPORARY)) {
        *prefix = "";
        *relative = path;
        return WORKSPACE_DESCRIPTOR;
    }
    /* The caller copies what `relative` points to before it returns. */
    static char mapped[PATH_SIZE];
    int written = snprintf(mapped, sizeof mapped, BEHIND_WHOLE "%s", path + sizeof TEMPORARY - 1);
    if (written < 0 || (size_t)written >= sizeof mapped) {
        return __real___wasilibc_find_abspath(path, prefix, relative);
    }
    used = 1;
    /* Usually it exists already; the caller finds out if it could not be made. */
    (void)__wasi_path_create_directory(WORKSPACE_DESCRIPTOR, BEHIND);
    return __real___wasilibc_find_abspath(mapped, prefix, relative);
}

char *__real_getcwd(char *buffer, size_t size);

/* A program that went to /tmp is there. To the C library, what the host knows by
 * its absolute name lies beneath a folder without a name. */
char *
__wrap_getcwd(char *buffer, size_t size)
{
    char *here = __real_getcwd(buffer, size);
    if (here == NULL) {
        return NULL;
    }
    if (here[0] == '/' && here[1] == '/') {
        memmove(here, here + 1, strlen(here));
    }
    if (is_in(here, BEHIND_WHOLE)) {
        const char *rest = here + sizeof BEHIND_WHOLE - 1;
        memcpy(here, TEMPORARY, sizeof TEMPORARY - 1);
        memmove(here + sizeof TEMPORARY - 1, rest, strlen(rest) + 1);
    }
    return here;
}

void
paths_end_run(void)
{
    if (used) {
        used = 0;
        /* Refused when something is in it, and then it stays. */
        (void)__wasi_path_remove_directory(WORKSPACE_DESCRIPTOR, BEHIND);
    }
}
