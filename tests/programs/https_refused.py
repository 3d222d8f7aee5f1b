# An https address is refused because there is no network, not because its kind is unknown.
# differs: there is no network, and the error says so
# stdout:
# |URLError True
# |OSError True
# |OSError True
# |OSError True
# |b'hi'
# |True True
import http.client
import socket
import ssl
import urllib.request

attempts = [
    lambda: urllib.request.urlopen("https://example.com/", timeout=5),
    lambda: http.client.HTTPSConnection("example.com").request("GET", "/"),
    lambda: ssl.create_default_context().wrap_socket(None, server_hostname="example.com"),
    lambda: ssl.get_server_certificate(("example.com", 443)),
]
for attempt in attempts:
    try:
        attempt()
    except OSError as error:
        print(type(error).__name__, "no network; pass the data in as a file" in str(error))
print(urllib.request.urlopen("data:text/plain,hi").read())
print(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).check_hostname, issubclass(ssl.SSLError, OSError))
