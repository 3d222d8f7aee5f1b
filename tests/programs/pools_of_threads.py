# Pools of threads in each of their modules.
# stdout:
# |[0, 1, 4, 9, 16] 9 16 [1, 4] [8]
# |[49, 64]
# |[0, 1, 4, 9]
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from multiprocessing.pool import ThreadPool
from multiprocessing.dummy import Pool
def sq(x): return x * x
with ThreadPool(3) as p:
    print(p.map(sq, range(5)), p.apply(sq, (3,)), p.apply_async(sq, (4,)).get(), list(p.imap(sq, [1, 2])), p.starmap(pow, [(2, 3)]))
with Pool(2) as p: print(p.map(sq, [7, 8]))
with ThreadPoolExecutor(2) as ex: print(sorted(f.result() for f in as_completed([ex.submit(sq, i) for i in range(4)])))
