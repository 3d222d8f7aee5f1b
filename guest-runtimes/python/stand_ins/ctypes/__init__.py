"""The numbers of ctypes; no native code.

`c_int32(x).value` and its relatives are real: programs use them for arithmetic
that wraps. What would call into a library, or lie in memory that one shares,
refuses by name when it is used. Definitions of structures may stand in modules
that are imported for something else, so they can be made.
"""
import struct as _struct

from _belljar.missing import NO_NATIVE_CODE as _ADVICE

__version__ = "1.1.0"
DEFAULT_MODE = RTLD_LOCAL = 0
RTLD_GLOBAL = 256


def _refusal(name):
    return NotImplementedError(f"ctypes.{name} is not in this sandbox: {_ADVICE}")


class ArgumentError(Exception):
    """An argument of a foreign function could not be converted."""


class _Kind(type):
    """The type of types: multiplied by a length, it names that of an array."""

    def __mul__(cls, length):
        if length < 0:
            raise ValueError(f"Array length must be >= 0, not {length}")
        return _Kind(f"{cls.__name__}_Array_{length}", (Array,), {"_type_": cls, "_length_": length})

    __rmul__ = __mul__

    def from_param(cls, value):
        return value if isinstance(value, cls) else cls(value)

    def _refused(cls, *args):
        raise _refusal(f"{cls.__name__}.from_address")

    from_address = from_buffer = in_dll = _refused

    def from_buffer_copy(cls, source, offset=0):
        if not issubclass(cls, _SimpleCData):
            raise _refusal(f"{cls.__name__}.from_buffer_copy")
        value, = _struct.unpack_from(cls._format, source, offset)
        return cls(value)


class _CData(metaclass=_Kind):
    """Everything that lies in memory."""


class _SimpleCData(_CData):
    """A number of a fixed width."""

    _format = None

    def __init__(self, value=None):
        self.value = self._zero if value is None else value

    _zero = 0

    @property
    def value(self):
        """current value"""
        return self._value

    @value.setter
    def value(self, value):
        self._value = self._converted(value)

    @classmethod
    def _converted(cls, value):
        if isinstance(value, float) or not hasattr(value, "__index__"):
            raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
        bits = 8 * _struct.calcsize(cls._format)
        value = value.__index__() & (1 << bits) - 1
        if cls._format[-1].islower() and value >> bits - 1:
            value -= 1 << bits
        return value

    def __repr__(self):
        return f"{type(self).__name__}({self._value!r})"

    def __bool__(self):
        return bool(self._value)

    def __bytes__(self):
        return _struct.pack(self._format, self._value)


class c_bool(_SimpleCData):
    _format = "<?"
    _zero = False

    @classmethod
    def _converted(cls, value):
        return bool(value)


class c_char(_SimpleCData):
    _format = "<c"
    _zero = b"\0"

    @classmethod
    def _converted(cls, value):
        if isinstance(value, int) and 0 <= value < 256:
            return bytes((value,))
        if isinstance(value, (bytes, bytearray)) and len(value) == 1:
            return bytes(value)
        raise TypeError("one character bytes, bytearray, or an integer in range(256) expected")


class c_wchar(_SimpleCData):
    _format = "<4s"
    _zero = "\0"

    @classmethod
    def _converted(cls, value):
        if not isinstance(value, str) or len(value) != 1:
            raise TypeError("one character unicode string expected")
        return value


class c_float(_SimpleCData):
    _format = "<f"
    _zero = 0.0

    @classmethod
    def _converted(cls, value):
        if isinstance(value, (str, bytes)):
            raise TypeError(f"must be real number, not {type(value).__name__}")
        value, = _struct.unpack(cls._format, _struct.pack(cls._format, value))
        return value


class c_double(c_float):
    _format = "<d"


class c_longdouble(c_double):
    pass


class c_byte(_SimpleCData):
    _format = "<b"


class c_ubyte(_SimpleCData):
    _format = "<B"


class c_short(_SimpleCData):
    _format = "<h"


class c_ushort(_SimpleCData):
    _format = "<H"


class c_int(_SimpleCData):
    _format = "<i"


class c_uint(_SimpleCData):
    _format = "<I"


class c_long(_SimpleCData):
    """64 bits, as where programs come from."""

    _format = "<q"


class c_ulong(_SimpleCData):
    """64 bits, as where programs come from."""

    _format = "<Q"


c_longlong, c_ulonglong = c_long, c_ulong
c_int8, c_uint8, c_int16, c_uint16 = c_byte, c_ubyte, c_short, c_ushort
c_int32, c_uint32, c_int64, c_uint64 = c_int, c_uint, c_long, c_ulong
c_size_t, c_ssize_t, c_time_t = c_ulong, c_long, c_long


class _Refused(_CData):
    """A type that can be named and not be used."""

    def __init__(self, *args, **kwargs):
        raise _refusal(type(self).__name__)


class c_char_p(_Refused):
    pass


class c_wchar_p(_Refused):
    pass


class c_void_p(_Refused):
    pass


c_voidp = c_void_p


class py_object(_Refused):
    pass


class Array(_Refused):
    """Several values of one type."""


class Structure(_Refused):
    """Values of several types."""


class Union(_Refused):
    """One value of several types."""


class BigEndianStructure(Structure):
    pass


class LittleEndianStructure(Structure):
    pass


class BigEndianUnion(Union):
    pass


class LittleEndianUnion(Union):
    pass


class _Pointer(_Refused):
    pass


def POINTER(cls):
    """The type of pointers to values of a type."""
    if cls is None:
        return c_void_p
    return _Kind(f"LP_{cls if isinstance(cls, str) else cls.__name__}", (_Pointer,), {"_type_": cls})


def CFUNCTYPE(restype, *argtypes, **options):
    """The type of a foreign function."""
    return _Kind("CFunctionType", (_Refused,), {"_restype_": restype, "_argtypes_": argtypes})


PYFUNCTYPE = WINFUNCTYPE = CFUNCTYPE


class CDLL:
    """A library; none can be loaded."""

    def __init__(self, name=None, *args, **kwargs):
        raise OSError(f"{name or 'this program'}: cannot be opened as a library: {_ADVICE}")


class PyDLL(CDLL):
    pass


class LibraryLoader:
    """Loads libraries by attribute."""

    def __init__(self, dlltype):
        self._dlltype = dlltype

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self._dlltype(name)

    def __getitem__(self, name):
        return getattr(self, name)

    def LoadLibrary(self, name):
        return self._dlltype(name)


cdll = LibraryLoader(CDLL)
pydll = LibraryLoader(PyDLL)


class _Unloaded:
    """Stands for a library that is always there."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise _refusal(f"pythonapi.{name}")


pythonapi = _Unloaded()


def sizeof(value):
    """Return the size in bytes of a C instance or type."""
    kind = value if isinstance(value, type) else type(value)
    if issubclass(kind, _SimpleCData) and kind._format:
        return _struct.calcsize(kind._format)
    if issubclass(kind, Array) and hasattr(kind, "_length_"):
        return kind._length_ * sizeof(kind._type_)
    if issubclass(kind, _CData):
        raise _refusal(f"sizeof({kind.__name__})")
    raise TypeError("this type has no size")


alignment = sizeof


def _refused_function(name):
    def refused(*args, **kwargs):
        raise _refusal(name)
    refused.__name__ = refused.__qualname__ = name
    return refused


for _name in ("addressof", "byref", "cast", "create_string_buffer", "create_unicode_buffer", "memmove", "memset",
              "pointer", "resize", "string_at", "wstring_at", "memoryview_at"):
    globals()[_name] = _refused_function(_name)
c_buffer = create_string_buffer  # noqa: F821
_errno = 0


def get_errno():
    """The private copy of errno that foreign functions use."""
    return _errno


def set_errno(value):
    """Sets that copy."""
    global _errno
    _errno, before = int(value), _errno
    return before


def __getattr__(name):
    raise AttributeError(f"module 'ctypes' has no attribute {name!r} in this sandbox: {_ADVICE}")
