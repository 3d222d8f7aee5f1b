# Uses the containers of collections.
# stdout:
# |[('i', 4), ('s', 4)] Counter({'a': 2})
# |deque([4, 2, 3], maxlen=3) 3
# |{'a': ['ant', 'ape'], 'b': ['bee']} P(x=1, y=2)
# |['b', 'a'] {'x': 1, 'y': 2, 'z': 3}
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque, namedtuple

print(Counter("mississippi").most_common(2), Counter(a=3) - Counter(a=1, b=2))
window = deque(maxlen=3)
window.extend(range(5))
window.rotate(1)
print(window, ChainMap({"a": 1}, {"a": 2, "b": 3})["b"])
groups = defaultdict(list)
for word in ("ant", "bee", "ape"):
    groups[word[0]].append(word)
print(dict(groups), namedtuple("P", "x y")(1, 2))
order = OrderedDict(a=1, b=2)
order.move_to_end("a")
print(list(order), {**{"x": 1}, "y": 2} | {"z": 3})
