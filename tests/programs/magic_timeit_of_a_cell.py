# %%timeit takes the options of %timeit.
# differs: notebook commands are understood
# stdout has: per loop (mean ± std. dev. of 3 runs, 2 loops each)
%%timeit -n 2 -r3 x = [1]
x.append(2)
