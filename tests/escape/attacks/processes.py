"""Processes as files, and what else the kernel shows as files."""

OWN_ONLY = "only the processes of the run are in it"


def process_file(target, name):
    find_secret(read(f"/proc/{target.server}/{name}"))


@attempt("proc.environ", "the server's environment is read", "ENOENT", "EACCES")
def _(target):
    process_file(target, "environ")


@attempt("proc.cmdline", "the server's arguments are read", "ENOENT", "EACCES")
def _(target):
    read(f"/proc/{target.server}/cmdline")


@attempt("proc.status", "the server's state is read", "ENOENT", "EACCES")
def _(target):
    read(f"/proc/{target.server}/status")


@attempt("proc.mem", "the server's memory is opened", "ENOENT", "EACCES")
def _(target):
    os.open(f"/proc/{target.server}/mem", os.O_RDONLY)


@attempt("proc.maps", "the server's memory map is read", "ENOENT", "EACCES")
def _(target):
    read(f"/proc/{target.server}/maps")


@attempt("proc.root", "the file system is entered by the server", "ENOENT", "EACCES")
def _(target):
    find_secret(read(f"/proc/{target.server}/root" + target.secret_file))


@attempt("proc.cwd", "the server's directory is entered", "ENOENT", "EACCES")
def _(target):
    os.listdir(f"/proc/{target.server}/cwd")


@attempt("proc.fd", "the server's open files are listed", "ENOENT", "EACCES")
def _(target):
    os.listdir(f"/proc/{target.server}/fd")


@attempt("proc.exe", "the server's program is opened", "ENOENT", "EACCES")
def _(target):
    os.open(f"/proc/{target.server}/exe", os.O_RDONLY)


@attempt("proc.readlink", "it is seen which program the server is", "ENOENT", "EACCES")
def _(target):
    os.readlink(f"/proc/{target.server}/exe")


@attempt("proc.readlink_fd", "it is seen what the server has open", "ENOENT", "EACCES")
def _(target):
    os.readlink(f"/proc/{target.server}/fd/0")


@attempt("proc.chdir", "the server's directory becomes the current one", "ENOENT", "EACCES")
def _(target):
    os.chdir(f"/proc/{target.server}/cwd")


@attempt(
    "proc.exists",
    "it is seen whether a process is there",
    "ESRCH",
    "succeeded",
    harmless="tells that a process is there and its priority; only a process namespace hides that",
)
def _(target):
    os.getpriority(os.PRIO_PROCESS, target.server)


@attempt("proc.namespace", "a namespace of the server is opened", "ENOENT", "EACCES")
def _(target):
    os.open(f"/proc/{target.server}/ns/net", os.O_RDONLY)


@attempt("proc.init_environ", "the environment of the first process is read", "EACCES", "EACCES", control="root", control_missing="EACCES")
def _(target):
    read("/proc/1/environ")


@attempt("proc.list", "other processes are seen", "held", "EACCES")
def _(target):
    numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    if target.server not in numbers:
        raise Held(OWN_ONLY)


@attempt("proc.oom_score", "others are to die before the program", "EACCES", "EACCES", control="root", control_missing="EACCES")
def _(target):
    os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"-999")


@attempt("proc.sys", "a setting of the kernel is changed", "EACCES", "EACCES", control="root")
def _(target):
    # The same as it is. It belongs to a namespace, which the control has of its own.
    descriptor = os.open("/proc/sys/kernel/hostname", os.O_RDWR)
    os.write(descriptor, os.read(descriptor, 100))


@attempt("proc.core_pattern", "the kernel is to run a program of ours", "EACCES", "EACCES", control="root")
def _(target):
    os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)


@attempt("proc.sysrq", "the machine is restarted", "EACCES", "EACCES", control="root", control_missing="ENOENT")
def _(target):
    # Opening does nothing yet.
    os.open("/proc/sysrq-trigger", os.O_WRONLY)


@attempt("proc.kallsyms", "addresses of the kernel are read", "held", "EACCES", control="root")
def _(target):
    for line in read("/proc/kallsyms", 4096).splitlines()[1:]:
        if int(line.split()[0], 16):
            return
    raise Held("all addresses are zero")


@attempt("proc.sysfs", "a setting of the kernel is opened", "ENOENT", "EACCES", control="root")
def _(target):
    os.open("/sys/kernel/mm/transparent_hugepage/enabled", os.O_RDWR)


@attempt("proc.sysfs_read", "the hardware is listed", "ENOENT", "EACCES")
def _(target):
    os.listdir("/sys/class/net")


@attempt("proc.cgroup", "the program leaves its control group", "ENOENT", "EACCES", control="root")
def _(target):
    os.open(target.cgroup_procs, os.O_WRONLY)


@attempt("proc.kmsg", "the kernel's messages are opened", "ENOENT", "EACCES", control="root")
def _(target):
    os.open("/dev/kmsg", os.O_RDONLY)


@attempt("proc.debugfs", "the kernel's insides are listed", "ENOENT", "EACCES", control="root")
def _(target):
    os.listdir("/sys/kernel/debug")
