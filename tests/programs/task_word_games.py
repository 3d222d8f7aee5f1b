# Plays with words: anagrams, Levenshtein, a trie with completion, ciphers, word ladders, phonetics.
# file words.txt:
# |listen silent enlist google elgoog abc cab bca night thing cold cord card ward warm word worm
# |apple apply ape apt application banana band bandana can cane candle
# stdout:
# |[['abc', 'cab', 'bca'], ['listen', 'silent', 'enlist'], ['google', 'elgoog'], ['night', 'thing']]
# |  'kitten' 'sitting'  3 3
# |'saturday' 'sunday'   3 3
# |    'form' 'from'     2 1
# |        '' 'abc'      3 3
# |    'über' 'uber'     1 1
# |{'aple': 'ape', 'bannana': 'banana', 'candel': 'candle', 'googel': 'google', 'nihgt': 'night'}
# |['apple', 'application', 'apply'] ['can', 'candle', 'cane'] [] True False 93
# |cold > cord > card > ward > warm None
# |Dwwdfn dw Gdzq, c! Attack at Dawn, z! rijvsuyvjn helloworld
# |23 the quick brown fox
# |{'Robert': 'R163', 'Rupert': 'R163', 'Ashcraft': 'A261', 'Tymczak': 'T522', 'Pfister': 'P236', 'Honeyman': 'H555'}
# |... --- ...   .... . .-.. .--. | sos help
# |['appleway', 'ingstray', 'ythmrhay', 'uickqay'] [] [('a', 22), ('n', 14), ('l', 10)]
# |True (3, 13)
import string
from collections import Counter, defaultdict, deque
from functools import lru_cache
from itertools import groupby
from pathlib import Path

WORDS = Path("words.txt").read_text().split()
groups = defaultdict(list)
for word in WORDS:
    groups["".join(sorted(word))].append(word)
print(sorted((g for g in groups.values() if len(g) > 1), key=lambda g: (-len(g), g)))


def levenshtein(a, b):
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return previous[-1]


@lru_cache(None)
def damerau(a, b):
    if not a or not b:
        return len(a) + len(b)
    options = [damerau(a[1:], b) + 1, damerau(a, b[1:]) + 1, damerau(a[1:], b[1:]) + (a[0] != b[0])]
    if len(a) > 1 and len(b) > 1 and a[:2] == b[1::-1]:
        options.append(damerau(a[2:], b[2:]) + 1)
    return min(options)


for a, b in (("kitten", "sitting"), ("saturday", "sunday"), ("form", "from"), ("", "abc"), ("über", "uber")):
    print(f"{a!r:>10} {b!r:<10} {levenshtein(a, b)} {damerau(a, b)}")
print({typo: min(WORDS, key=lambda w: (levenshtein(typo, w), w)) for typo in ("aple", "bannana", "candel", "googel", "nihgt")})


class Trie:
    def __init__(self):
        self.children = {}
        self.word = False

    def insert(self, word):
        node = self
        for letter in word:
            node = node.children.setdefault(letter, Trie())
        node.word = True

    def __contains__(self, word):
        node = self.find(word)
        return node is not None and node.word

    def find(self, prefix):
        node = self
        for letter in prefix:
            node = node.children.get(letter)
            if node is None:
                return None
        return node

    def walk(self, prefix=""):
        if self.word:
            yield prefix
        for letter in sorted(self.children):
            yield from self.children[letter].walk(prefix + letter)

    def complete(self, prefix):
        node = self.find(prefix)
        return list(node.walk(prefix)) if node else []

    def size(self):
        return 1 + sum(child.size() for child in self.children.values())


trie = Trie()
for word in WORDS:
    trie.insert(word)
print(trie.complete("app"), trie.complete("can"), trie.complete("z"), "band" in trie, "ban" in trie, trie.size())


def ladder(start, goal):
    words = {w for w in WORDS if len(w) == len(start)}
    previous, queue = {start: None}, deque([start])
    while queue:
        word = queue.popleft()
        if word == goal:
            path = []
            while word:
                path.append(word)
                word = previous[word]
            return path[::-1]
        for other in sorted(words - previous.keys()):
            if sum(a != b for a, b in zip(word, other)) == 1:
                previous[other] = word
                queue.append(other)


print(" > ".join(ladder("cold", "warm")), ladder("night", "thing"))


def caesar(text, shift):
    low, up = string.ascii_lowercase, string.ascii_uppercase
    return text.translate(str.maketrans(low + up, low[shift:] + low[:shift] + up[shift:] + up[:shift]))


def vigenere(text, key, sign=1):
    keys = (ord(k) - 97 for i in range(len(text)) for k in key[i % len(key)])
    return "".join(chr((ord(c) - 97 + sign * next(keys)) % 26 + 97) if c.islower() else c for c in text)


secret = caesar("Attack at Dawn, z!", 3)
print(secret, caesar(secret, -3), vigenere("helloworld", "key"), vigenere(vigenere("helloworld", "key"), "key", -1))
ENGLISH = dict(zip("etaoinshrdlu", range(12, 0, -1)))
cracked = max(range(26), key=lambda s: sum(ENGLISH.get(c, 0) for c in caesar("wkh txlfn eurzq ira mxpsv ryhu wkh odcb grj", s)))
print(cracked, caesar("wkh txlfn eurzq ira", cracked))


def soundex(name):
    codes = {c: str(n) for n, letters in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), 1) for c in letters}
    coded = [codes.get(c, "" if c in "hw" else "0") for c in name.lower()]
    squeezed = [k for k, _ in groupby(c for c in coded if c)]
    return (name[0].upper() + "".join(c for c in squeezed[(coded[0] != "0"):] if c != "0") + "000")[:4]


print({n: soundex(n) for n in ("Robert", "Rupert", "Ashcraft", "Tymczak", "Pfister", "Honeyman")})
morse = dict(zip("abcdefghijklmnopqrstuvwxyz", ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --..".split()))
code = "   ".join(" ".join(morse[c] for c in w) for w in "sos help".split())
back = {v: k for k, v in morse.items()}
print(code, "|", " ".join("".join(back[c] for c in w.split()) for w in code.split("   ")))
pig = lambda w: w + "way" if w[0] in "aeiou" else (lambda i: w[i:] + w[:i] + "ay")(next(i for i, c in enumerate(w) if c in "aeiouy"))
print([pig(w) for w in ("apple", "string", "rhythm", "quick")], [w for w in WORDS if w == w[::-1]], Counter("".join(WORDS)).most_common(3))
text = "was it a car or a cat i saw"
print(text.replace(" ", "") == text[::-1].replace(" ", ""), max(((i, j) for i in range(30) for j in range(i, 31) if (s := "forgeeksskeegfor"[i:j]) == s[::-1]), key=lambda p: p[1] - p[0] if p[1] <= 16 else 0))
