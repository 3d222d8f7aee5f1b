# Sieves primes and measures itself.
# stdout:
# |17984 199999
# |True True True
import time

started = time.perf_counter()
limit = 200_000
sieve = bytearray([1]) * limit
sieve[:2] = b"\0\0"
for n in range(2, int(limit**0.5) + 1):
    if sieve[n]:
        sieve[n * n :: n] = bytes(len(range(n * n, limit, n)))
print(sum(sieve), sieve.rfind(1))
elapsed = time.perf_counter() - started
print(0 < elapsed < 30, time.time() > 1_700_000_000, time.monotonic() >= started - 1e9)
