# Reads standard input as bytes.
# stdin: "h\u00e9\u0000x"
# result: (b'h\xc3\xa9\x00x', 5)
import sys

data = sys.stdin.buffer.read()
(data, len(data))
