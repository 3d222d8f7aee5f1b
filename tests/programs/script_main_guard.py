# A script with a main guard, its own file name and its folder.
# args: ["x"]
# stdout:
# |__main__ /workspace ['x']
# |main.py main.py
import os
import sys


def main(arguments):
    print(__name__, os.getcwd(), arguments)
    print(os.path.basename(__file__), os.path.basename(sys.argv[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
