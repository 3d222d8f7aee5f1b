# A pool of processes from concurrent.futures does its work.
# stdout:
# |[32, 9]
from concurrent.futures import ProcessPoolExecutor

if __name__ == "__main__":
    with ProcessPoolExecutor() as pool:
        print(list(pool.map(pow, [2, 3], [5, 2])))
