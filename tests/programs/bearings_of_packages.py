# What well-known packages look at when they are imported (platformdirs, sympy, parso, pint, pyjwt, fpdf2, jedi).
# stdout:
# |/workspace/.cache/app 8 True
# |True True
# |True 64
import os
import pathlib
import sys
import sysconfig
from ctypes import c_long, sizeof
from os import geteuid, getuid
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from urllib.request import HTTPSHandler, build_opener

cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "app"
print(cache, sizeof(c_long), getuid() == geteuid())
print(bool(build_opener(HTTPSHandler(context=SSLContext(PROTOCOL_TLS_CLIENT)))), isinstance(sys.executable, str))
print(sysconfig.get_path("stdlib") == os.path.dirname(os.__file__), sys.maxsize.bit_length() + 1)
