# Wraps, dedents and compares text.
# stdout:
# |* The quick brown fox
# |  jumps over the lazy
# |  dog and runs away.
# |a
# |  b
# | The quick [...]
# |--- a
# |+++ b
# |@@ -1,3 +1,4 @@
# | one
# |-two
# |+2
# | three
# |+four
# |['apple', 'ape'] 1-2
import difflib
import string
import textwrap

text = "The quick brown fox jumps over the lazy dog and runs away."
print(textwrap.fill(text, 24, initial_indent="* ", subsequent_indent="  "))
print(textwrap.dedent("    a\n      b\n"), textwrap.shorten(text, 20))
before, after = ["one", "two", "three"], ["one", "2", "three", "four"]
print("\n".join(difflib.unified_diff(before, after, "a", "b", lineterm="")))
print(difflib.get_close_matches("appel", ["ape", "apple", "peach"]), string.Template("$a-$b").substitute(a=1, b=2))
