# Stores passwords with salt and PBKDF2, checks them, and reports weak ones.
# stdout:
# |ann   strong  pbkdf2_sha256$2000$SZFeDX1LQC4wF9AQ$vOCXsEQ+9pBSLYs/tDno/UiLZn+X/sZ4st6zamYW13g=
# |True False
# |bo    common  pbkdf2_sha256$2000$PQmdDxPfnQu0Qnps$yVCA45g/pyjC8mDob+M2olfgSVJNRIaBDRGcLxRqr0s=
# |True False
# |çelik strong  pbkdf2_sha256$2000$q5b8nojDlJZ28Qd7$6UoFIfSWiqNtObKkYlzwubqb+xZ1BtBlma82y53M5n8=
# |True False
# |ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957
# |867f70cf1ade02cff3752599a3a53dc4 b32431838996a2e132e65f7fefc495c6
# |wrong value
# |wrong value
# |wrong type
# |unknown kind plain
# wrote: store.json
import base64
import hashlib
import hmac
import json
import math
from pathlib import Path

ITERATIONS = 2_000
COMMON = {"123456", "password", "qwerty"}


def protect(password, salt, iterations=ITERATIONS):
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    return "$".join(["pbkdf2_sha256", str(iterations), base64.b64encode(salt).decode(), base64.b64encode(key).decode()])


def check(password, stored):
    kind, iterations, salt, key = stored.split("$")
    if kind != "pbkdf2_sha256":
        raise ValueError(f"unknown kind {kind}")
    return hmac.compare_digest(protect(password, base64.b64decode(salt), int(iterations)), stored)


def strength(password):
    alphabet = sum(size for test, size in ((str.islower, 26), (str.isupper, 26), (str.isdigit, 10)) if any(map(test, password)))
    alphabet += 32 * any(not c.isalnum() for c in password)
    bits = len(password) * math.log2(alphabet or 1)
    return "common" if password.lower() in COMMON else "weak" if bits < 40 else "fair" if bits < 70 else "strong"


users = {"ann": "correct horse", "bo": "123456", "çelik": "Pä$$w0rd-2026-lang"}
store = {name: protect(password, hashlib.sha256(name.encode()).digest()[:12]) for name, password in users.items()}
Path("store.json").write_text(json.dumps(store, indent=1))
for name, stored in json.loads(Path("store.json").read_text()).items():
    print(f"{name:<6}{strength(users[name]):<8}{stored}")
    print(check(users[name], stored), check(users[name] + " ", stored))
print(hashlib.pbkdf2_hmac("sha1", b"password", b"salt", 2, 20).hex())
print(hashlib.pbkdf2_hmac("sha512", b"password", b"salt", 1, dklen=16).hex(), hashlib.pbkdf2_hmac("md5", b"p" * 200, b"s", 3).hex())
for arguments in (("sha256", b"p", b"s", 0), ("none", b"p", b"s", 1), ("sha256", "text", b"s", 1)):
    try:
        hashlib.pbkdf2_hmac(*arguments)
    except ValueError:
        print("wrong value")
    except TypeError:
        print("wrong type")
try:
    check("x", "plain$1$$")
except ValueError as error:
    print(error)
