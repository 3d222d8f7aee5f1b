# Counts words, sentences and readability of a text, and finds repeated phrases.
# stdin:
# |It was the best of times, it was the worst of times, it was the age of wisdom,
# |it was the age of foolishness, it was the epoch of belief, it was the epoch of
# |incredulity, it was the season of Light, it was the season of Darkness, it was
# |the spring of hope, it was the winter of despair.
# |
# |"We had everything before us," said the naïve café owner. We had nothing before us!
# |Don't you think so? Mr. Ångström — aged 42 — wouldn't; he'd rather pay €3.50.
# stdout:
# |450 characters, 86 words, 41 different, 5 sentences
# |syllables 114, Flesch 77.23, mean word 3.849
# |top: [('the', 11), ('it', 10), ('was', 10), ('of', 10), ('times', 2)]
# |content: [('age', 2), ('before', 2), ('epoch', 2), ('season', 2), ('times', 2)]
# |pairs: [(('it', 'was'), 10), (('was', 'the'), 10), (('of', 'times'), 2)]
# |triples: [('it was the', 10), ('of times it', 2)]
# |  2  26 ██████████████████████████
# |  3  27 ███████████████████████████
# |  4   6 ██████
# |  5  10 ██████████
# |  6   9 █████████
# |  7   2 ██
# |  8   3 ███
# | 10   1 █
# | 11   2 ██
# |{'å': 1, 'é': 1, 'ï': 1, 'ö': 1} ['j', 'q', 'x', 'z']
# |['naive', 'cafe', 'Angstrom'] ['EM DASH', 'EURO SIGN']
# |['was', 'we', 'winter']
# |> It was the best of times, it was the worst of times, it
# |> was the age of wisdom, it was the age of foolishness, it
# |> was the epoch of belief, it was the epoch of incredulity,
# |> it was the season of Light, it was the season of …
# |Mr. Ångström — aged 42 — [...] | "We Had Everything Before Us," Said The Naïve Café Owner. | The End Of It
# |incredulity Ytiludercni *******INCREDULITY******* SS b'i\xcc\x87' fi
# |0 ["don't", "wouldn't", "he'd"]
import re
import string
import sys
import textwrap
import unicodedata
from collections import Counter
from itertools import groupby, islice, pairwise

text = sys.stdin.read()
words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", text)
lower = [word.casefold() for word in words]
sentences = [s for s in re.split(r"(?<=[.!?])[\"”]?\s+(?=[\"“A-Z])", text.strip()) if s]


def syllables(word):
    groups = re.findall(r"[aeiouyäåöéï]+", word.lower())
    return max(1, len(groups) - (word.endswith("e") and len(groups) > 1))


total = sum(map(syllables, words))
flesch = 206.835 - 1.015 * len(words) / len(sentences) - 84.6 * total / len(words)
print(f"{len(text)} characters, {len(words)} words, {len(set(lower))} different, {len(sentences)} sentences")
print(f"syllables {total}, Flesch {flesch:.2f}, mean word {sum(map(len, words)) / len(words):.3f}")
print("top:", Counter(lower).most_common(5))
STOP = {"it", "was", "the", "of", "we", "had", "us", "he", "so"}
print("content:", sorted(((w, c) for w, c in Counter(lower).items() if w not in STOP and c > 1), key=lambda x: (-x[1], x[0])))
print("pairs:", Counter(pairwise(lower)).most_common(3))
trigrams = zip(lower, islice(lower, 1, None), islice(lower, 2, None))
print("triples:", [(" ".join(t), n) for t, n in Counter(trigrams).most_common(2)])

lengths = Counter(map(len, words))
for size in sorted(lengths):
    print(f"{size:>3} {lengths[size]:>3} {'█' * lengths[size]}")
letters = Counter(c for c in text.lower() if c.isalpha())
print({k: v for k, v in sorted(letters.items()) if not k.isascii()}, sorted(set(string.ascii_lowercase) - set(letters)))
plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
print([w for w in re.findall(r"\w+", plain) if w not in text], [unicodedata.name(c) for c in sorted(set(text)) if ord(c) > 0x2000])
print({k: [*map(str, g)][:3] for k, g in groupby(sorted(set(lower), key=lambda w: (w[0], w)), key=lambda w: w[0])}["w"])
print(textwrap.fill(" ".join(text.split()), width=60, initial_indent="> ", subsequent_indent="> ", max_lines=4, placeholder=" …"))
print(textwrap.shorten(sentences[-1], 30), "|", sentences[1].title(), "|", string.capwords("the END of it"))
longest = max(words, key=lambda w: (len(w), w))
print(longest, longest[::-1].capitalize(), longest.swapcase().center(25, "*"), "ß".upper(), "İ".lower().encode(), "ﬁ".casefold())
print(sum(1 for w in set(lower) if w == w[::-1] and len(w) > 1), [w for w in lower if "'" in w])
