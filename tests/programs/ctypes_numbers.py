# Numbers of ctypes wrap as they do elsewhere.
# stdout:
# |-2147483648 44 127 4294967295
# |-9223372036854775808 c_long(1099511627776) 0.10000000149011612 0.1 True
# |c_int(7) b'a' [4, 8, 8, 1]
# |0 20
# |'float' object cannot be interpreted as an integer
# |2967741709
import ctypes

print(ctypes.c_int32(2**31).value, ctypes.c_uint8(300).value, ctypes.c_int8(-129).value, ctypes.c_uint32(-1).value)
print(ctypes.c_int64(2**63).value, ctypes.c_long(2**40), ctypes.c_float(0.1).value, ctypes.c_double(0.1).value, ctypes.c_bool(5).value)
print(repr(ctypes.c_int(7)), ctypes.c_char(b"a").value, [ctypes.sizeof(kind) for kind in (ctypes.c_int, ctypes.c_long, ctypes.c_size_t, ctypes.c_char)])
number = ctypes.c_uint16(65535)
number.value += 1
print(number.value, ctypes.sizeof(ctypes.c_int * 5))
try:
    ctypes.c_int(1.5)
except TypeError as error:
    print(error)


def djb2(text):
    value = ctypes.c_uint32(5381)
    for character in text:
        value.value = value.value * 33 + ord(character)
    return value.value


print(djb2("hello, world"))
