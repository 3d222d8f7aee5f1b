# Sorts and counts words from standard input, like a shell pipeline.
# stdin: "the cat the dog\na cat\n"
# stdout:
# |   2 cat
# |   2 the
# |   1 a
# |   1 dog
import sys
from collections import Counter

words = Counter(word for line in sys.stdin for word in line.split())
for word, count in sorted(words.items(), key=lambda item: (-item[1], item[0])):
    print(f"{count:4} {word}")
