/* Whether the program opened a file to write to.
 *
 * Python buffers what is written, and the end of a run sends what is left
 * there. Looking for such files takes time, so it is done only when there may
 * be one.
 */
#include <fcntl.h>

#include "opened.h"

static int opened;

void
opened_note(int flags)
{
    if (flags & O_WRONLY) {
        opened = 1;
    }
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
