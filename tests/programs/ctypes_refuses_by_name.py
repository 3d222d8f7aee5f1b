# What ctypes cannot do refuses by name when it is used, not when it is imported or defined.
# differs: no native code can be called
# stdout:
# |None
# |OSError libc.so.6: cannot be opened as a library: this Python cannot call native code; use struct, array and memoryview
# |NotImplementedError ctypes.Point is not in this sandbox: this Python cannot call native code; use struct, array and memoryview
# |NotImplementedError ctypes.create_string_buffer is not in this sandbox: this Python cannot call native code; use struct, array and memoryview
# |AttributeError module 'ctypes' has no attribute 'windll' in this sandbox: this Python cannot call native code; use struct, array and memoryview
# |False
import ctypes
import ctypes.util


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("names", ctypes.c_char * 8), ("next", ctypes.POINTER(ctypes.c_int))]


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
print(ctypes.util.find_library("c"))
for attempt in (lambda: ctypes.CDLL("libc.so.6"), Point, lambda: ctypes.create_string_buffer(5), lambda: ctypes.windll):
    try:
        attempt()
    except Exception as error:
        print(type(error).__name__, error)
print(hasattr(ctypes, "windll"))
