"""Rights and resources that a program could give itself."""


@attempt("rights.personality", "addresses are no longer random", "EPERM", "EPERM")
def _(target):
    syscall(135, 0x0040000)


@attempt("rights.memfd", "memory is held by a descriptor", "ENOSYS", "ENOSYS")
def _(target):
    os.memfd_create("escape")


@attempt("rights.memfd_exec", "a program is executed from memory", "ENOSYS", "ENOSYS")
def _(target):
    descriptor = os.memfd_create("escape")
    os.write(descriptor, read("/bin/true", 1 << 22))
    child = os.fork()
    if child == 0:
        os.execve(descriptor, ["true"], {})
    if os.waitpid(child, 0)[1]:
        raise Held("it did not run")


@attempt(
    "rights.own_exec",
    "a program of the workspace is executed",
    "succeeded",
    "succeeded",
    harmless="to run programs is what the sandbox is for, and they are in it too",
)
def _(target):
    os.close(make_own(target.own, read("/bin/true", 1 << 22), 0o700))
    child = os.fork()
    if child == 0:
        os.execv(target.own, ["true"])
    if os.waitpid(child, 0)[1]:
        raise Held("it did not run")


@attempt("rights.not_dumpable", "the program hides from its warden", "EPERM", "EPERM")
def _(target):
    syscall(157, 4, 0, 0, 0, 0)


@attempt("rights.thread_files", "a thread has open files that the process does not show", "EPERM", "EPERM", control="the thread would have no stack; the flags are refused before that is seen")
def _(target):
    # CLONE_VM, CLONE_SIGHAND and CLONE_THREAD without CLONE_FILES.
    syscall(56, 0x100 | 0x800 | 0x10000, 0, 0, 0, 0)


@attempt("rights.hugetlb", "huge pages are taken", "EPERM", "EPERM", control="few machines have any, and a process need not know")
def _(target):
    # SHM_HUGETLB
    syscall(29, 0, 1 << 21, 0o4000 | 0o1000 | 0o600)


@attempt(
    "rights.mlock",
    "memory is kept from being swapped",
    "succeeded",
    "succeeded",
    harmless="it counts as memory of the run like any other, and the system's own limit of such memory holds",
)
def _(target):
    page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    syscall(149, ctypes.addressof(ctypes.c_char.from_buffer(page)), 4096)


@attempt("rights.realtime", "the program is scheduled before all others", "EPERM", "EPERM", control="root")
def _(target):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


@attempt("rights.nice", "the program gets more of the processor", "EACCES", "EACCES", control="root")
def _(target):
    os.setpriority(os.PRIO_PROCESS, 0, -5)


@attempt("rights.rlimit", "the program may open more files", "EPERM", "EPERM", control="root", control_missing="EPERM")
def _(target):
    _, hard = os_rlimit(7)
    syscall(302, 0, 7, struct.pack("QQ", hard, hard + 1), None)


def os_rlimit(resource):
    buffer = ctypes.create_string_buffer(16)
    syscall(302, 0, resource, None, buffer)
    return struct.unpack("QQ", buffer.raw)


@attempt("rights.rlimit_processes", "the program may have more processes", "EPERM", "EPERM", control="root", control_missing="EPERM")
def _(target):
    _, hard = os_rlimit(6)
    syscall(302, 0, 6, struct.pack("QQ", hard, min(hard + 1, (1 << 64) - 1)), None)


@attempt("rights.setuid", "the program is root", "EPERM", "EPERM", control="root")
def _(target):
    os.setresuid(0, 0, 0)


@attempt("rights.setgroups", "the program is in other groups", "EPERM", "EPERM", control="root")
def _(target):
    os.setgroups([0])


@attempt("rights.capset", "the program has a capability", "EPERM", "EPERM", control="root")
def _(target):
    header = struct.pack("Ii", 0x20080522, 0)
    # CAP_CHOWN, permitted and in force.
    syscall(126, header, struct.pack("6I", 1, 1, 0, 0, 0, 0))


@attempt("rights.ambient", "programs executed have a capability", "EPERM", "EPERM", control="root")
def _(target):
    if TARGET["mode"] == "root":
        header, sets = struct.pack("Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
        syscall(125, header, sets)
        effective, permitted, _, *upper = struct.unpack("6I", sets.raw)
        syscall(126, header, struct.pack("6I", effective, permitted, 1, *upper))
    syscall(157, 47, 2, 0, 0, 0)


@attempt("rights.new_privileges", "programs executed may gain rights again", "EINVAL", "EINVAL", control="no process may, whoever it is")
def _(target):
    syscall(157, 38, 0, 0, 0, 0)


@attempt(
    "rights.subreaper",
    "orphans come to the program",
    "succeeded",
    "succeeded",
    harmless="those of its own processes; the warden stays above them and ends them all",
)
def _(target):
    syscall(157, 36, 1, 0, 0, 0)


@attempt("rights.seccomp_query", "it is seen what filters can do", "EPERM", "EPERM")
def _(target):
    syscall(317, 2, 0, struct.pack("I", 0x7FFF0000))


@attempt("rights.landlock", "a domain of its own is made", "ENOSYS", "ENOSYS")
def _(target):
    syscall(444, struct.pack("Q", 1), 8, 0)
