# Parses a binary header.
# stdout:
# |42454c4c0700efbeaddefeffffffffffffff01 19 (b'BELL', 7, 3735928559, -2, True)
# |b'aXYdef' [97, 89, 101] 000000000000f83f0000000000000440
# |256 b'\xe8\x03' 3.1415927410125732
import struct
from array import array

header = struct.pack("<4sHIq?", b"BELL", 7, 0xDEADBEEF, -2, True)
print(header.hex(), struct.calcsize("<4sHIq?"), struct.unpack("<4sHIq?", header))
view = memoryview(bytearray(b"abcdef"))
view[1:3] = b"XY"
print(bytes(view), view[::2].tolist(), array("d", [1.5, 2.5]).tobytes().hex())
print(int.from_bytes(b"\x01\x00", "big"), (1000).to_bytes(2, "little"), struct.unpack(">f", b"\x40\x49\x0f\xdb")[0])
