# Flags that mean nothing here are refused, and the program goes on.
# differs: bits that mean nothing are taken on Linux
# stdout:
# |True True
# |kept
# wrote: kept.txt
import os

kept = open("kept.txt", "w")
kept.write("kept")


def refused(flags):
    try:
        os.close(os.open("a", flags))
    except OSError as error:
        return error.errno == 22


print(refused(os.O_CREAT | os.O_WRONLY | 0o100), refused(0x80000))
kept.close()
print(open("kept.txt").read())
