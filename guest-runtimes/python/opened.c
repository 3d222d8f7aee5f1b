/* Whether the program opened a file to write to.
 *
 * Python buffers what is written, and the end of a run sends what is left
 * there. Looking for such files takes time, so it is done only when there may
 * be one.
 */
#include <fcntl.h>
#include <stdarg.h>

#include "opened.h"

int __real_open(const char *path, int flags, ...);

static int opened;

int
__wrap_open(const char *path, int flags, ...)
{
    int mode = 0;
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, int);
        va_end(rest);
    }
    if (flags & O_WRONLY) {
        opened = 1;
    }
    return __real_open(path, flags, mode);
}

int
opened_a_file(void)
{
    return opened;
}

void
opened_begin_run(void)
{
    opened = 0;
}
