# Modules of the standard library say where they are, as elsewhere; their source is not here.
# differs: the sources of the standard library are not here
# stdout:
# |/usr/lib/python3.13/json/__init__.py /usr/lib/python3.13/os.py /usr/lib/python3.13
# |['/usr/lib/python3.13/json'] /usr/lib/python3.13/json/decoder.py
# |could not get source code
# |could not get source code
# |could not get source code
# |  File "/usr/lib/python3.13/json/decoder.py", line 361, in raw_decode
# |  File "<frozen os>", line 228, in makedirs
# |b'hi'
# |True True
# stderr has: UserWarning: Duplicate name: 'a'
import importlib.resources
import inspect
import io
import json
import logging
import os
import traceback
import zipfile

print(json.__file__, os.__file__, os.path.dirname(logging.Formatter.format.__code__.co_filename).removesuffix("/logging"))
print(json.__path__, json.decoder.__file__)
for thing in (json.loads, json, os.makedirs):
    try:
        inspect.getsource(thing)
    except OSError as error:
        print(error)
for attempt in (lambda: json.loads("{"), lambda: [os.makedirs("folder") for _ in range(2)]):
    try:
        attempt()
    except Exception as error:
        print(traceback.format_tb(error.__traceback__)[-1].rstrip())
with zipfile.ZipFile(io.BytesIO(), "w") as archive:
    archive.writestr("a", "1")
    archive.writestr("a", "2")
import urllib.request

print(urllib.request.urlopen("data:text/plain,hi").read())
print(importlib.resources.files("json").joinpath("x") is not None, logging._srcfile == logging.Formatter.format.__code__.co_filename)
