"""Signals to processes outside, and other ways to disturb them."""

# Ignored by all who do not ask for it.
HARMLESS = signal.SIGWINCH


@attempt("signal.server", "a signal reaches the server", "ESRCH", "EPERM")
def _(target):
    os.kill(target.server, HARMLESS)


@attempt("signal.server_kill", "the server is killed", "ESRCH", "EPERM", control="`signal.server` is the same call")
def _(target):
    os.kill(target.server, signal.SIGKILL)


@attempt("signal.canary", "a signal reaches a process of the same user", "ESRCH", "EPERM")
def _(target):
    os.kill(target.canary, HARMLESS)


@attempt("signal.thread", "a signal reaches a thread of another process", "ESRCH", "EPERM")
def _(target):
    syscall(234, target.canary, target.canary, HARMLESS)


@attempt("signal.group", "a signal reaches another process group", "ESRCH", "EPERM")
def _(target):
    os.killpg(target.canary, HARMLESS)


@attempt("signal.warden", "the process that started the program is killed", "EPERM", "EPERM", control="`signal.server` is the same call")
def _(target):
    os.kill(target.warden(), signal.SIGKILL)


@attempt(
    "signal.everyone",
    "a signal reaches somebody",
    "succeeded",
    "succeeded",
    harmless="it reaches the processes of the run and nobody else: a test of its own sends SIGKILL",
)
def _(target):
    os.kill(-1, HARMLESS)


@attempt("signal.pidfd", "a signal is sent by descriptor", "ENOSYS", "ENOSYS")
def _(target):
    syscall(424, syscall(434, target.canary, 0), HARMLESS, None, 0)


@attempt("signal.queue", "a signal is sent with a value", "ESRCH", "EPERM")
def _(target):
    # SI_QUEUE
    information = ctypes.create_string_buffer(struct.pack("iii", HARMLESS, 0, -1), 128)
    syscall(129, target.canary, HARMLESS, information)


@attempt("signal.owner", "the kernel is to send signals to the server", "EPERM", "EPERM")
def _(target):
    one, _ = socket.socketpair()
    fcntl.fcntl(one, fcntl.F_SETOWN, target.server)


@attempt("signal.owner_ex", "the same by the newer call", "EPERM", "EPERM")
def _(target):
    one, _ = socket.socketpair()
    fcntl.fcntl(one, 15, struct.pack("ii", 1, target.server))


@attempt("signal.timer", "a timer is to signal another thread", "EINVAL", "EINVAL", control="the kernel allows threads of the own process only; this is about a filter that would not")
def _(target):
    # SIGEV_THREAD_ID
    event = ctypes.create_string_buffer(struct.pack("Qiii", 0, HARMLESS, 4, target.canary), 64)
    syscall(222, 0, event, ctypes.byref(ctypes.c_int()))


@attempt("signal.prlimit", "the server may open fewer files", "EPERM", "EPERM")
def _(target):
    syscall(302, target.canary, 7, struct.pack("QQ", 500, 500), None)


@attempt("signal.prlimit_read", "the server's limits are read", "EPERM", "EPERM")
def _(target):
    syscall(302, target.canary, 7, None, ctypes.create_string_buffer(16))


@attempt("signal.nice", "the server gets less of the processor", "EPERM", "EPERM")
def _(target):
    os.setpriority(os.PRIO_PROCESS, target.canary, 5)


@attempt("signal.nice_user", "everybody of the user gets less of the processor", "EPERM", "EPERM")
def _(target):
    os.setpriority(os.PRIO_USER, 0, 19)


@attempt("signal.affinity", "the server is kept to one processor", "EPERM", "EPERM")
def _(target):
    os.sched_setaffinity(target.canary, {0})


@attempt("signal.scheduler", "the server is scheduled last", "EPERM", "EPERM")
def _(target):
    os.sched_setscheduler(target.canary, os.SCHED_BATCH, os.sched_param(0))


@attempt("signal.scheduler_attributes", "the same by the newer call", "EPERM", "EPERM")
def _(target):
    attributes = struct.pack("IIQiIQQQ", 48, os.SCHED_BATCH, 0, 19, 0, 0, 0, 0)
    syscall(314, target.canary, attributes, 0)


@attempt("signal.ioprio", "the server gets less of the disk", "EPERM", "EPERM")
def _(target):
    syscall(251, 1, target.canary, (2 << 13) | 7)


@attempt("signal.shm", "shared memory of others is attached by its key", "EPERM", "EPERM")
def _(target):
    syscall(30, syscall(29, target.shm_key, 0, 0), None, 0o10000)


@attempt("signal.semaphore", "semaphores of others are used by their key", "EPERM", "EPERM")
def _(target):
    syscall(64, target.shm_key, 0, 0)


@attempt("signal.queue_key", "a message queue of others is used by its key", "EPERM", "EPERM")
def _(target):
    syscall(68, target.shm_key, 0, 0)


@attempt("signal.posix_queue", "a message queue of others is used by its name", "EPERM", "EPERM")
def _(target):
    syscall(240, text(target.queue_name), os.O_RDONLY, 0, None)


@attempt("sibling.kill", "a signal reaches another run", "ESRCH", "EPERM")
def _(target):
    os.kill(target.sibling, HARMLESS)


@attempt("sibling.environ", "another run's environment is read", "ENOENT", "EACCES")
def _(target):
    find_secret(read(f"/proc/{target.sibling}/environ"))


@attempt("sibling.read", "another run's file is read", "ENOENT", "EACCES")
def _(target):
    find_secret(read(target.sibling_workspace + "/secret"))


@attempt("sibling.list", "another run's workspace is listed", "ENOENT", "EACCES")
def _(target):
    os.listdir(target.sibling_workspace)


@attempt("sibling.write", "a file appears in another run's workspace", "ENOENT", "EACCES")
def _(target):
    os.close(os.open(target.sibling_workspace + "/new", os.O_WRONLY | os.O_CREAT, 0o600))


@attempt("sibling.principal", "the workspaces of others are listed", "ENOENT", "EACCES")
def _(target):
    os.listdir(os.path.dirname(target.sibling_workspace))


@attempt("sibling.up", "what lies above the workspace is listed", "held", "EACCES")
def _(target):
    names = os.listdir("..")
    if os.path.basename(target.sibling_workspace) not in names:
        raise Held("the other workspace is not in it")
