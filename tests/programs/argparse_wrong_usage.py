# A command line tool that is used wrongly ends with status 2 and its usage.
# args: ["--count", "many"]
# status: exited 2
# stderr:
# |usage: tool [-h] [--count COUNT]
# |tool: error: argument --count: invalid int value: 'many'
import argparse

parser = argparse.ArgumentParser(prog="tool")
parser.add_argument("--count", type=int)
parser.parse_args()
print("not reached")
