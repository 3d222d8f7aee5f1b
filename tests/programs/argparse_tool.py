# A small command line tool with arguments.
# args: ["--repeat", "2", "--upper", "hello", "world"]
# stdout:
# |HELLO WORLD
# |HELLO WORLD
# |6
import argparse
import sys

parser = argparse.ArgumentParser(prog="say", description="Says words.")
parser.add_argument("words", nargs="+")
parser.add_argument("--repeat", type=int, default=1)
parser.add_argument("--upper", action="store_true")
options = parser.parse_args()
for _ in range(options.repeat):
    text = " ".join(options.words)
    print(text.upper() if options.upper else text)
print(len(sys.argv))
