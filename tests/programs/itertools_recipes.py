# Combines iterators.
# stdout:
# |[1, 3, 6, 10] ['a', 'b', 'c'] [('a', 'b'), ('a', 'c'), ('b', 'c')]
# |[('a', 3), ('b', 2), ('c', 1)] [(1, 4), (4, 9)]
# |120 [(0, 0), (0, 1), (1, 0), (1, 1)] [1, 2]
# |[('a', 'x'), ('b', 'y'), ('-', 'z')] [(1, 3), (2, 4)] ['c', 'b', 'a']
from itertools import accumulate, chain, combinations, groupby, pairwise, permutations, product, takewhile, zip_longest

print(list(accumulate([1, 2, 3, 4])), list(chain.from_iterable(["ab", "c"])), list(combinations("abc", 2)))
print([(key, len(list(group))) for key, group in groupby("aaabbc")], list(pairwise([1, 4, 9])))
print(len(list(permutations(range(5)))), list(product([0, 1], repeat=2)), list(takewhile(lambda x: x < 3, [1, 2, 5, 1])))
print(list(zip_longest("ab", "xyz", fillvalue="-")), [*zip(*[(1, 2), (3, 4)])], sorted("bca", reverse=True))
