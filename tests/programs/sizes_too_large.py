# What cannot be in memory is a MemoryError, as it is elsewhere.
# stdout:
# |text MemoryError
# |bytes MemoryError
# |list MemoryError
# |tuple MemoryError
# |zeros MemoryError
# |bytearray MemoryError
# |ljust MemoryError
# |zfill MemoryError
# |shift MemoryError
# |to_bytes MemoryError
# |list of range MemoryError
# |tuple of range MemoryError
# |array MemoryError
# |0 0 0 -1
# |cannot fit 'int' into an index-sized integer
# |cannot fit 'int' into an index-sized integer
import array

attempts = {
    "text": lambda: "x" * 10**12,
    "bytes": lambda: b"x" * 10**12,
    "list": lambda: [0] * 10**12,
    "tuple": lambda: (0,) * 10**12,
    "zeros": lambda: bytes(2**40),
    "bytearray": lambda: bytearray(2**40),
    "ljust": lambda: "x".ljust(2**40),
    "zfill": lambda: "5".zfill(2**40),
    "shift": lambda: 1 << 10**12,
    "to_bytes": lambda: (5).to_bytes(2**40, "big"),
    "list of range": lambda: list(range(10**12)),
    "tuple of range": lambda: tuple(range(10**12)),
    "array": lambda: array.array("i", [1]) * 10**12,
}
for name, attempt in attempts.items():
    try:
        print(name, len(attempt()))
    except MemoryError:
        print(name, "MemoryError")
print(len("" * 10**12), len([] * 10**12), 5 >> 10**12, -5 >> 10**12)
for attempt in (lambda: "x" * 2**70, lambda: bytes(2**70)):
    try:
        attempt()
    except OverflowError as error:
        print(error)
