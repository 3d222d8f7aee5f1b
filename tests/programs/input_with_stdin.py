# Reads lines from standard input, as input() and as a stream.
# stdin:
# |3
# |first
# |second
# |third
# |rest
# stdout: "how many? ['first', 'second', 'third']\nrest\n"
import sys

count = int(input("how many? "))
print([input() for _ in range(count)])
print(sys.stdin.read(), end="")
