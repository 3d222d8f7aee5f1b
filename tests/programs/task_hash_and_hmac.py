# Hashes files, signs messages, makes a token and a Merkle tree, and finds duplicates.
# stdout:
# |0967115f2813a3541eae data/a.txt
# |0967115f2813a3541eae data/b.txt
# |9d6f965ac832e40a5df6 data/e.txt
# |40aff2e9d2d8922e47af data/sub/c.bin
# |e3b0c44298fc1c149afb data/sub/d.txt
# |duplicates: [['data/a.txt', 'data/b.txt']]
# |md5       16   64 900150983cd24fb0d6963f7d28e17f72
# |sha1      20   64 a9993e364706816aba3e25717850c26c
# |sha224    28   64 23097d223405d8228642a477bda255b3
# |sha384    48  128 cb00753f45a35e8bb5a03d699ac65007
# |sha512    64  128 ddaf35a193617abacc417349ae204131
# |sha3_256  32  136 3a985da74fe225b2045c172d6bd390bd
# |blake2b   64  128 ba80a53f981c4d0d6a2797b69f12f6e9
# |blake2s   32   64 508c5e8c327c14e2e1a72ba34eeb452f
# |5881092dd818bf5c d102a19c44600c02
# |['blake2b', 'blake2s', 'md5', 'sha1'] True
# |eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3NzIzNTIwMDAsIm9rIjp0cnVlLCJzdWIiOiJhbm4ifQ.a37HJgim4UP7OxyuXL4-632_u3higa7khQfbxxWr2Ks
# |{'exp': 1772352000, 'ok': True, 'sub': 'ann'} None
# |['94287082', '07081804', '65353130']
# |d31a37ef6ac14a2db1470c43 367b848d6e1b38258161e294
# |cbf43926 11e60398 29b1
# |proof of work: 4691
# |b'Xk~0{Zy<MXa%^M' b'D1KG====' b'<~FCfN8~>' b'6162-6364'
# wrote: data/a.txt data/b.txt data/e.txt data/sub/c.bin data/sub/d.txt
import base64
import binascii
import hashlib
import hmac
import json
import struct
import zlib
from collections import defaultdict
from pathlib import Path

files = {"a.txt": b"same", "b.txt": b"same", "sub/c.bin": bytes(range(256)), "sub/d.txt": b"", "e.txt": b"different"}
for name, data in files.items():
    path = Path("data", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
by_digest = defaultdict(list)
for path in sorted(Path("data").rglob("*")):
    if path.is_file():
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(100):
                digest.update(chunk)
        by_digest[digest.hexdigest()].append(str(path))
        print(digest.hexdigest()[:20], path)
print("duplicates:", [group for group in by_digest.values() if len(group) > 1])

for name in ("md5", "sha1", "sha224", "sha384", "sha512", "sha3_256", "blake2b", "blake2s"):
    hasher = hashlib.new(name, b"abc")
    print(f"{name:<9}{hasher.digest_size:>3} {hasher.block_size:>4} {hasher.hexdigest()[:32]}")
print(hashlib.shake_128(b"abc").hexdigest(8), hashlib.blake2b(b"m", key=b"k", digest_size=8, person=b"app").hexdigest())
print(sorted(hashlib.algorithms_guaranteed)[:4], "sha256" in hashlib.algorithms_available)

SECRET = b"key"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims):
    head, body = (b64(json.dumps(part, separators=(",", ":"), sort_keys=True).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{head}.{body}.{b64(hmac.new(SECRET, f'{head}.{body}'.encode(), 'sha256').digest())}"


def verify(text):
    head, body, signature = text.split(".")
    good = hmac.compare_digest(b64(hmac.digest(SECRET, f"{head}.{body}".encode(), "sha256")), signature)
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))) if good else None


made = token({"sub": "ann", "exp": 1772352000, "ok": True})
print(made)
print(verify(made), verify(made.replace("eyJ", "eyK", 1)))


def totp(secret, moment, digits=6, step=30):
    counter = struct.pack(">Q", moment // step)
    mac = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = mac[-1] & 15
    return str((struct.unpack(">I", mac[at : at + 4])[0] & 0x7FFFFFFF) % 10**digits).zfill(digits)


print([totp("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", t, 8) for t in (59, 1111111109, 20000000000)])


def merkle(leaves):
    level = [hashlib.sha256(leaf).digest() for leaf in leaves]
    while len(level) > 1:
        level = [hashlib.sha256(level[i] + level[min(i + 1, len(level) - 1)]).digest() for i in range(0, len(level), 2)]
    return level[0].hex()


print(merkle([b"a", b"b", b"c"])[:24], merkle([b"a", b"b", b"d"])[:24])
print(f"{zlib.crc32(b'123456789'):08x} {zlib.adler32(b'Wikipedia'):08x} {binascii.crc_hqx(b'123456789', 0xFFFF):04x}")
block = 0
while not hashlib.sha256(f"block {block}".encode()).hexdigest().startswith("000"):
    block += 1
print("proof of work:", block)
print(base64.b85encode(b"hello world"), base64.b32hexencode(b"hi"), base64.a85encode(b"test", adobe=True), binascii.hexlify(b"abcd", "-", 2))
