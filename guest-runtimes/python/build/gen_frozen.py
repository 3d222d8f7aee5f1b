"""Compiles the standard library and the session code for the image.

    gen_frozen.py LIB SYSCONFIG GUEST TZDATA OUT WORK

Reads the standard library from LIB, what `make` noted about the build from
SYSCONFIG, this guest's own modules from the folders session and stand_ins of
GUEST and the unpacked tzdata wheel from TZDATA; WORK is the folder whose name
must not stay in what was noted.
Writes to OUT: `frozen.bin`, the marshalled code of every module in one blob;
`frozen.s`, which embeds it; and `frozen.c`, the table that
PyImport_FrozenModules points to. Sorted throughout: the same input gives the
same bytes.
"""
import marshal
import sys
from pathlib import Path

# Folders that only serve tests, screens, terminals and installers.
DROPPED_FOLDERS = {
    "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "curses", "venv",
    "msilib", "__pycache__", "site-packages", "__phello__",
}
DROPPED_MODULES = {
    "turtle", "antigravity", "_android_support", "_ios_support", "_apple_support",
    "__hello__", "pty", "tty", "_aix_support", "_osx_support",
}
# Where the standard library lies on a machine that has it in files; shim.c says
# the same. A module's __file__ and the files of its functions begin like this.
LIBRARY = "/usr/lib/python3.13"
# What an ordinary build of CPython freezes has no file in tracebacks there either.
FROZEN_EVERYWHERE = {
    "abc", "codecs", "io", "_collections_abc", "_sitebuiltins", "genericpath", "ntpath", "posixpath",
    "os", "site", "stat", "importlib.util", "importlib.machinery", "runpy",
}
# CPython freezes these itself, under names of its own.
BOOTSTRAP = {"importlib._bootstrap", "importlib._bootstrap_external", "zipimport"}
# Packages that no other Python has: what is called through them is not shown.
OWN = {"_belljar", "belljar", "IPython"}
# What sysconfig says about the build must not depend on where it ran.
BUILD_FOLDER = "/build"


def file_name(name, package):
    """What tracebacks and warnings call the file of a module."""
    if name in FROZEN_EVERYWHERE or name.split(".")[0] in OWN:
        return f"<frozen {name}>"
    return "/".join((LIBRARY, *name.split("."), *(["__init__"] if package else []))) + ".py"


def compiled(name, source, package):
    code = compile(source, file_name(name, package), "exec", dont_inherit=True, optimize=0)
    return marshal.dumps(code)


def modules_below(root, prefix=""):
    """(name, source, is it a package) of each module in a folder, sorted."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if DROPPED_FOLDERS.intersection(parts):
            continue
        package = parts[-1] == "__init__"
        parts = (prefix, *parts) if prefix else parts
        name = ".".join(parts[:-1] if package else parts)
        if not name or not all(part.isidentifier() for part in name.split(".")):
            continue
        if name.split(".")[0] in DROPPED_MODULES or name in BOOTSTRAP:
            continue
        yield name, path.read_bytes(), package


def sysconfig_data(folder, work):
    for path in sorted(folder.glob("_sysconfigdata*.py")):
        yield path.stem, path.read_text().replace(work, BUILD_FOLDER), False


def session_modules(folder):
    for package in ("IPython", "belljar"):
        yield from modules_below(folder / package, package)
    for path in sorted(folder.glob("*.py")):
        package = path.stem == "__init__"
        yield "_belljar" if package else f"_belljar.{path.stem}", path.read_bytes(), package


def zone_data(folder):
    """One module with the bytes of every zone of the tzdata package."""
    zones = {}
    root = folder / "tzdata" / "zoneinfo"
    for name in (folder / "tzdata" / "zones").read_text().split():
        zones[name] = (root / name).read_bytes()
    yield "_belljar.zones", f"ZONES = {zones!r}", False


def main():
    lib, sysconfig, guest, tzdata, out = map(Path, sys.argv[1:6])
    work = sys.argv[6]
    stand_ins = list(modules_below(guest / "stand_ins"))
    replaced = {name.split(".")[0] for name, _, _ in stand_ins}
    modules = [
        *(module for module in modules_below(lib) if module[0].split(".")[0] not in replaced),
        *stand_ins,
        *sysconfig_data(sysconfig, work),
        *session_modules(guest / "session"),
        *zone_data(tzdata),
    ]
    blob = bytearray()
    rows = []
    for name, source, package in sorted(modules):
        data = compiled(name, source, package)
        rows.append(f'    {{"{name}", belljar_frozen_blob + {len(blob)}, {len(data)}, {int(package)}}},')
        blob += data
        blob += bytes(-len(blob) % 16)
    (out / "frozen.bin").write_bytes(blob)
    (out / "frozen.c").write_text(
        "#include <Python.h>\n"
        "extern const unsigned char belljar_frozen_blob[];\n"
        "const struct _frozen belljar_frozen_modules[] = {\n" + "\n".join(rows) + "\n    {0},\n};\n")
    (out / "frozen.s").write_text(
        '    .section .rodata.belljar_frozen_blob,"",@\n'
        "    .globl belljar_frozen_blob\n"
        "    .p2align 4\n"
        "    .type belljar_frozen_blob,@object\n"
        "belljar_frozen_blob:\n"
        '    .incbin "frozen.bin"\n'
        f"    .size belljar_frozen_blob, {len(blob)}\n")
    print(len(rows), "modules,", len(blob), "bytes")


main()
