# Encodes bytes as text in the usual ways.
# stdout:
# |ABEiM0RVZneImaq7zN3u/w== -_8=
# |00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff NBUQ==== Xk~0{Zv
# |Incorrect padding
import base64
import binascii

data = bytes(range(0, 256, 17))
print(base64.b64encode(data).decode(), base64.urlsafe_b64encode(b"\xfb\xff").decode())
print(data.hex(":"), base64.b32encode(b"hi").decode(), base64.b85encode(b"hello").decode())
try:
    base64.b64decode("abc")
except binascii.Error as error:
    print(error)
