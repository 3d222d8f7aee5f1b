"""A small host for the tests: the guest ABI over the PyPI package `wasmtime`."""
import json
import os
import struct
import tempfile

import wasmtime

# The package's default allows a quarter of what imports and the compiler need.
WASM_STACK_BYTES = 2_000_000
MEMORY_BYTES = 256 << 20


class Image:
    """A compiled image, from which guests are made."""

    def __init__(self, path):
        config = wasmtime.Config()
        config.max_wasm_stack = WASM_STACK_BYTES
        self.engine = wasmtime.Engine(config)
        self.module = wasmtime.Module.from_file(self.engine, path)


class Guest:
    """One instance with a workspace of its own."""

    def __init__(self, image, stdin=""):
        self.folder = tempfile.TemporaryDirectory()
        self.workspace = self._path("workspace")
        os.mkdir(self.workspace)
        with open(self._path("stdin"), "w", encoding="utf-8") as file:
            file.write(stdin)
        self.store = wasmtime.Store(image.engine)
        self.store.set_limits(memory_size=MEMORY_BYTES)
        wasi = wasmtime.WasiConfig()
        wasi.preopen_dir(self.workspace, "/workspace")
        wasi.stdin_file = self._path("stdin")
        wasi.stdout_file = self._path("stdout")
        wasi.stderr_file = self._path("stderr")
        self.store.set_wasi(wasi)
        linker = wasmtime.Linker(image.engine)
        linker.define_wasi()
        # WASI's answer for what is not supported: files keep the modes they have.
        mode_set = wasmtime.FuncType([wasmtime.ValType.i32()] * 5, [wasmtime.ValType.i32()])
        linker.define_func("belljar", "mode_set", mode_set, lambda *_: 58)
        # Nobody answers calls here.
        i32, i64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()
        for name, parameters in (("call_begin", [i32] * 4), ("call_wait", [i64, i32]), ("call_take", [i32] * 3)):
            sign = -1 if name == "call_begin" else 1
            linker.define_func("belljar", name, wasmtime.FuncType(parameters, [i32]), lambda *_, sign=sign: 58 * sign)
        self.interrupt_with = None
        self._watch_the_clock(linker)
        self.exports = linker.instantiate(self.store, image.module).exports(self.store)
        self.memory = self.exports["memory"]
        self.seen = {"stdout": 0, "stderr": 0}
        self.fresh = True

    def close(self):
        self.folder.cleanup()

    def _path(self, name):
        return os.path.join(self.folder.name, name)

    def _watch_the_clock(self, linker):
        """Takes the clock's place: when the guest reads it, it is suspended, and
        the host may interrupt. The tests have no other such moment."""
        linker.allow_shadowing = True
        ty = wasmtime.FuncType(
            [wasmtime.ValType.i32(), wasmtime.ValType.i64(), wasmtime.ValType.i32()],
            [wasmtime.ValType.i32()])

        def clock_time_get(clock, precision, address):
            if self.interrupt_with is not None:
                reason, self.interrupt_with = self.interrupt_with, None
                self.interrupt(reason)
            now = 1_800_000_000 * 10**9
            self.memory.write(self.store, struct.pack("<Q", now), address)
            return 0

        linker.define_func("wasi_snapshot_preview1", "clock_time_get", ty, clock_time_get)

    def interrupt(self, reason):
        """Writes the interrupt block's stores, as the ABI describes."""
        block = self.exports["guest_interrupt"].value(self.store)
        word = lambda at: struct.unpack("<I", self.memory.read(self.store, at, at + 4))[0]  # noqa: E731
        self.memory.write(self.store, struct.pack("<I", reason), block)
        for k in range(word(block + 4)):
            address, clear, bits = (word(block + 8 + 12 * k + 4 * i) for i in range(3))
            self.memory.write(self.store, struct.pack("<I", word(address) & ~clear | bits), address)

    def run(self, code, **members):
        """Runs `code`; returns the reply with `stdout` and `stderr` added."""
        request = {"code": code, "args": [], "env": {}, "fresh": self.fresh,
                   "result_bytes": 65536, "output_bytes": 1 << 20, **members}
        self.fresh = False
        data = json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass")
        address = self.exports["guest_alloc"](self.store, len(data))
        self.memory.write(self.store, data, address)
        answer = self.exports["guest_run"](self.store, len(data)) & (2**64 - 1)
        if answer == 0:
            raise RuntimeError("the guest failed: " + self._output("stderr"))
        start, size = answer >> 32, answer & 0xFFFFFFFF
        reply = json.loads(bytes(self.memory.read(self.store, start, start + size)).decode("utf-8"))
        for name in ("stdout", "stderr"):
            reply[name] = self._output(name)
        return reply

    def _output(self, name):
        with open(self._path(name), encoding="utf-8") as file:
            file.seek(self.seen[name])
            text = file.read()
            self.seen[name] = file.tell()
        return text

    @property
    def memory_size(self):
        return self.memory.data_len(self.store)

    @property
    def stack_pointer(self):
        return self.exports["__stack_pointer"].value(self.store)
