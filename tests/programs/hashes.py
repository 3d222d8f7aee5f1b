# Hashes and signs bytes.
# stdout:
# |md5 9e107d9d372bb6826bd81d3542a419d6
# |sha1 2fd4e1c67a2d28fced849ee1bb76e739
# |sha256 d7a8fbb307d7809469ca9abcb0082e4f
# |sha3_256 69070dda01975c8c120c3aada1b28239
# |blake2b a8add4bdddfd93e4877d2746e62817b1
# |f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8
# |37c9e592
import hashlib
import hmac

data = b"The quick brown fox jumps over the lazy dog"
for name in ("md5", "sha1", "sha256", "sha3_256", "blake2b"):
    print(name, hashlib.new(name, data).hexdigest()[:32])
print(hmac.new(b"key", data, "sha256").hexdigest())
print(hashlib.file_digest(__import__("io").BytesIO(data), "sha256").hexdigest()[-8:])
