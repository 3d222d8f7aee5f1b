/* /tmp for a guest whose only folder is /workspace.
 *
 * Programs write to /tmp without a thought. The linker's --wrap sends the C
 * library's look-up of absolute paths here, and /tmp becomes the folder .tmp
 * of the workspace: made when it is first needed, removed after a run that
 * leaves it empty.
 */
#include "paths.h"
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

/* The one preopened folder, /workspace. */
#define WORKSPACE_DESCRIPTOR 3
#define TEMPORARY "/tmp"
#define BEHIND ".tmp"

/* Longer names than this do not exist in any file system below. */
#define PATH_SIZE 4096

static int used;

int __real___wasilibc_find_abspath(const char *path, const char **prefix, const char **relative);

int
__wrap___wasilibc_find_abspath(const char *path, const char **prefix, const char **relative)
{
    const size_t length = sizeof TEMPORARY - 1;
    if (strncmp(path, TEMPORARY, length) != 0 || (path[length] != '\0' && path[length] != '/')) {
        return __real___wasilibc_find_abspath(path, prefix, relative);
    }
    /* The caller copies what `relative` points to before it returns. */
    static char mapped[PATH_SIZE];
    int written = snprintf(mapped, sizeof mapped, "/workspace/" BEHIND "%s", path + length);
    if (written < 0 || (size_t)written >= sizeof mapped) {
        return __real___wasilibc_find_abspath(path, prefix, relative);
    }
    used = 1;
    /* Usually it exists already; the caller finds out if it could not be made. */
    (void)__wasi_path_create_directory(WORKSPACE_DESCRIPTOR, BEHIND);
    return __real___wasilibc_find_abspath(mapped, prefix, relative);
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
