# A thread that writes into a pair of sockets wakes whoever waits for the other end.
# stdout:
# |True b'x'
# |b'yy'
# |True True
import select
import socket
import threading
import time

here, there = socket.socketpair()


def send(data):
    time.sleep(0.05)
    there.send(data)


started = time.monotonic()
threading.Thread(target=send, args=(b"x",)).start()
print(select.select([here], [], [], 30)[0] == [here], here.recv(1))
threading.Thread(target=send, args=(b"yy",)).start()
print(here.recv(2))
here.settimeout(0.1)
try:
    here.recv(1)
except TimeoutError:
    print(True, time.monotonic() - started < 10)
