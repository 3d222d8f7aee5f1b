# Both ends of a pair of sockets work inside one program.
# differs: native Python waits forever where nobody can send
# stdout:
# |b'hello'
# |['one\n', 'two']
# |b''
# |BlockingIOError
# |True
# |[True, True] []
# |BrokenPipeError
import select
import socket

one, other = socket.socketpair()
one.sendall(b"hello")
print(other.recv(100))
with one.makefile("w") as file:
    file.write("one\ntwo")
one.shutdown(socket.SHUT_WR)
print(other.makefile().readlines())
print(other.recv(10))
one.setblocking(False)
try:
    one.recv(10)
except BlockingIOError as error:
    print(type(error).__name__)
one.setblocking(True)
try:
    one.recv(10)
except RuntimeError as error:
    print("nobody can send" in str(error))
other.sendall(b"x")
print([file is one for file in select.select([one], [], [], 1)[0] + select.select([one], [], [])[0]], select.select([], [], [], 0)[0])
other.close()
try:
    one.sendall(b"x")
except OSError as error:
    print(type(error).__name__)
