# Validates, extracts, tokenizes and rewrites text with regular expressions.
# stdout:
# |(13, 37) ann.b+work example.co.uk {'user': 'ann.b+work', 'domain': 'Example.co.uk'}
# |(42, 53) bo test.org {'user': 'bo', 'domain': 'test.org'}
# |['192.168.0.1', '10.0.0.255']
# |['#FF8800', '#abc']
# |['The', 'fox']
# |['quoted \\"text\\" here'] ['1,234.50', '99']
# |Phones: +49 (30) 123-4567, 555-0199, 0044 20 7946 0958. Paid $1,234.50 on 01.03.2026 and €99 on 1/4/26.
# |['a', 'b', 'c', 'd'] ['x', '1', 'y', '2', 'z'] ['camel', 'Case', 'Text']
# |['parse_http_response', 'xml_http_request', 'user_id2_name'] toCamelCase
# |1,234,567 and 12.3456 igpaylatin ay
# |Passw0rd    True
# |password1   False
# |Aaa4aaaA    False
# |Short1      False
# |Goood123X   False
# |Blue Sky 9  False
# |[('NAME', 'größe', 1), ('OP', '=', 1), ('NUMBER', '3.5', 1), ('OP', '*', 1), ('NAME', 'x', 1), ('NAME', 'if', 2), ('NAME', 'größe', 2), ('OP', '>=', 2), ('STRING', "'ten'", 2)]
# |'?' at 2:5
# |(unclosed  missing ), unterminated subpattern at 0
# |[a-        unterminated character set at 0
# |*x         nothing to repeat at 0
# |(?P<1a>x)  bad character in group name '1a' at 4
# |(?<=a+)b   look-behind requires fixed-width pattern at None
# |\1         invalid group reference 1 at 1
# |None 9 2 a\.b\*c\?
# |('-', 'b') 32 ['a\nb'] ('bbnbna', 2)
# |<re.Match object; span=(0, 4), match='aaab'> None hi "x" x
# |[('1', 12), ('0', 8), ('2', 7), ('a', 6)] https://example.org/a/b?c=1&d=2#top
import re
from collections import Counter

EMAIL = re.compile(r"(?P<user>[\w.+-]+)@(?P<domain>(?:[a-z0-9-]+\.)+[a-z]{2,})", re.I)
TEXT = """Contact Ann <ann.b+work@Example.co.uk> or bo@test.org; not @home or x@y.
Phones: +49 (30) 123-4567, 555-0199, 0044 20 7946 0958. Paid $1,234.50 on 2026-03-01 and €99 on 1/4/26.
IPs 192.168.0.1 256.1.1.1 10.0.0.255; hex #FF8800 #abc #12345; "quoted \\"text\\" here" 'and this'
The the quick brown fox fox jumps. https://example.org/a/b?c=1&d=2#top visit www.site.net now"""

for match in EMAIL.finditer(TEXT):
    print(match.span(), match["user"], match["domain"].lower(), match.groupdict())
octet = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
print(re.findall(rf"(?<![\d.])(?:{octet}\.){{3}}{octet}(?![\d.])", TEXT))
print(re.findall(r"#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b", TEXT))
print(re.findall(r"\b(\w+)\s+\1\b", TEXT, re.IGNORECASE))
print(re.findall(r'"((?:[^"\\]|\\.)*)"', TEXT), re.findall(r"[$€]\s?(\d{1,3}(?:,\d{3})*(?:\.\d\d)?)", TEXT))
print(re.sub(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)", r"\g<d>.\g<m>.\g<y>", TEXT.splitlines()[1]))
print(re.split(r"\s*[;,]\s*", "a; b,c ;d"), re.split(r"(\d)", "x1y2z"), re.split(r"(?=[A-Z])", "camelCaseText"))


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def camel(name):
    return re.sub(r"_(\w)", lambda m: m[1].upper(), name)


print([snake(n) for n in ("parseHTTPResponse", "XMLHttpRequest", "userID2Name")], camel("to_camel_case"))
print(re.sub(r"(?<!\.\d)(?<=\d)(?=(?:\d{3})+(?!\d))", ",", "1234567 and 12.3456"), re.sub(r"\b(.)(\w*)", lambda m: m[2] + m[1] + "ay", "pig latin"))
PASSWORD = re.compile(
    r"""^(?=.*[a-z])      # a small letter
         (?=.*[A-Z])      # a capital
         (?=.*\d)         # a digit
         (?!.*(.)\1\1)    # no character three times
         [^\s]{8,}$""",
    re.VERBOSE,
)
for word in ("Passw0rd", "password1", "Aaa4aaaA", "Short1", "Goood123X", "Blue Sky 9"):
    print(f"{word:<12}{bool(PASSWORD.match(word))}")

TOKENS = [("NUMBER", r"\d+(?:\.\d*)?"), ("NAME", r"[^\W\d]\w*"), ("OP", r"[-+*/=<>!]=?"), ("STRING", r"'[^']*'"), ("SKIP", r"[ \t]+"), ("LINE", r"\n"), ("BAD", r".")]
SCANNER = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in TOKENS))


def tokens(source):
    line, start = 1, 0
    for match in SCANNER.finditer(source):
        kind = match.lastgroup
        if kind == "LINE":
            line, start = line + 1, match.end()
        elif kind == "BAD":
            raise SyntaxError(f"{match.group()!r} at {line}:{match.start() - start + 1}")
        elif kind != "SKIP":
            yield kind, match.group(), line


print(list(tokens("größe = 3.5 * x\nif größe >= 'ten'")))
try:
    list(tokens("a = 1\nb = ?"))
except SyntaxError as error:
    print(error)
for pattern in ("(unclosed", "[a-", "*x", "(?P<1a>x)", "(?<=a+)b", r"\1"):
    try:
        re.compile(pattern)
    except re.error as error:
        print(f"{pattern:<10} {error.msg} at {error.pos}")
print(re.fullmatch(r"\w+", "naïve_東京٣", re.A), re.fullmatch(r"\w+", "naïve_東京٣").end(), re.search(r"^b$", "a\nb\nc", re.M).start(), re.escape("a.b*c?"))
print(re.match(r"(a)|(b)", "b").groups("-"), re.search(r"(?i:HELLO) w", "Hello world").re.flags, re.findall(r"(?s).+", "a\nb"), re.subn("a", "b", "banana", count=2))
print(re.match(r"(?>a+)b", "aaab"), re.match(r"a++a", "aaa"), re.search(r"(?P<q>['\"])(.*?)(?P=q)", "say 'hi \"x\"'")[2], re.compile("x").pattern)
print(Counter(re.findall(r"\b\w", TEXT.lower())).most_common(4), re.search(r"(?:www\.|https?://)\S+", TEXT).group())
