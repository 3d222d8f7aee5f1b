# Plans networks with ipaddress, parses URLs and queries, and checks robots and cookies.
# stdout:
# |1024 255.255.252.0 10.20.3.255 22
# |office   10.20.0.0/23    10.20.0.1 - 10.20.1.254 (510 hosts, 400 wanted)
# |servers  10.20.2.0/25    10.20.2.1 - 10.20.2.126 (126 hosts, 100 wanted)
# |printers 10.20.2.128/27  10.20.2.129 - 10.20.2.158 (30 hosts, 20 wanted)
# |link     10.20.2.160/30  10.20.2.161 - 10.20.2.162 (2 hosts, 2 wanted)
# |free: 10.20.2.164/30 10.20.2.168/29 10.20.2.176/28 10.20.2.192/26 10.20.3.0/24
# |192.168.1.1                                           3232235777 ['is_private'] 1.1.168.192.in-addr.
# |8.8.8.8                                                134744072 ['is_global'] 8.8.8.8.in-addr.arpa
# |127.0.0.1                                             2130706433 ['is_private', 'is_loopback'] 1.0.0.127.in-addr.ar
# |::1                                                            1 ['is_private', 'is_loopback'] 1.0.0.0.0.0.0.0.0.0.
# |2001:db8::ff00:42:8329    42540766411282592856904265327123268393 ['is_private'] 9.2.3.8.2.4.0.0.0.0.
# |fe80::1%eth0            Only hex digits permitted in '1%eth0' in 'fe80::1%eth0'
# |224.0.0.1                                             3758096385 ['is_global', 'is_multicast'] 1.0.0.224.in-addr.ar
# |256.1.1.1               '256.1.1.1' does not appear to be an IPv4 or IPv6 address
# |10.0.0.1/8              '10.0.0.1/8' does not appear to be an IPv4 or IPv6 address
# |10.0.0.0/8 2001:0db8:0000:0000:0000:0000:0000:0001 255.255.255.255 True
# |10.0.0.5/32 10.0.0.6/31 10.0.0.8/29 10.0.0.16/30 10.0.0.20/32 ['2001:db8::1', '2001:db8::2']
# |example.org 8443 user p@ss /a%20b/../c;v=1 [('q', 'café'), ('q', '2'), ('empty', ''), ('x', '1 2')] frag
# |https://user:p%40ss@Example.org:8443/a%20b/../c;v=1?a=1&a=2&b=%C3%BC+%26 a/b%20c%3F%C3%BC a%2Fb a+b%2Bc
# |../up                 https://example.org/one/up
# |//cdn.example.com/x   https://cdn.example.com/x
# |?only=query           https://example.org/one/two/three?only=query
# |#f                    https://example.org/one/two/three?x=1#f
# |http://other/         http://other/
# |a/./b/../c            https://example.org/one/two/a/c
# |[True, False, False] 5
# |{'id': '42', 'theme': 'dark blue', 'token': 'x;y'} token="x\073y"; HttpOnly; Max-Age=3600; Path=/
# |Not Found True 418 ['text/csv', 'application/x-tar', 'image/png', 'application/json', 'text/html'] .txt
# |data:text/plain;base64 grüße münchen.de b'xn--bcher-kva.example'
import base64
import ipaddress
import mimetypes
import urllib.robotparser
from http import HTTPStatus
from http.cookies import SimpleCookie
from itertools import islice
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlencode, urljoin, urlsplit, urlunsplit

network = ipaddress.ip_network("10.20.0.0/22")
print(network.num_addresses, network.netmask, network.broadcast_address, network.prefixlen)
wanted = {"office": 400, "servers": 100, "printers": 20, "link": 2}
free = [network]
for name, hosts in sorted(wanted.items(), key=lambda w: -w[1]):
    prefix = 32 - (hosts + 1).bit_length()
    free.sort(key=lambda n: (-n.prefixlen, n))
    block = next(n for n in free if n.prefixlen <= prefix)
    chosen = next(block.subnets(new_prefix=prefix))
    free.remove(block)
    free += block.address_exclude(chosen) if chosen != block else []
    first, *_, last = chosen.hosts()
    print(f"{name:<9}{chosen!s:<16}{first} - {last} ({chosen.num_addresses - 2} hosts, {hosts} wanted)")
print("free:", *ipaddress.collapse_addresses(free))
for text in ("192.168.1.1", "8.8.8.8", "127.0.0.1", "::1", "2001:db8::ff00:42:8329", "fe80::1%eth0", "224.0.0.1", "256.1.1.1", "10.0.0.1/8"):
    try:
        address = ipaddress.ip_address(text)
        flags = [f for f in ("is_private", "is_global", "is_loopback", "is_multicast", "is_link_local") if getattr(address, f)]
        print(f"{text:<24}{int(address):>40} {flags} {address.reverse_pointer[:20]}")
    except ValueError as error:
        print(f"{text:<24}{error}")
print(ipaddress.ip_interface("10.0.0.1/8").network, ipaddress.IPv6Address("2001:db8::1").exploded, ipaddress.ip_address(2**32 - 1), ipaddress.IPv4Address("1.2.3.4") in ipaddress.ip_network("1.2.0.0/16"))
print(*ipaddress.summarize_address_range(ipaddress.IPv4Address("10.0.0.5"), ipaddress.IPv4Address("10.0.0.20")), list(map(str, islice(ipaddress.ip_network("2001:db8::/126").hosts(), 2))))

url = "https://user:p%40ss@Example.org:8443/a%20b/../c;v=1?q=caf%C3%A9&q=2&empty=&x=1+2#frag"
parts = urlsplit(url)
print(parts.hostname, parts.port, parts.username, unquote(parts.password), parts.path, parse_qsl(parts.query, keep_blank_values=True), parts.fragment)
print(urlunsplit(parts._replace(query=urlencode({"a": [1, 2], "b": "ü &"}, doseq=True), fragment="")), quote("a/b c?ü"), quote("a/b", safe=""), quote_plus("a b+c"))
for link in ("../up", "//cdn.example.com/x", "?only=query", "#f", "http://other/", "a/./b/../c"):
    print(f"{link:<22}{urljoin('https://example.org/one/two/three?x=1', link)}")
robots = urllib.robotparser.RobotFileParser()
robots.parse("User-agent: *\nDisallow: /private/\nAllow: /\nCrawl-delay: 5\n\nUser-agent: bad\nDisallow: /\n".splitlines())
print([robots.can_fetch(agent, path) for agent, path in (("good", "/x"), ("good", "/private/y"), ("bad", "/x"))], robots.crawl_delay("good"))
cookie = SimpleCookie("id=42; theme=\"dark blue\"")
cookie["token"] = "x;y"
cookie["token"]["max-age"], cookie["token"]["httponly"], cookie["token"]["path"] = 3600, True, "/"
print({k: m.value for k, m in cookie.items()}, cookie["token"].OutputString())
print(HTTPStatus(404).phrase, HTTPStatus.OK.is_success, HTTPStatus["IM_A_TEAPOT"].value, [mimetypes.guess_type(n)[0] for n in ("a.csv", "b.tar.gz", "c.png", "d.json", "e.html")], mimetypes.guess_extension("text/plain"))
payload = "data:text/plain;base64," + base64.b64encode("grüße".encode()).decode()
head, _, body = payload.partition(",")
print(head, base64.b64decode(body).decode(), "xn--mnchen-3ya.de".encode().decode("idna"), "bücher.example".encode("idna"))
