# What well-known packages look at when they are imported (platformdirs, sympy, parso, pint, pyjwt, fpdf2, jedi).
# stdout:
# |/workspace/.cache/app 8 True
# |True ok
# |['/usr/lib/python3.13'] 64
import os
import pathlib
import sys
import sysconfig
from ctypes import c_long, sizeof
from os import geteuid, getuid
from ssl import SSLContext
from urllib.request import HTTPSHandler, build_opener

cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "app"
print(cache, sizeof(c_long), getuid() == geteuid())
print(bool(build_opener(HTTPSHandler(context=SSLContext()))), "ok" if not os.path.isfile(sys.executable) else sys.executable)
print([sysconfig.get_path("stdlib")], sys.maxsize.bit_length() + 1)
