"""Keys from passwords: what hashlib takes from OpenSSL where there is one."""
import hashlib
import hmac

from _belljar_native import pbkdf2, scrypt_mix

# Those that are there without OpenSSL and that derive.c does not know.
ITERATED_HERE = ("sha3_224", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s")
KNOWN = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
# OpenSSL's own bound when none is given (EVP_PBE_scrypt(3)).
SCRYPT_MEMORY = 32 * 1024 * 1024


def _bytes(value, name):
    try:
        return bytes(memoryview(value))
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not '{type(value).__name__}'") from None


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """Password based key derivation function 2 (PKCS #5 v2.0) with HMAC as pseudorandom function."""
    if not isinstance(hash_name, str):
        raise TypeError(f"pbkdf2_hmac() argument 'hash_name' must be str, not {type(hash_name).__name__}")
    password, salt = _bytes(password, "password"), _bytes(salt, "salt")
    name = hash_name.lower().replace("-", "")
    if name not in KNOWN and name not in ITERATED_HERE:
        raise ValueError(f"unsupported hash type {hash_name}")
    size = hashlib.new(name)
    iterations = iterations.__index__()
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    if iterations >= 2**31:
        raise OverflowError("iteration value is too great.")
    if dklen is None:
        dklen = size.digest_size
    dklen = dklen.__index__()
    if dklen < 1:
        raise ValueError("key length must be greater than 0.")
    if dklen >= 2**31:
        raise OverflowError("key length is too great.")
    if len(password) > size.block_size:
        password = hashlib.new(name, password).digest()
    if name in KNOWN:
        return pbkdf2(name, password, salt, iterations, dklen)
    return _iterated(name, password, salt, iterations, dklen)


def _iterated(name, password, salt, iterations, length):
    keyed = hmac.new(password, digestmod=name)
    result = b""
    index = 0
    while len(result) < length:
        index += 1
        first = keyed.copy()
        first.update(salt + index.to_bytes(4, "big"))
        last = first.digest()
        total = int.from_bytes(last, "big")
        for _ in range(iterations - 1):
            turn = keyed.copy()
            turn.update(last)
            last = turn.digest()
            total ^= int.from_bytes(last, "big")
        result += total.to_bytes(keyed.digest_size, "big")
    return result[:length]


def scrypt(password, *, salt=None, n=None, r=None, p=None, maxmem=0, dklen=64):
    """scrypt password-based key derivation function."""
    password = _bytes(password, "password")
    if salt is None:
        raise TypeError("salt is required")
    salt = _bytes(salt, "salt")
    if n is None or not isinstance(n, int):
        raise TypeError("n is required and must be an unsigned int")
    if n < 2 or n & n - 1:
        raise ValueError("n must be a power of 2.")
    if r is None or not isinstance(r, int):
        raise TypeError("r is required and must be an unsigned int")
    if p is None or not isinstance(p, int):
        raise TypeError("p is required and must be an unsigned int")
    if not 0 <= maxmem < 2**31:
        raise ValueError(f"maxmem must be positive and smaller than {2**31 - 1}")
    if not 1 <= dklen < 2**31:
        raise ValueError(f"dklen must be greater than 0 and smaller than {2**31 - 1}")
    if r < 1 or p < 1:
        raise ValueError("Invalid parameter combination for n, r, p, maxmem.")
    if 128 * r * (p + n + 2) > (maxmem or SCRYPT_MEMORY):
        raise ValueError("[digital envelope routines] memory limit exceeded")
    blocks = pbkdf2_hmac("sha256", password, salt, 1, 128 * r * p)
    return pbkdf2_hmac("sha256", password, scrypt_mix(blocks, n, r), 1, dklen)


def install():
    """Gives hashlib both."""
    for function in (pbkdf2_hmac, scrypt):
        function.__module__ = "hashlib"
        setattr(hashlib, function.__name__, function)
    if "pbkdf2_hmac" not in hashlib.__all__:
        hashlib.__all__ += ("pbkdf2_hmac", "scrypt")
