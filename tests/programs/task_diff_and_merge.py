# Compares two versions of a file and merges both with their ancestor.
# file base.txt: "title: Report\nauthor: Ann\nversion: 1\n\nIntro\nBody one\nBody two\nEnd\n"
# file mine.txt: "title: Report\nauthor: Ann B.\nversion: 1\n\nIntro\nBody one\nBody two and a half\nEnd\nAppendix\n"
# file theirs.txt: "title: Final report\nauthor: Ann\nversion: 2\n\nIntro\nBody one\nBody 2\nEnd\n"
# stdout:
# |--- base.txt	2026-03-01
# |+++ mine.txt	2026-03-02
# |@@ -1,3 +1,3 @@
# | title: Report
# |-author: Ann
# |+author: Ann B.
# | version: 1
# |@@ -6,3 +6,4 @@
# | Body one
# |-Body two
# |+Body two and a half
# | End
# |+Appendix
# |
# |*** base.txt
# |--- theirs.txt
# |***************
# |*** 1 ****
# |! title: Report
# |--- 1 ----
# |! title: Final report
# |***************
# |*** 3 ****
# |! version: 1
# |--- 3 ----
# |! version: 2
# |***************
# |*** 7 ****
# |! Body two
# |--- 7 ----
# |! Body 2
# |
# |- title: Report
# |?        ^
# |+ title: Final report
# |?        ^^^^^^^
# |  author: Ann
# |- version: 1
# |?          ^
# |+ version: 2
# |?          ^
# |
# |conflicts: 1
# |title: Final report
# |author: Ann B.
# |version: 2
# |
# |Intro
# |Body one
# |<<<<<<< mine
# |Body two and a half
# |=======
# |Body 2
# |>>>>>>> theirs
# |End
# |Appendix
# |
# |0.6154 [Match(a=1, b=1, size=3), Match(a=5, b=5, size=1), Match(a=6, b=7, size=0)] Match(a=1, b=1, size=3)
# |['appeal', 'apple', 'ape'] False
# |2873 3 0
# |['a\n', 'c\n']
# |$.a: 1 -> 1.5
# |$.b.c: [1, 2] -> [1, 3]
# |$.b.e: null -> true
# wrote: merged.txt
import difflib
import filecmp
import json
from pathlib import Path

base, mine, theirs = (Path(f"{name}.txt").read_text().splitlines() for name in ("base", "mine", "theirs"))
print("\n".join(difflib.unified_diff(base, mine, "base.txt", "mine.txt", "2026-03-01", "2026-03-02", lineterm="", n=1)))
print()
print("\n".join(difflib.context_diff(base, theirs, "base.txt", "theirs.txt", lineterm="", n=0)))
print()
for line in difflib.ndiff(base[:3], theirs[:3]):
    print(line.rstrip("\n"))


def changes(old, new):
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return {(a, b): new[c:d] for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"}


def merge(base, mine, theirs):
    one, two = changes(base, mine), changes(base, theirs)
    result, conflicts, at = [], 0, 0
    spans = sorted({*one, *two})
    while spans:
        start, end = spans.pop(0)
        a, b = one.get((start, end)), two.get((start, end))
        overlapping = [s for s in spans if s[0] < end]
        result += base[at:start]
        if overlapping:
            end = max([end, *(s[1] for s in overlapping)])
            spans = [s for s in spans if s not in overlapping]
            a = b = []
        if (a is None or b is None or a == b) and not overlapping:
            result += a if a is not None else b
        else:
            conflicts += 1
            result += ["<<<<<<< mine", *(a or []), "=======", *(b or []), ">>>>>>> theirs"]
        at = end
    return result + base[at:], conflicts


merged, conflicts = merge(base, mine, theirs)
Path("merged.txt").write_text("\n".join(merged) + "\n")
print("\nconflicts:", conflicts)
print(Path("merged.txt").read_text())
matcher = difflib.SequenceMatcher(a="kitten", b="sitting")
print(round(matcher.ratio(), 4), matcher.get_matching_blocks(), matcher.find_longest_match())
print(difflib.get_close_matches("appel", ["ape", "apple", "peach", "puppy", "appeal"]), filecmp.cmp("base.txt", "mine.txt", shallow=False))
html = difflib.HtmlDiff(wrapcolumn=30).make_table(base, mine, context=True)
print(len(html), html.count("diff_add"), html.count("diff_chg"))
print(list(difflib.restore(difflib.ndiff(["a\n", "b\n"], ["a\n", "c\n"]), 2)))


def paths(old, new, at="$"):
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from paths(old.get(key), new.get(key), f"{at}.{key}")
    elif old != new:
        yield f"{at}: {json.dumps(old)} -> {json.dumps(new)}"


print(*paths({"a": 1, "b": {"c": [1, 2], "d": None}}, {"a": 1.5, "b": {"c": [1, 3], "e": True}}), sep="\n")
