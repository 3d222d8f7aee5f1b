# Prints two lines that JSON would have to escape, and shows a plot.
import math
import struct
import zlib

from IPython.display import Image

print('peak: "+1.0" at 80')
print("trough: \u22121.0 at 240 \\ end")

WIDTH, HEIGHT = 320, 200
pixels = [bytearray(b"\xff\xff\xff" * WIDTH) for _ in range(HEIGHT)]
for x in range(WIDTH):
    pixels[HEIGHT // 2][3 * x : 3 * x + 3] = b"\xb0\xb0\xb0"
    y = round(HEIGHT / 2 - 80 * math.sin(2 * math.pi * x / WIDTH))
    pixels[y][3 * x : 3 * x + 3] = b"\x1f\x77\xb4"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
rows = b"".join(b"\0" + row for row in pixels)
display(
    Image(
        data=b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
)
