# A pool of threads runs calls, and their errors come back.
# stdout:
# |[0, 10, 20]
# |[(2, 'None'), (3, 'three')]
from concurrent.futures import ThreadPoolExecutor, as_completed


def fetch(n):
    if n == 3:
        raise ValueError("three")
    return n * 10


with ThreadPoolExecutor(max_workers=8) as pool:
    print(list(pool.map(fetch, range(3))))
    futures = {pool.submit(fetch, n): n for n in (2, 3)}
    print(sorted((futures[future], str(future.exception())) for future in as_completed(futures)))
