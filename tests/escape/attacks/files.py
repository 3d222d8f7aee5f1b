"""Files of the server, of the system and of everybody."""

METADATA = "tells that a file is there and how long it is, never what is in it; only a mount namespace hides that"


@attempt("fs.read_secret", "the server's secret is read", "ENOENT", "EACCES")
def _(target):
    find_secret(read(target.secret))


@attempt("fs.key", "the key that the server seals sessions with is read", "ENOENT", "EACCES")
def _(target):
    read(target.key)


@attempt("fs.list", "a directory of the server is listed", "ENOENT", "EACCES")
def _(target):
    os.listdir(target.directory)


@attempt("fs.write_outside", "a file appears beside the server's", "ENOENT", "EACCES")
def _(target):
    os.close(os.open(target.directory + "/new", os.O_WRONLY | os.O_CREAT, 0o600))


@attempt("fs.overwrite", "the server's file is changed", "ENOENT", "EACCES")
def _(target):
    os.write(os.open(target.secret, os.O_WRONLY), b"stolen")


@attempt("fs.shadow", "the system's passwords are read", "ENOENT", "EACCES", control="root")
def _(target):
    read("/etc/shadow")


@attempt("fs.stat", "it is seen whether a file is there", "ENOENT", "succeeded", harmless=METADATA, container_root="EACCES")
def _(target):
    os.stat(target.secret)


@attempt("fs.access", "it is seen what one may do with a file", "ENOENT", "succeeded", harmless=METADATA, container_root="EACCES")
def _(target):
    if not os.access(target.secret, os.R_OK):
        # The reason is lost on the way.
        os.stat(target.secret)
        raise Held("no access")


@attempt("fs.readlink", "it is seen where a link leads", "ENOENT", "succeeded", harmless=METADATA, container_root="EACCES")
def _(target):
    os.readlink(target.directory + "/link")


@attempt("fs.statfs", "it is seen how full a disk is", "ENOENT", "succeeded", harmless=METADATA, container_root="EACCES")
def _(target):
    os.statvfs(target.secret)


@attempt("fs.getxattr", "an attribute of the server's file is read", "ENOENT", "ENOTSUP")
def _(target):
    os.getxattr(target.secret, "user.kept")


@attempt("fs.listxattr", "the attributes of the server's file are listed", "ENOENT", "ENOTSUP")
def _(target):
    os.listxattr(target.secret)


@attempt("fs.chmod", "the server's file becomes readable for all", "ENOENT", "EPERM")
def _(target):
    os.chmod(target.secret, 0o644)


@attempt("fs.fchmodat2", "the same by a newer call", "ENOSYS", "ENOSYS", control_missing="ENOSYS")
def _(target):
    syscall(452, AT_FDCWD, text(target.secret), 0o644, 0)


@attempt("fs.utimes", "the times of the server's file change", "ENOENT", "held", container_root="held")
def _(target):
    os.utime(target.secret, (1, 1))
    # A filter may let it pass for done.
    if TARGET["mode"] == "sandbox" or os.stat(target.secret).st_mtime != 1:
        raise Held("nothing changed, as the test sees from outside")


@attempt("fs.setxattr", "an attribute of the server's file changes", "ENOENT", "ENOTSUP")
def _(target):
    os.setxattr(target.secret, "user.stolen", b"1")


@attempt("fs.removexattr", "an attribute of the server's file goes", "ENOENT", "ENOTSUP")
def _(target):
    os.removexattr(target.secret, "user.kept")


@attempt("fs.chown", "the server's file gets an owner", "ENOENT", "EPERM")
def _(target):
    os.chown(target.secret, os.getuid(), os.getgid())


@attempt("fs.truncate", "the server's file becomes empty", "ENOENT", "EACCES")
def _(target):
    os.truncate(target.secret, 0)


@attempt("fs.open_truncate", "the server's file becomes empty by opening", "ENOENT", "EACCES")
def _(target):
    os.open(target.secret, os.O_WRONLY | os.O_TRUNC)


@attempt("fs.rename", "the server's file gets another name", "ENOENT", "EACCES")
def _(target):
    os.rename(target.secret, target.directory + "/renamed")


@attempt("fs.rename_in", "the server's file is moved into the workspace", "ENOENT", "EACCES")
def _(target):
    os.rename(target.secret, target.own)


@attempt("fs.rename_out", "a file of the workspace takes the place of the server's", "ENOENT", "EACCES")
def _(target):
    os.close(make_own(target.own))
    os.rename(target.own, target.secret)


@attempt("fs.exchange", "a file of the workspace and the server's change places", "ENOENT", "EACCES")
def _(target):
    os.close(make_own(target.own))
    syscall(316, AT_FDCWD, text(target.own), AT_FDCWD, text(target.secret), 2)


@attempt("fs.unlink", "the server's file goes", "ENOENT", "EACCES")
def _(target):
    os.unlink(target.secret)


@attempt("fs.rmdir", "the server's directory goes", "ENOENT", "EACCES")
def _(target):
    os.rmdir(target.directory + "/empty")


@attempt("fs.mkdir_outside", "a directory appears beside the server's", "ENOENT", "EACCES")
def _(target):
    os.mkdir(target.directory + "/new")


@attempt("fs.symlink_outside", "a link appears beside the server's file", "ENOENT", "EACCES")
def _(target):
    os.symlink("secret", target.directory + "/new")


@attempt("fs.mkfifo_outside", "a pipe appears beside the server's file", "EPERM", "EPERM")
def _(target):
    os.mkfifo(target.directory + "/new")


@attempt("fs.hardlink_in", "the server's file has a name in the workspace", "ENOENT", "EXDEV", container_root="EACCES")
def _(target):
    os.link(target.secret, target.own)


@attempt("fs.hardlink_out", "a file of the workspace has a name beside the server's", "ENOENT", "EACCES")
def _(target):
    os.close(make_own(target.own))
    os.link(target.own, target.directory + "/new")


@attempt("fs.symlink_out", "the server's secret is read through a link", "ENOENT", "EACCES")
def _(target):
    os.symlink(target.secret, target.own)
    find_secret(read(target.own))


@attempt("fs.dotdot", "the server's secret is read by a way up", "ENOENT", "EACCES")
def _(target):
    find_secret(read("../" * 40 + target.secret))


@attempt("fs.inotify", "the names of new files are told", "ENOSYS", "ENOSYS")
def _(target):
    watch = syscall(294, 0)
    syscall(254, watch, text(target.directory), 0x100)


@attempt("fs.inotify_system", "it is told when anybody starts a program", "ENOSYS", "ENOSYS")
def _(target):
    watch = syscall(294, 0)
    syscall(254, watch, b"/usr/bin", 0x20)


@attempt("fs.dnotify", "changes of a directory are told", "ENOENT", "EACCES")
def _(target):
    directory = os.open(target.directory, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.fcntl(directory, fcntl.F_NOTIFY, fcntl.DN_CREATE)


@attempt("fs.o_path", "a file is held without the right to read it", "ENOENT", "EPERM")
def _(target):
    os.open(target.secret, os.O_PATH)


@attempt("fs.o_path_reopen", "such a file is opened after all", "ENOENT", "EPERM")
def _(target):
    held = os.open(target.secret, os.O_PATH)
    find_secret(read(f"/proc/self/fd/{held}"))


@attempt("fs.o_path_openat2", "a file is held by the newer call", "ENOSYS", "ENOSYS")
def _(target):
    how = struct.pack("QQQ", os.O_PATH, 0, 0)
    syscall(437, AT_FDCWD, text(target.secret), how, len(how))


@attempt("fs.chdir", "a directory of the server becomes the current one", "ENOENT", "succeeded", harmless=METADATA, container_root="EACCES")
def _(target):
    os.chdir(target.directory)


@attempt("fs.mknod_block", "the disk has a name in the workspace", "EPERM", "EPERM", control="root")
def _(target):
    os.mknod(target.own, stat.S_IFBLK | 0o600, os.makedev(1, 0))


@attempt("fs.mknod_char", "the kernel's memory has a name in the workspace", "EPERM", "EPERM", control="root")
def _(target):
    os.mknod(target.own, stat.S_IFCHR | 0o600, os.makedev(1, 3))


@attempt("fs.whiteout", "renaming leaves a device behind", "EPERM", "EPERM")
def _(target):
    os.close(make_own(target.own))
    syscall(316, AT_FDCWD, text(target.own), AT_FDCWD, text(target.own + "-renamed"), 4)
    if not stat.S_ISCHR(os.lstat(target.own).st_mode):
        raise Held("there is no device")


@attempt("fs.whiteout_exchange", "the same together with another flag", "EPERM", "EPERM", control="the flags exclude each other")
def _(target):
    os.close(make_own(target.own))
    syscall(316, AT_FDCWD, text(target.own), AT_FDCWD, text(target.own + "-renamed"), 4 | 1)


@attempt(
    "fs.setuid_bit",
    "an own file becomes set-user-id",
    "succeeded",
    "EPERM",
    harmless="it is the program's own user, and `no_new_privs` makes the bit inert for everybody in the sandbox",
)
def _(target):
    descriptor = make_own(target.own)
    os.fchmod(descriptor, 0o4755)
    if not os.fstat(descriptor).st_mode & stat.S_ISUID:
        raise Held("the bit is not there")


@attempt("fs.exec_setuid", "a set-user-id program of root runs as root", "held", "held")
def _(target):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        os.execv(target.setuid_program, ["id", "-u"])
    os.close(writing)
    user = os.read(reading, 100).strip()
    # The server could not do anything about a file that is not its own.
    os.unlink(target.setuid_program)
    if os.waitpid(child, 0)[1] != 0:
        raise Held("it did not run")
    if user != b"0":
        raise Held(f"it ran as {user}")


@attempt("fs.fchmod_readable", "the mode of a program of the system changes", "EROFS", "EPERM", control="root")
def _(target):
    descriptor = os.open("/usr/bin/env", os.O_RDONLY)
    os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode))


@attempt("fs.futimens_readable", "the times of a program of the system change", "EROFS", "held", control="root")
def _(target):
    descriptor = os.open("/usr/bin/env", os.O_RDONLY)
    times = os.fstat(descriptor)
    os.utime(descriptor, ns=(times.st_atime_ns - 1, times.st_mtime_ns))
    if os.fstat(descriptor).st_atime_ns == times.st_atime_ns:
        raise Held("nothing changed")
    os.utime(descriptor, ns=(times.st_atime_ns, times.st_mtime_ns))


@attempt("fs.fchown_readable", "a program of the system gets an owner", "EROFS", "EPERM", control="root")
def _(target):
    descriptor = os.open("/usr/bin/env", os.O_RDONLY)
    os.fchown(descriptor, os.getuid(), os.getgid())


@attempt("fs.hardlink_system", "a program of the system has a name in the workspace", "EXDEV", "EPERM or EXDEV", control="root", control_missing="EXDEV")
def _(target):
    os.link("/usr/bin/env", target.own)


@attempt("fs.write_usr", "a program of the system appears", "EROFS", "EACCES", control="root")
def _(target):
    path = "/usr/local/bin/" + TARGET["secret"]
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o700))
    os.unlink(path)


@attempt("fs.shared_tmp", "a file that everybody may read is read in /tmp", "ENOENT", "EACCES")
def _(target):
    find_secret(read(target.tmp_file))


@attempt("fs.shared_shm", "a file that everybody may read is read in /dev/shm", "ENOENT", "EACCES")
def _(target):
    find_secret(read(target.shm_file))


@attempt(
    "fs.own_tmp",
    "a file is written in /tmp",
    "succeeded",
    "EACCES",
    harmless="it is a file system of the run, limited in size, and gone with it",
)
def _(target):
    os.close(make_own("/tmp/" + target.own + TARGET["secret"]))


@attempt(
    "fs.own_shm",
    "a file is written in /dev/shm",
    "succeeded",
    "EACCES",
    harmless="it is a file system of the run, limited in size, and gone with it",
)
def _(target):
    os.close(make_own("/dev/shm/" + target.own + TARGET["secret"]))


@attempt("fs.root_directory", "a file is written beside the workspace", "EROFS", "EACCES", control="root")
def _(target):
    path = "/" + TARGET["secret"]
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o700))
    os.unlink(path)


@attempt("fs.disk_device", "the disk is opened", "ENOENT", "EACCES", control="root", control_missing="EPERM")
def _(target):
    os.open(target.disk, os.O_RDONLY)


@attempt("fs.immutable", "an own file becomes immutable for the server", "EPERM", "EPERM", control="root")
def _(target):
    descriptor = make_own(target.own)
    fcntl.ioctl(descriptor, 0x40086602, struct.pack("l", 0x10))
    fcntl.ioctl(descriptor, 0x40086602, struct.pack("l", 0))


@attempt("fs.handle", "a file is named by number", "EPERM", "EPERM")
def _(target):
    name_to_handle(target.secret)


def name_to_handle(path):
    handle = ctypes.create_string_buffer(8 + 128)
    struct.pack_into("I", handle, 0, 128)
    mount = ctypes.c_int()
    syscall(303, AT_FDCWD, text(path), handle, ctypes.byref(mount), 0)
    return handle


@attempt("fs.open_by_handle", "a file is opened by number", "EPERM", "EPERM", control="root")
def _(target):
    # The number of the root directory of the file system, when it cannot be
    # asked for: ext4 has it at 2.
    handle = ctypes.create_string_buffer(struct.pack("IiII", 8, 1, 2, 0))
    if TARGET["mode"] == "root":
        handle = name_to_handle(target.secret)
    place = os.open(".", os.O_RDONLY)
    syscall(304, place, handle, os.O_RDONLY)


@attempt("fs.fanotify", "accesses of everybody are told", "EPERM", "EPERM")
def _(target):
    syscall(300, 0x200, 0)


@attempt("fs.lease", "others wait when they open a file of the workspace", "EPERM", "EPERM")
def _(target):
    descriptor = make_own(target.own)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)


@attempt("fs.cachestat", "it is seen what is cached of the server's file", "ENOENT", "EACCES", control_missing="ENOSYS")
def _(target):
    descriptor = os.open(target.secret, os.O_RDONLY)
    syscall(451, descriptor, struct.pack("QQ", 0, 4096), ctypes.create_string_buffer(40), 0)


@attempt("fs.quota", "quotas are asked for", "EPERM", "EPERM", control="no quota is on in most machines, and turning one on would change them")
def _(target):
    syscall(179, 0x800007 << 8, text(target.disk), 0, ctypes.create_string_buffer(128))
