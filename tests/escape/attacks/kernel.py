"""Calls that make the kernel's insides reachable."""


@attempt("kernel.ptrace", "another process is traced", "EPERM", "EPERM")
def _(target):
    # Never the parent: a tracer that waits would stop the tests.
    syscall(101, 0x4206, target.canary, None, None)


@attempt("kernel.ptrace_me", "an own process is traced", "EPERM", "EPERM")
def _(target):
    child = os.fork()
    if child == 0:
        try:
            syscall(101, 0, 0, None, None)
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, "in the child")


def vector(buffer, size):
    return struct.pack("QQ", ctypes.addressof(buffer), size)


@attempt("kernel.vm_read", "another process's memory is read", "EPERM", "EPERM")
def _(target):
    buffer = ctypes.create_string_buffer(64)
    remote = struct.pack("QQ", target.canary_address, len(TARGET["secret"]))
    syscall(310, target.canary, vector(buffer, 64), 1, remote, 1, 0)
    find_secret(buffer.raw)


@attempt("kernel.vm_write", "another process's memory is written", "EPERM", "EPERM")
def _(target):
    buffer = ctypes.create_string_buffer(TARGET["secret"].encode())
    remote = struct.pack("QQ", target.canary_address, len(TARGET["secret"]))
    syscall(311, target.canary, vector(buffer, len(TARGET["secret"])), 1, remote, 1, 0)


@attempt("kernel.madvise", "another process's memory is dropped", "ENOSYS", "ENOSYS", control="it needs more than the user has, and harms whom it is done to")
def _(target):
    descriptor = syscall(434, os.getpid(), 0)
    syscall(440, descriptor, struct.pack("QQ", 0, 0), 1, 4, 0)


@attempt("kernel.pidfd_getfd", "another process's descriptor is taken", "ENOSYS", "ENOSYS")
def _(target):
    syscall(438, syscall(434, target.canary, 0), 0, 0)


@attempt("kernel.robust_list", "an address of another process is read", "ESRCH", "EPERM")
def _(target):
    syscall(274, target.canary, ctypes.byref(ctypes.c_void_p()), ctypes.byref(ctypes.c_size_t()))


@attempt("kernel.kcmp", "it is seen whether two processes share memory", "EPERM", "EPERM", control_missing="ENOSYS")
def _(target):
    syscall(312, os.getpid(), target.canary, 1, 0, 0)


@attempt("kernel.move_pages", "another process's pages are looked up", "EPERM", "EPERM", control_missing="ENOSYS")
def _(target):
    syscall(279, target.canary, 0, None, None, None, 0)


@attempt("kernel.migrate_pages", "another process's pages are moved", "EPERM", "EPERM", control_missing="ENOSYS")
def _(target):
    mask = struct.pack("Q", 1)
    syscall(256, target.canary, 2, mask, mask)


@attempt("kernel.io_uring", "calls are made past the filter", "ENOSYS", "ENOSYS")
def _(target):
    syscall(425, 4, ctypes.create_string_buffer(120))


@attempt("kernel.io_uring_enter", "the same with a ring of others", "ENOSYS", "ENOSYS", control="it needs a ring, and `kernel.io_uring` shows that none is to be had")
def _(target):
    syscall(426, 0, 1, 0, 0, None, 0)


@attempt("kernel.aio", "files are read in the background", "EPERM", "EPERM")
def _(target):
    syscall(206, 1, ctypes.byref(ctypes.c_ulong()))


@attempt("kernel.bpf", "a program is loaded into the kernel", "EPERM", "EPERM", control="root")
def _(target):
    # BPF_MAP_CREATE of an array
    attribute = struct.pack("IIIII", 2, 4, 4, 1, 0) + bytes(100)
    syscall(321, 0, attribute, len(attribute))


@attempt("kernel.perf", "the processor's counters are read", "EPERM", "EPERM", control="root")
def _(target):
    # PERF_COUNT_SW_CPU_CLOCK
    attribute = struct.pack("IIQ", 1, 112, 0) + bytes(96)
    syscall(298, attribute, 0, -1, -1, 0)


@attempt("kernel.userfaultfd", "the kernel waits at a page of ours", "EPERM", "EPERM")
def _(target):
    syscall(323, 1)


@attempt("kernel.keyctl", "a keyring of the user is opened", "EPERM", "EPERM", control_missing="ENOSYS")
def _(target):
    syscall(250, 0, -4, 1)


@attempt("kernel.add_key", "a key is left behind", "EPERM", "EPERM", control_missing="ENOSYS")
def _(target):
    # In the keyring of this process.
    syscall(248, b"user", b"belljar-escape", b"x", 1, -2)


@attempt("kernel.request_key", "a key is looked for", "EPERM", "EPERM", control="without a key there is nothing to find")
def _(target):
    syscall(249, b"user", b"belljar-escape", None, 0)


@attempt("kernel.kexec", "another kernel is started", "EPERM", "EPERM", control="it would be this machine's end")
def _(target):
    syscall(246, 0, 0, None, 0)


@attempt("kernel.module", "a module is loaded", "EPERM", "EPERM", control="a module that fits the kernel is not at hand")
def _(target):
    syscall(313, 0, b"", 0)


@attempt("kernel.module_init", "a module is loaded from memory", "EPERM", "EPERM", control="a module that fits the kernel is not at hand")
def _(target):
    syscall(175, b"x", 1, b"")


@attempt("kernel.module_delete", "a module is removed", "EPERM", "EPERM", control="it would be taken from the machine")
def _(target):
    syscall(176, b"belljar-escape", 0x800)


@attempt("kernel.reboot", "the machine is restarted", "EPERM", "EPERM", control="it would be this machine's end")
def _(target):
    syscall(169, 0xFEE1DEAD, 0x28121969, 0x01234567, None)


@attempt("kernel.syslog", "the kernel's messages are read", "EPERM", "EPERM", control="root")
def _(target):
    syscall(103, 3, ctypes.create_string_buffer(4096), 4096)


@attempt("kernel.swapon", "memory is taken from a file", "EPERM", "EPERM", control="it would change the machine")
def _(target):
    syscall(167, b"swap", 0)


@attempt("kernel.acct", "processes are written into a file", "EPERM", "EPERM", control="it would change the machine")
def _(target):
    syscall(163, b"account")


@attempt("kernel.iopl", "ports of the hardware are opened", "EPERM", "EPERM", control="root", control_missing="ENOSYS")
def _(target):
    syscall(172, 3)


@attempt("kernel.ioperm", "one port of the hardware is opened", "EPERM", "EPERM", control="root", control_missing="ENOSYS")
def _(target):
    syscall(173, 0x80, 1, 1)


@attempt("kernel.modify_ldt", "segments of the processor are described", "EPERM", "EPERM", control_missing="ENOSYS")
def _(target):
    syscall(154, 0, ctypes.create_string_buffer(64), 64)


@attempt("kernel.memfd_secret", "memory is hidden from the kernel", "ENOSYS", "ENOSYS", control_missing="ENOSYS")
def _(target):
    syscall(447, 0)


@attempt("kernel.clock", "the machine's clock is set", "EPERM", "EPERM", control="it would change the machine")
def _(target):
    syscall(227, 0, struct.pack("qq", 0, 0))


@attempt("kernel.adjtime", "the machine's clock goes faster", "EPERM", "EPERM", control="it would change the machine")
def _(target):
    # ADJ_TICK of zero, which the kernel would refuse too.
    syscall(159, ctypes.create_string_buffer(struct.pack("I", 0x4000), 208))


@attempt("kernel.vhangup", "the terminal is taken from its user", "EPERM", "EPERM", control="it would end the terminal of whoever runs the tests")
def _(target):
    syscall(153)


@attempt("kernel.tty_input", "a line is typed into somebody's terminal", "ENOENT", "EACCES", control="root")
def _(target):
    terminal = os.open(target.tty, os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(terminal, 0x5412, b"x")


@attempt("kernel.stdin_input", "a line is typed into the standard input", "EPERM", "EPERM", control="root")
def _(target):
    terminal = 0 if TARGET["mode"] == "sandbox" else os.open(target.tty, os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(terminal, 0x5412, b"x")


@attempt("kernel.own_tty", "the program makes a terminal", "ENOENT", "EACCES")
def _(target):
    os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)


@attempt("kernel.lsm", "security modules are listed", "EPERM", "EPERM", control_missing="ENOSYS")
def _(target):
    syscall(461, ctypes.create_string_buffer(256), ctypes.byref(ctypes.c_uint32(256)), 0)


@attempt("kernel.x32", "a call is made by a number of another kind", "SIGSYS", "SIGSYS", control="many kernels have none of these numbers")
def _(target):
    syscall(0x40000000 + 39)


@attempt("kernel.int80", "a call is made as 32-bit programs do", "SIGSYS", "SIGSYS")
def _(target):
    # getpid: mov eax, 20; int 0x80; ret
    code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"
    page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    if function() != os.getpid():
        raise Held("the kernel did not answer")


@attempt("kernel.unknown", "a call that no kernel has yet is made", "EPERM", "EPERM", control="no kernel has it")
def _(target):
    syscall(1023)
