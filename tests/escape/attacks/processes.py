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


@attempt("proc.sys", "a setting of the kernel is changed", "EROFS", "EACCES", root="EACCES", control="root")
def _(target):
    # The same as it is. It belongs to a namespace, which the control has of its own.
    descriptor = os.open("/proc/sys/kernel/hostname", os.O_RDWR)
    os.write(descriptor, os.read(descriptor, 100))


@attempt("proc.core_pattern", "the kernel is to run a program of ours", "ENOENT", "EACCES", control="root")
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


def find_some(found):
    if not found and TARGET["mode"] != "sandbox":
        raise FileNotFoundError(errno.ENOENT, "this machine has nothing of the kind")
    if not found:
        raise Held("there is nothing in it")


def kernel_file(name):
    find_some(read(f"/proc/{name}", 4096).strip())


def kernel_directory(name):
    find_some(os.listdir(f"/proc/{name}"))


# What a kernel may be built without is missing in the control as well.
for name in (
    "buddyinfo cgroups cmdline config.gz consoles crypto devices diskstats interrupts iomem ioports key-users keys "
    "locks misc modules partitions sched_debug softirqs version zoneinfo"
).split():
    missing = None if name in ("cmdline", "interrupts", "version") else "ENOENT"
    # Docker covers it with the null device, which may be read.
    covered = {"container_root": "held", "container_user": "held"} if name == "keys" else {}
    attempt(
        f"proc.kernel.{name}",
        "the kernel tells about the host",
        "held",
        "EACCES",
        control="root",
        control_missing=missing,
        **covered,
    )(lambda target, name=name: kernel_file(name))

for name in "acpi bus driver fs irq pressure scsi sysvipc tty".split():
    attempt(f"proc.kernel.{name}", "the kernel tells about the host", "held", "EACCES", control="root", control_missing="ENOENT")(
        lambda target, name=name: kernel_directory(name)
    )


@attempt("proc.boot_id", "it is told which start of which host this is", "ENOENT", "EACCES")
def _(target):
    read("/proc/sys/kernel/random/boot_id")


@attempt("proc.mountinfo", "it is told where on the host the workspace lies", "held", "EACCES")
def _(target):
    kernel_file("self/mountinfo")


@attempt("proc.mounts", "it is told what is mounted", "held", "EACCES")
def _(target):
    kernel_file("mounts")


@attempt("proc.warden_mountinfo", "the warden's mounts are told", "held", "EACCES")
def _(target):
    kernel_file(f"{target.warden()}/mountinfo")


@attempt("proc.thread_mountinfo", "the mounts of a thread are told", "held", "EACCES")
def _(target):
    kernel_file(f"self/task/{os.getpid()}/mountinfo")
