# hashlib.pbkdf2_hmac and scrypt give the right keys, at a usable speed.
# stdout:
# |0394a2ede332c9a13eb82e9b24631604c31df978b4e2f0fbd2c549944f9d79a5
# |907b40b62a0c4537ca94eb144d3ee07369c27828dd995f0c9c27004c0ee4dead64b781ab91db93d058d97747763da89843595c9037d70361998bf1479154fff856394f8d28b7168d766c2006dfdabcefac9f5d3f1eb2f68e8c4f56919f41df42234293da
# |md5 c255f7e88c4d0357c7b651608602ee3a2f5f06021dd3af33eb986f5cd7c7bea8a9
# |sha1 fb00fd49eb13f93693aec61b2b89736d404951b19322b85f7ba20730ef20cfdb9c
# |sha224 4f3fad8737497161edfd2460723becb1900718489b27c444bbd113fc050cb304be
# |sha384 2a17b32832bae86ff6a26f4d8c824ebfe41cc70f35c796a5af2ed4d0780a126be6
# |SHA-256 30089bb4d6ec0ba77c2e981d5ff5ad0071cd6af8097fa4d543294dc89aa99b985f
# |sha3_256 43e8d39f4fe19923f617efc1f075158c7541c38a966a9017e88234bea14ddc0693
# |blake2b 890cc40fcec4b5a276512a531407fb3ab18caafaf9e7c0e738b7840b2629173727
# |fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640
# |77d6576238657b203b19
# |True
# |ValueError
# |ValueError iteration value must be greater than 0.
# |ValueError n must be a power of 2.
# |ValueError Invalid parameter combination for n, r, p, maxmem.
# |TypeError a bytes-like object is required, not 'str'
import hashlib
import time

begin = time.perf_counter()
print(hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 100_000).hex())
print(hashlib.pbkdf2_hmac("sha512", b"p" * 200, b"s" * 300, 1000, 100).hex())
for name in ("md5", "sha1", "sha224", "sha384", "SHA-256", "sha3_256", "blake2b"):
    print(name, hashlib.pbkdf2_hmac(name, b"pw", b"salty", 5, 33).hex())
print(hashlib.scrypt(b"password", salt=b"NaCl", n=1024, r=8, p=16).hex())
print(hashlib.scrypt(b"", salt=b"", n=16, r=1, p=1, dklen=10).hex())
print(time.perf_counter() - begin < 10)
try:
    hashlib.pbkdf2_hmac("nothing", b"p", b"s", 1)
except ValueError:
    print("ValueError")
for attempt in (
    lambda: hashlib.pbkdf2_hmac("sha256", b"p", b"s", 0),
    lambda: hashlib.scrypt(b"p", salt=b"s", n=15, r=8, p=1),
    lambda: hashlib.scrypt(b"p", salt=b"s", n=16, r=0, p=1),
    lambda: hashlib.pbkdf2_hmac("sha256", "p", b"s", 1),
):
    try:
        attempt()
    except (ValueError, TypeError) as error:
        print(type(error).__name__, error)
