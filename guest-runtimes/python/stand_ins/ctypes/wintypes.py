"""The names that Windows gives to numbers."""
import ctypes

BYTE, BOOLEAN = ctypes.c_ubyte, ctypes.c_ubyte
WORD = USHORT = ctypes.c_ushort
DWORD = ULONG = UINT = ctypes.c_uint
SHORT = ctypes.c_short
INT = LONG = BOOL = ctypes.c_int
FLOAT, DOUBLE, CHAR, WCHAR = ctypes.c_float, ctypes.c_double, ctypes.c_char, ctypes.c_wchar
HANDLE = LPVOID = LPCVOID = HWND = HMODULE = ctypes.c_void_p
LPSTR, LPWSTR = ctypes.c_char_p, ctypes.c_wchar_p
