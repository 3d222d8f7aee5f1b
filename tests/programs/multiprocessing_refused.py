# A pool of processes is refused, with advice.
# differs: there are no processes
# status: exited 1
# error: OSError
# error has: no processes
import multiprocessing

with multiprocessing.Pool(2) as pool:
    print(pool.map(abs, [-1, 2]))
