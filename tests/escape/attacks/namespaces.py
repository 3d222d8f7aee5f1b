"""Namespaces, and mounts within them: other views of the machine."""

NEW_USER = 0x10000000
NEW_MOUNTS = 0x20000


@attempt("namespace.unshare_user", "a user namespace is made", "EPERM", "EPERM")
def _(target):
    syscall(272, NEW_USER)


@attempt("namespace.unshare_mounts", "a mount namespace is made", "EPERM", "EPERM", control="root")
def _(target):
    syscall(272, NEW_MOUNTS)


@attempt("namespace.unshare_files", "descriptors are no longer shared", "EPERM", "EPERM")
def _(target):
    syscall(272, 0x400)


@attempt("namespace.clone_user", "a user namespace is made with a process", "EPERM", "EPERM")
def _(target):
    child = syscall(56, NEW_USER | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


@attempt("namespace.clone3_user", "the same by the newer call", "ENOSYS", "ENOSYS")
def _(target):
    arguments = struct.pack("11Q", NEW_USER, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    child = syscall(435, arguments, len(arguments))
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


@attempt("namespace.clone_untraced", "a process is made that is its parent's sibling", "EPERM", "EPERM")
def _(target):
    # CLONE_PARENT
    child = syscall(56, 0x8000 | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)


@attempt("namespace.setns", "a namespace is entered", "EPERM", "EPERM", control="root")
def _(target):
    descriptor = os.open("/proc/self/ns/uts", os.O_RDONLY) if TARGET["mode"] == "root" else os.open(".", os.O_RDONLY)
    syscall(308, descriptor, 0)


@attempt("namespace.mount", "a file system is mounted", "EPERM", "EPERM", control="root")
def _(target):
    os.mkdir(target.own)
    syscall(165, b"none", text(target.own), b"tmpfs", 0, None)


@attempt("namespace.remount", "the root becomes writable", "EPERM", "EPERM", control="root")
def _(target):
    if TARGET["mode"] == "root":
        os.mkdir(target.own)
        syscall(165, b"none", text(target.own), b"tmpfs", 0, None)
        syscall(165, None, text(target.own), None, 0x20 | 1, None)
    else:
        syscall(165, None, b"/", None, 0x20, None)


@attempt("namespace.bind", "a directory is mounted at another place", "EPERM", "EPERM", control="root")
def _(target):
    os.mkdir(target.own)
    syscall(165, b"/usr", text(target.own), None, 0x1000, None)


@attempt("namespace.umount", "what hides the host is taken away", "EPERM", "EPERM", control="root")
def _(target):
    if TARGET["mode"] == "root":
        os.mkdir(target.own)
        syscall(165, b"none", text(target.own), b"tmpfs", 0, None)
        syscall(166, text(target.own), 2)
    else:
        syscall(166, b"/", 2)


@attempt("namespace.mount_setattr", "the root becomes writable by the newer call", "EPERM", "EPERM", control="root")
def _(target):
    attributes = struct.pack("QQQQ", 0, 1, 0, 0)
    syscall(442, AT_FDCWD, b"/", 0x8000 if TARGET["mode"] != "root" else 0, attributes, len(attributes))


@attempt("namespace.fsopen", "a file system is made", "EPERM", "EPERM", control="root")
def _(target):
    syscall(430, b"tmpfs", 0)


@attempt("namespace.open_tree", "a part of the file system is taken along", "EPERM", "EPERM", control="root")
def _(target):
    syscall(428, AT_FDCWD, b".", 1)


@attempt("namespace.open_tree_path", "a file is held by another call", "EPERM", "EPERM")
def _(target):
    syscall(428, AT_FDCWD, text(target.secret), 0)


@attempt("namespace.pivot_root", "there is another root", "EPERM", "EPERM", control="root")
def _(target):
    if TARGET["mode"] == "root":
        os.mkdir(target.own)
        syscall(165, b"none", text(target.own), b"tmpfs", 0, None)
        os.chdir(target.own)
    syscall(155, b".", b".")


@attempt("namespace.chroot", "there is another root for the program", "EPERM", "EPERM", control="root")
def _(target):
    os.chroot(".")


@attempt("namespace.statmount", "mounts are listed", "EPERM", "EPERM", control_missing="ENOSYS")
def _(target):
    syscall(458, struct.pack("IIQQ", 24, 0, (1 << 64) - 1, 0), ctypes.create_string_buffer(80), 10, 0)


@attempt("namespace.sethostname", "the machine has another name", "EPERM", "EPERM", control="root")
def _(target):
    syscall(170, b"stolen", 6)
