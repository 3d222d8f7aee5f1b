/* SQLite as on any Unix, with locks and shared memory inside of the process.
 *
 * For WASI it leaves both out, and then a second connection to a file is
 * locked out. Here no other process is there to lock out: what the connections
 * of one process know of each other is all there is to it, and that is what the
 * VFS `unix-excl` uses once it holds a lock of the file, which it always gets.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* All headers with an opinion about it are included. */
#undef __wasi__

#ifndef F_SETLK
#define F_GETLK 5
#define F_SETLK 6
#define F_SETLKW 7
#endif
#ifndef F_RDLCK
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#endif

/* The C library has none. */
struct lock {
    short l_type;
    short l_whence;
    off_t l_start;
    off_t l_len;
    pid_t l_pid;
};
#define flock lock

static int
lock_alone(int descriptor, int command, ...)
{
    (void)descriptor;
    if (command == F_GETLK) {
        va_list arguments;
        va_start(arguments, command);
        va_arg(arguments, struct lock *)->l_type = F_UNLCK;
        va_end(arguments);
    }
    return 0;
}
#define fcntl lock_alone

/* Nobody else owns a file here; SQLite asks only to know whether it is root. */
static uid_t
one_user(void)
{
    return 1;
}
#define geteuid one_user

static int
keep_owner(int descriptor, uid_t user, gid_t group)
{
    (void)descriptor, (void)user, (void)group;
    return 0;
}
#define fchown keep_owner

#define SQLITE_DEFAULT_UNIX_VFS "unix-excl"

#include "sqlite3.c"
