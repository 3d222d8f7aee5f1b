# Takes URLs apart and puts them together.
# stdout:
# |example.com 8443 /a%20b/c {'x': ['1', '2'], 'y': ['é']}
# |https://example.com/c?d=1 q=a+b%26c&n=1&n=2
# |a%20b/%C3%A9 a b!
# |[IPv4Address('10.0.0.1'), IPv4Address('10.0.0.2')] True
import ipaddress
from urllib.parse import parse_qs, quote, unquote_plus, urlencode, urljoin, urlsplit

parts = urlsplit("https://user@example.com:8443/a%20b/c?x=1&x=2&y=%C3%A9#frag")
print(parts.hostname, parts.port, parts.path, parse_qs(parts.query))
print(urljoin("https://example.com/a/b", "../c?d=1"), urlencode({"q": "a b&c", "n": [1, 2]}, doseq=True))
print(quote("a b/é"), unquote_plus("a+b%21"))
print(list(ipaddress.ip_network("10.0.0.0/30").hosts()), ipaddress.ip_address("::1").is_loopback)
