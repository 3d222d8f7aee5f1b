#!/usr/bin/env python3
"""Pure Python packages from PyPI, placed in a session's workspace.

    python3 -m pip download --no-deps --only-binary :all: --python-version 3.13 \\
        --implementation py --abi none --platform any -d wheels \\
        sympy mpmath black click pathspec platformdirs mypy_extensions packaging pytokens jedi parso \\
        pint flexparser flexcache typing_extensions trio outcome sniffio attrs sortedcontainers idna \\
        pyjwt fpdf2 defusedxml fonttools
    for wheel in wheels/*.whl; do python3 -m zipfile -e "$wheel" packages; done
    guest-runtimes/python/tests/packages.py target/release/belljar packages [NAME...]

Not part of the ordinary tests, which download nothing.
"""
import base64
import io
import json
import os
import re
import subprocess
import sys
import zipfile

# Of each package: what it needs, a program, and what it prints.
PROGRAMS = {
    "sympy": (("sympy", "mpmath"), """
        import sympy
        x = sympy.symbols("x")
        print(sympy.integrate(sympy.sin(x) ** 2, x), sympy.factorint(2**40 - 1), sympy.N(sympy.pi, 30))
    """, "x/2 - sin(x)*cos(x)/2 {3: 1, 5: 2, 11: 1, 17: 1, 31: 1, 41: 1, 61681: 1} 3.14159265358979323846264338328\n"),
    "black": (("black", "blib2to3", "_black_version.py", "click", "pathspec", "platformdirs", "mypy_extensions.py",
               "packaging", "pytokens"), """
        import black
        print(black.format_str("x = {  'a':1 }", mode=black.Mode()))
    """, 'x = {"a": 1}\n\n'),
    "jedi": (("jedi", "parso"), """
        import jedi
        print([name.name for name in jedi.Script("import json\\njson.du").complete(2, 7)])
    """, "['dump', 'dumps']\n"),
    "pint": (("pint", "flexparser", "flexcache", "typing_extensions.py", "platformdirs"), """
        import pint
        unit = pint.UnitRegistry()
        print((3 * unit.meter / (2 * unit.second)).to("km/hour"))
    """, "5.4 kilometer / hour\n"),
    "trio": (("trio", "outcome", "sniffio", "attr", "attrs", "sortedcontainers", "idna"), """
        import trio

        async def child(number):
            await trio.sleep(0.01 * number)
            print("child", number)

        async def main():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child, 2)
                nursery.start_soon(child, 1)
            with trio.move_on_after(0.05) as scope:
                await trio.sleep_forever()
            print(scope.cancelled_caught)

        trio.run(main)
    """, "child 1\nchild 2\nTrue\n"),
    "pyjwt": (("jwt",), """
        import jwt
        token = jwt.encode({"a": 1}, "secret" * 8, algorithm="HS256")
        print(jwt.decode(token, "secret" * 8, algorithms=["HS256"]))
    """, "{'a': 1}\n"),
    "fpdf2": (("fpdf", "defusedxml", "fontTools"), """
        import warnings
        warnings.simplefilter("ignore")
        import fpdf
        document = fpdf.FPDF()
        document.add_page()
        document.set_font("Helvetica", size=12)
        document.cell(text="hello")
        print(bytes(document.output()[:8]))
    """, "b'%PDF-1.3'\n"),
}
UNPACK = "import os, zipfile\nzipfile.ZipFile('packages.zip').extractall()\nos.remove('packages.zip')"


def zipped(root, names):
    """The files of the packages, in base64."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            path = os.path.join(root, name)
            if os.path.isfile(path):
                archive.write(path, name)
            for folder, folders, files in os.walk(path):
                folders[:] = [inner for inner in folders if inner not in ("tests", "__pycache__")]
                for file in files:
                    whole = os.path.join(folder, file)
                    archive.write(whole, os.path.relpath(whole, root))
    return base64.b64encode(data.getvalue()).decode()


class Server:
    """Belljar over its standard input and output."""

    def __init__(self, program):
        self.process = subprocess.Popen([program, "--log=error"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {},
                                "clientInfo": {"name": "packages", "version": "1"}})
        self.send({"method": "notifications/initialized"})

    def send(self, message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method, params):
        self.send({"id": 1, "method": method, "params": params})
        return json.loads(self.process.stdout.readline())

    def execute(self, **arguments):
        answer = self.ask("tools/call", {"name": "execute", "arguments": {"language": "python", **arguments}})
        return answer["result"]["content"][0]["text"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    program, root, *names = sys.argv[1:]
    failed = False
    for name in names or PROGRAMS:
        needs, code, expected = PROGRAMS[name]
        server = Server(program)
        try:
            text = server.execute(session="new", code=UNPACK,
                                  files=[{"path": "packages.zip", "base64": zipped(root, needs)}])
            session = re.search(r"\bs_[0-9a-z]{20,}", text)[0]
            text = server.execute(session=session, code="if True:" + code, limits={"memory_bytes": 512 << 20,
                                  "wall_time_ms": 120_000, "cpu_time_ms": 120_000})
        finally:
            server.close()
        works = text.startswith(expected.rstrip("\n"))
        failed |= not works
        print(name, "works" if works else f"does not work:\n{text}")
    sys.exit(failed)


main()
