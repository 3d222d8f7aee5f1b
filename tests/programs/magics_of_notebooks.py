# Magics that prepare a notebook are taken, %time tells the time, strings stay as they are.
# differs: notebook commands are understood
# stdout has: Wall time:
# stdout has: 15 (0, 1, 2)
# stdout has: '\n%matplotlib inline\n!ls\n'
# stdout has: per loop (mean ± std. dev. of 7 runs,
%matplotlib inline
%load_ext autoreload
%autoreload 2
text = """
%matplotlib inline
!ls
"""
%time total = sum(range(6))
def f():
    %config InlineBackend.figure_format = "retina"
    return tuple(range(3))
print(total, f())
print(repr(text))
%timeit -n 10 sum(range(3))
print(10
      % 3)
