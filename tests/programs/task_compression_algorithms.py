# Compresses text with run lengths, LZ77, LZW, Huffman and Burrows-Wheeler, and compares with zlib.
# stdout:
# |516 bytes; entropy 3.2919 bits
# |  ' ' 00
# |  's' 01
# |  'l' 100
# |  'e' 110
# |  'h' 1110
# |  'r' 10110
# |huffman 217 True
# |lz77    87 True [(54, 10, 44), (72, 1, 105), (0, 0, 39)]
# |lzw     256 True [115, 104, 101, 32, 115, 101, 108, 108, 115, 259, 101, 97]
# |bwt     39 runs instead of 486 True [115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 45, 0, 0, 0, 0, 0, 1, 0]
# |zlib    True True
# |bz2     True True
# |lzma    True True
# |b'she sells sea shells' True False
# |Error -3 while decompressing data: incorrect header check
# |Error -5 while decompressing data: incomplete or truncated stream
# |Input format not supported by decoder
# |[(3, 97), (1, 98), (2, 99), (1, 100)] 948440799 [84, 79, 66, 69, 79, 82, 78, 79, 84, 256, 258]
import bz2
import heapq
import lzma
import math
import zlib
from collections import Counter
from itertools import count, groupby

TEXT = ("she sells sea shells by the sea shore; the shells she sells are sea shells, i'm sure. " * 6).encode()


def rle(data):
    return [(len(list(group)), byte) for byte, group in groupby(data)]


def lz77(data, window=255):
    at, out = 0, []
    while at < len(data):
        best, distance = 0, 0
        for start in range(max(0, at - window), at):
            size = 0
            while size < 255 and at + size < len(data) - 1 and data[start + size] == data[at + size]:
                size += 1
            if size > best:
                best, distance = size, at - start
        out.append((distance, best, data[at + best]))
        at += best + 1
    return out


def unlz77(triples):
    out = bytearray()
    for distance, size, byte in triples:
        for _ in range(size):
            out.append(out[-distance])
        out.append(byte)
    return bytes(out)


def lzw(data):
    table = {bytes([i]): i for i in range(256)}
    word, codes = b"", []
    for byte in data:
        longer = word + bytes([byte])
        if longer in table:
            word = longer
        else:
            codes.append(table[word])
            table[longer] = len(table)
            word = bytes([byte])
    return codes + [table[word]] if word else codes


def unlzw(codes):
    table = {i: bytes([i]) for i in range(256)}
    word = out = table[codes[0]]
    for code in codes[1:]:
        entry = table[code] if code in table else word + word[:1]
        out += entry
        table[len(table)] = word + entry[:1]
        word = entry
    return out


def huffman(data):
    order = count()
    heap = [(n, next(order), symbol) for symbol, n in sorted(Counter(data).items())]
    heapq.heapify(heap)
    while len(heap) > 1:
        a, b = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (a[0] + b[0], next(order), (a[2], b[2])))
    codes = {}

    def walk(node, code):
        if isinstance(node, tuple):
            walk(node[0], code + "0")
            walk(node[1], code + "1")
        else:
            codes[node] = code or "0"

    walk(heap[0][2], "")
    return codes


def pack(data, codes):
    bits = "".join(codes[b] for b in data)
    pad = -len(bits) % 8
    return bytes([pad]) + int(bits + "0" * pad, 2).to_bytes((len(bits) + pad) // 8, "big")


def unpack(packed, codes):
    bits = "".join(f"{b:08b}" for b in packed[1:])
    bits = bits[: len(bits) - packed[0]]
    back, code, out = {v: k for k, v in codes.items()}, "", bytearray()
    for bit in bits:
        code += bit
        if code in back:
            out.append(back[code])
            code = ""
    return bytes(out)


def bwt(data):
    order = sorted(range(len(data)), key=lambda i: data[i:] + data[:i])
    return bytes(data[i - 1] for i in order), order.index(0)


def unbwt(last, row):
    order = sorted(range(len(last)), key=lambda i: (last[i], i))
    out = bytearray()
    for _ in last:
        row = order[row]
        out.append(last[row])
    return bytes(out)


def front(data):
    table, out = list(range(256)), []
    for byte in data:
        index = table.index(byte)
        out.append(index)
        table.insert(0, table.pop(index))
    return out


codes = huffman(TEXT)
print(len(TEXT), "bytes; entropy", f"{-sum(n / len(TEXT) * math.log2(n / len(TEXT)) for n in Counter(TEXT).values()):.4f} bits")
for symbol, code in sorted(codes.items(), key=lambda c: (len(c[1]), c[1]))[:6]:
    print(f"  {chr(symbol)!r} {code}")
packed = pack(TEXT, codes)
triples, numbers = lz77(TEXT), lzw(TEXT)
last, row = bwt(TEXT)
print("huffman", len(packed), unpack(packed, codes) == TEXT)
print("lz77   ", len(triples) * 3, unlz77(triples) == TEXT, triples[20:23])
print("lzw    ", len(numbers) * 12 // 8, unlzw(numbers) == TEXT, numbers[:12])
print("bwt    ", len(rle(last)), "runs instead of", len(rle(TEXT)), unbwt(last, row) == TEXT, front(last)[:20])
for name, module in (("zlib", zlib), ("bz2", bz2), ("lzma", lzma)):
    data = module.compress(TEXT)
    print(name.ljust(7), len(data) < len(TEXT) // 2, module.decompress(data) == TEXT)
stream, parts = zlib.compressobj(9, wbits=-15), []
for start in range(0, len(TEXT), 50):
    parts.append(stream.compress(TEXT[start : start + 50]))
parts.append(stream.flush())
raw = zlib.decompressobj(wbits=-15)
print(raw.decompress(b"".join(parts), 20), len(raw.unconsumed_tail) > 0, raw.eof)
for broken in (b"not zlib", zlib.compress(TEXT)[:-3]):
    try:
        zlib.decompress(broken)
    except zlib.error as error:
        print(error)
try:
    lzma.decompress(b"xx")
except lzma.LZMAError as error:
    print(error)
print(rle(b"aaabccd"), zlib.crc32(TEXT), lzw(b"TOBEORNOTTOBE"))
