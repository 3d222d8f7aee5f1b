"""Ways out over sockets. None may be made; pairs are the exception."""


def connect(family, kind, address, protocol=0):
    connection = socket.socket(family, kind, protocol)
    connection.settimeout(2)
    connection.connect(address)
    return connection


@attempt("net.tcp", "a connection is made", "EPERM", "EPERM")
def _(target):
    connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", target.tcp_port))


@attempt("net.tcp6", "a connection is made by IPv6", "EPERM", "EPERM")
def _(target):
    connect(socket.AF_INET6, socket.SOCK_STREAM, ("::1", target.tcp6_port))


@attempt("net.fast_open", "a connection is made by sending", "EPERM", "EPERM")
def _(target):
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.sendto(b"x", 0x20000000, ("127.0.0.1", target.tcp_port))


@attempt("net.mptcp", "a connection is made by another protocol", "EPERM", "EPERM", control_missing="EPROTONOSUPPORT")
def _(target):
    connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", target.tcp_port), 262)


@attempt("net.udp", "a datagram is sent", "EPERM", "EPERM")
def _(target):
    connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", target.udp_port)).send(b"x")


@attempt("net.dns", "a name is resolved", "held", "held", control="a machine that tests may be without a name server")
def _(target):
    try:
        socket.getaddrinfo("example.com", 80)
    except socket.gaierror as error:
        raise Held(str(error)) from None


@attempt("net.unix_path", "a socket file is connected to", "EPERM", "EPERM")
def _(target):
    connect(socket.AF_UNIX, socket.SOCK_STREAM, target.unix_path)


@attempt("net.unix_abstract", "an abstract socket is connected to", "EPERM", "EPERM")
def _(target):
    connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + target.unix_name)


@attempt("net.unix_datagram", "a message is sent to a socket file", "EPERM", "EPERM")
def _(target):
    connect(socket.AF_UNIX, socket.SOCK_DGRAM, target.unix_datagram_path).send(b"x")


@attempt("net.pair_send", "a socket of a pair sends elsewhere", "EPERM", "EPERM")
def _(target):
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"x", target.unix_datagram_path)


@attempt("net.pair_sendmsg", "a socket of a pair sends elsewhere with a message", "EPERM", "EPERM")
def _(target):
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendmsg([b"x"], [], 0, target.unix_datagram_path)


@attempt("net.stream_sendmsg", "a connected socket sends elsewhere", "EISCONN", "EISCONN", control="the kernel lets no connected stream; this is about the only pairs that may be made")
def _(target):
    one, _ = socket.socketpair()
    one.sendmsg([b"x"], [], 0, target.unix_datagram_path)


@attempt("net.pair_connect", "a socket of a pair connects elsewhere", "EPERM", "EPERM")
def _(target):
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.connect(target.unix_datagram_path)


@attempt("net.raw", "packets of any kind are sent", "EPERM", "EPERM", control="root")
def _(target):
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@attempt("net.packet", "packets of everybody are seen", "EPERM", "EPERM", control="root", control_missing="EAFNOSUPPORT")
def _(target):
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)


@attempt("net.netlink", "the kernel is asked about its network", "EPERM", "EPERM")
def _(target):
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)


@attempt("net.vsock", "the machine beneath this one is reached", "EPERM", "EPERM", control_missing="EAFNOSUPPORT")
def _(target):
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)


@attempt("net.alg", "the kernel's ciphers are used", "EPERM", "EPERM", control_missing="EAFNOSUPPORT")
def _(target):
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)


@attempt("net.listen", "connections are taken", "EPERM", "EPERM")
def _(target):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen()


@attempt("net.pair", "two sockets are made that know each other", "succeeded", "succeeded", harmless="a pair leads nowhere else")
def _(target):
    one, other = socket.socketpair()
    one.send(b"x")
    other.recv(1)


@attempt("net.pair_buffer", "a pair holds more of the kernel's memory", "EPERM", "EPERM")
def _(target):
    one, _ = socket.socketpair()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
