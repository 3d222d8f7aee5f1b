"""What a program has without asking for it."""


@attempt("inherited.descriptors", "something of the server is open", "held", "held")
def _(target):
    # Standard streams, the result, which the interpreter's own part moves out
    # of the way, the socket by which a program calls its host, and the pipe of the
    # attempt itself.
    calls = int(os.environ.get("BELLJAR_CALLS_FD", "-1"))
    extra = []
    for descriptor in range(4, 4096):
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:
            continue
        if descriptor == calls and stat.S_ISSOCK(mode):
            continue
        extra.append(descriptor)
    if len(extra) <= 2 and all(stat.S_ISFIFO(os.fstat(descriptor).st_mode) for descriptor in extra):
        raise Held("nothing but its own")


@attempt("inherited.environment", "a secret is in the environment", "held", "held")
def _(target):
    find_secret(repr(dict(os.environb)).encode())


@attempt("inherited.arguments", "a secret is in the arguments", "held", "held")
def _(target):
    find_secret(repr(sys.orig_argv).encode())


@attempt("inherited.terminal", "there is a terminal to speak to", "held", "held", control="tests may run without one")
def _(target):
    for descriptor in range(3):
        if os.isatty(descriptor):
            return
    raise Held("none")


@attempt("inherited.signals", "signals are blocked or ignored", "held", "held", control="the tests themselves have none of them ignored")
def _(target):
    if signal.pthread_sigmask(signal.SIG_BLOCK, []):
        return
    # Python ignores two of its own.
    usual = {signal.SIGPIPE, signal.SIGXFSZ}
    for number in signal.valid_signals() - usual:
        if signal.getsignal(number) == signal.SIG_IGN:
            return
    raise Held("none")


@attempt("inherited.groups", "the program is in a group of the host", "held", "held", control="root")
def _(target):
    if TARGET["mode"] == "root":
        os.setgroups([4])
    if set(os.getgroups()) - {os.getgid(), 65534}:
        return
    raise Held("in its own only")
