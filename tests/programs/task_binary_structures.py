# Writes and parses binary data: a BMP picture, a PNG, a WAV, records, bit fields, varints.
# stdout:
# |(b'BM', 486) (15, 9) 2272248870
# |IHDR 13 crc ok
# |IDAT 269 crc ok
# |IEND 0 crc ok
# |_wave_params(nchannels=1, sampwidth=2, framerate=8000, nframes=800, comptype='NONE', compname='not compressed') 20000 430 Hz
# |28 16 13 24
# |Record(id=9223372036854775813, price=12.5, flags=True, name='alpha')
# |Record(id=7, price=-0.0, flags=False, name='beta')
# |0 00
# |127 7f
# |300 ac 02
# |2147483648 80 80 80 80 08
# |9223372036854775807 ff ff ff ff ff ff ff ff 7f
# |0010110000110001 5 33 17 b'\xff\xff\xff\xfb' -2
# |b 1 'b' format requires -128 <= number <= 127
# |B 1 'B' format requires 0 <= number <= 255
# |h 2 'h' format requires -32768 <= number <= 32767
# |H 2 'H' format requires 0 <= number <= 65535
# |i 4 'i' format requires -2147483648 <= number <= 2147483647
# |I 4 'I' format requires 0 <= number <= 4294967295
# |q 8 'q' format requires -9223372036854775808 <= number <= 9223372036854775807
# |Q 8 'Q' format requires 0 <= number <= 18446744073709551615
# |4 8 [0, 0]
# |3e00 nan (0.625, -2) 0x1.999999999999ap-4 12.0
# |unpack requires a buffer of 4 bytes
# wrote: picture.bmp picture.png tone.wav
import array
import io
import math
import struct
import wave
import zlib
from collections import namedtuple
from pathlib import Path


def bmp(width, height, colour):
    row = (width * 3 + 3) & ~3
    pixels = bytearray()
    for y in reversed(range(height)):
        line = b"".join(bytes(reversed(colour(x, y))) for x in range(width))
        pixels += line.ljust(row, b"\0")
    head = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(pixels), 2835, 2835, 0, 0) + pixels


def png(width, height, colour):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    raw = b"".join(b"\0" + bytes(c for x in range(width) for c in colour(x, y)) for y in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


gradient = lambda x, y: (x * 16 % 256, y * 16 % 256, (x ^ y) * 8 % 256)
Path("picture.bmp").write_bytes(bmp(15, 9, gradient))
Path("picture.png").write_bytes(png(15, 9, gradient))
data = Path("picture.bmp").read_bytes()
print(struct.unpack_from("<2sI", data), struct.unpack_from("<ii", data, 18), zlib.crc32(data))
image = Path("picture.png").read_bytes()
at = 8
while at < len(image):
    size, kind = struct.unpack_from(">I4s", image, at)
    print(kind.decode(), size, "crc ok" if zlib.crc32(image[at + 4 : at + 8 + size]) == int.from_bytes(image[at + 8 + size : at + 12 + size]) else "bad")
    at += 12 + size

with wave.open("tone.wav", "wb") as sound:
    sound.setnchannels(1)
    sound.setsampwidth(2)
    sound.setframerate(8000)
    samples = array.array("h", (int(20000 * math.sin(2 * math.pi * 440 * n / 8000)) for n in range(800)))
    sound.writeframes(samples.tobytes())
with wave.open("tone.wav") as sound:
    back = array.array("h", sound.readframes(sound.getnframes()))
    crossings = sum(a < 0 <= b for a, b in zip(back, back[1:]))
    print(sound.getparams(), max(back), crossings * 10, "Hz")

Record = namedtuple("Record", "id price flags name")
layout = struct.Struct("<Qd?x10s")
records = [Record(2**63 + 5, 12.5, True, b"alpha"), Record(7, -0.0, False, b"beta")]
stream = io.BytesIO(b"".join(layout.pack(*r) for r in records))
print(layout.size, struct.calcsize("@bid"), struct.calcsize("=bid"), struct.calcsize("=lLqQ"))
for fields in layout.iter_unpack(stream.getvalue()):
    record = Record._make(fields)
    print(record._replace(name=record.name.rstrip(b"\0").decode()))


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def unvarint(data):
    result = shift = 0
    for byte in data:
        result |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return result


for number in (0, 127, 300, 2**31, 2**63 - 1):
    assert unvarint(varint(number)) == number
    print(number, varint(number).hex(" "))
packed = (5 << 11) | (33 << 5) | 17
print(f"{packed:016b}", packed >> 11, packed >> 5 & 0x3F, packed & 0x1F, (-5).to_bytes(4, "big", signed=True), int.from_bytes(b"\xff\xfe", signed=True))
for code in "bBhHiIqQ":
    size = struct.calcsize(code)
    try:
        struct.pack(code, 2 ** (8 * size))
    except struct.error as error:
        print(code, size, error)
print(array.array("i").itemsize, array.array("q", [2**62]).itemsize, memoryview(bytearray(8)).cast("I").tolist())
print(struct.pack(">e", 1.5).hex(), struct.unpack("<f", b"\0\0\xc0\x7f")[0], math.frexp(0.15625), (0.1).hex(), float.fromhex("0x1.8p3"))
try:
    struct.unpack("<I", b"abc")
except struct.error as error:
    print(error)
