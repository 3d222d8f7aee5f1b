"""What there is to attack: files, sockets, memory and processes of a user,
beside a server of the same user.

Its first argument is a directory of its own, its second the secret, and the
rest are names of attempts. Prints as JSON what it has made, and holds it until
its standard input ends.
"""

import ctypes
import json
import os
import pty
import socket
import sys

directory, secret, *attempts = sys.argv[1:]
os.umask(0)
libc = ctypes.CDLL(None, use_errno=True)
memory = ctypes.create_string_buffer(secret.encode())
made = {"secret": secret, "canary": os.getpid(), "canary_address": ctypes.addressof(memory)}


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def write(path, mode):
    with open(path, "w", opener=lambda path, flags: os.open(path, flags, mode)) as file:
        file.write(secret)


made["files"] = os.path.join(directory, "files")
os.mkdir(made["files"], 0o700)
for name in attempts:
    place = os.path.join(made["files"], name)
    os.mkdir(place, 0o700)
    os.mkdir(place + "/empty", 0o700)
    os.symlink("secret", place + "/link")
    write(place + "/secret", 0o600)
    os.setxattr(place + "/secret", "user.kept", b"1")
made["secret_file"] = os.path.join(directory, "secret")
write(made["secret_file"], 0o600)
made["key"] = made["secret_file"]
made["tmp_file"], made["shm_file"] = f"/tmp/{secret}", f"/dev/shm/{secret}"
write(made["tmp_file"], 0o666)
write(made["shm_file"], 0o666)

sockets = []


def listen(family, kind, address):
    made_socket = socket.socket(family, kind)
    made_socket.bind(address)
    if kind == socket.SOCK_STREAM:
        made_socket.listen(64)
    sockets.append(made_socket)
    return made_socket.getsockname()


made["tcp_port"] = listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))[1]
made["tcp6_port"] = listen(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0))[1]
made["udp_port"] = listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))[1]
made["unix_path"] = listen(socket.AF_UNIX, socket.SOCK_STREAM, f"{directory}/stream")
made["unix_datagram_path"] = listen(socket.AF_UNIX, socket.SOCK_DGRAM, f"{directory}/datagram")
made["unix_name"] = listen(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + secret)[1:].decode()

controlling, terminal = pty.openpty()
made["tty"] = os.ttyname(terminal)

made["shm_key"] = key = int.from_bytes(os.urandom(3), "big")
create = 0o1000
shared = checked(libc.shmget(key, 4096, create | 0o666))
semaphores = checked(libc.semget(key, 1, create | 0o666))
queue = checked(libc.msgget(key, create | 0o666))
made["queue_name"] = secret
checked(libc.mq_open(f"/{secret}".encode(), os.O_RDWR | os.O_CREAT, 0o666, None))

# For what any disk and any control group would do.
made["disk"] = next((f"/dev/{name}" for name in sorted(os.listdir("/sys/block")) if not name.startswith("loop")), "/dev/sda")
groups = ("/sys/fs/cgroup/pids/cgroup.procs", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs")
made["cgroup_procs"] = next((group for group in groups if os.path.exists(group)), groups[0])

print(json.dumps(made), flush=True)
sys.stdin.read()
libc.shmctl(shared, 0, None)
libc.semctl(semaphores, 0, 0)
libc.msgctl(queue, 0, None)
libc.mq_unlink(f"/{secret}".encode())
os.unlink(made["tmp_file"])
os.unlink(made["shm_file"])
