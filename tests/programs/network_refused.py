# Reaching another machine fails at once, with the reason.
# differs: there is no network, and the error says so
# stdout:
# |URLError True
# |OSError True
# |OSError True
import socket
import urllib.error
import urllib.request

attempts = [
    lambda: urllib.request.urlopen("http://example.com/", timeout=5),
    lambda: socket.create_connection(("127.0.0.1", 80), timeout=5),
    lambda: socket.getaddrinfo("example.com", 443),
]
for attempt in attempts:
    try:
        attempt()
    except OSError as error:
        print(type(error).__name__, "no network" in str(error))
