# Saves objects with pickle, shelve and dbm, and keeps a cache on disk with versions.
# stdout:
# |0 446 True Point(x=1, y=2.5) {1: b'\xff', 'é': {3, 4}}
# |1 380 True Point(x=1, y=2.5) {1: b'\xff', 'é': {3, 4}}
# |2 282 True Point(x=1, y=2.5) {1: b'\xff', 'é': {3, 4}}
# |3 238 True Point(x=1, y=2.5) {1: b'\xff', 'é': {3, 4}}
# |4 179 True Point(x=1, y=2.5) {1: b'\xff', 'é': {3, 4}}
# |5 179 True Point(x=1, y=2.5) {1: b'\xff', 'é': {3, 4}}
# |5 5 5
# |PicklingError for function
# |TypeError for TextIOWrapper
# |TypeError for generator
# |OrderedDict({'a': 1})
# |os.system is forbidden
# |['PROTO', 'EMPTY_LIST', 'BINPUT', 'MARK', 'BININT1', 'BINUNICODE', 'BINPUT', 'APPENDS', 'STOP']
# |EOFError
# |UnpicklingError
# |UnpicklingError
# |b'v\xc3\xa4rde' 1
# |{'list': [1, 1180591620717411303424]} True
# |('miss', 18446744073709551616) ('hit', 18446744073709551616) ('miss', 27) power ['aacde1a221ad.pickle', 'b67aa32b9e89.pickle']
# wrote: cache/aacde1a221ad.pickle cache/b67aa32b9e89.pickle shelf.bak shelf.dat shelf.dir store.bak store.dat store.dir
import copy
import copyreg
import dbm.dumb
import hashlib
import io
import json
import os
import pickle
import pickletools
import shelve
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from functools import wraps

Point = namedtuple("Point", "x y")


@dataclass
class Node:
    name: str
    children: list = field(default_factory=list)
    parent: "Node | None" = None

    def add(self, child):
        child.parent = self
        self.children.append(child)
        return child


class Counter:
    def __init__(self):
        self.count = 0
        self.handle = io.StringIO()

    def __getstate__(self):
        return {"count": self.count}

    def __setstate__(self, state):
        self.__init__()
        self.count = state["count"] + 1


root = Node("root")
leaf = root.add(Node("a")).add(Node("b"))
for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    data = pickle.dumps((root, Point(1, 2.5), {1: b"\xff", "é": {3, 4}}), protocol)
    back, point, other = pickle.loads(data)
    same = back.children[0].children[0].parent.parent is back
    print(protocol, len(data), same, point, other)
counter = Counter()
counter.count = 4
print(pickle.loads(pickle.dumps(counter)).count, copy.copy(counter).count, copy.deepcopy([counter] * 2)[1].count)
for bad in (lambda: 0, open(os.devnull) if os.path.exists(os.devnull) else io.StringIO, (n for n in range(3))):
    try:
        pickle.dumps(bad)
        print("pickled", type(bad).__name__)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        print(type(error).__name__, "for", type(bad).__name__)


class Safe(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) in {("collections", "OrderedDict")}:
            return OrderedDict
        raise pickle.UnpicklingError(f"{module}.{name} is forbidden")


print(Safe(io.BytesIO(pickle.dumps(OrderedDict(a=1)))).load())
try:
    Safe(io.BytesIO(b"cos\nsystem\n(S'echo no'\ntR.")).load()
except pickle.UnpicklingError as error:
    print(error)
print([op.name for op, arg, pos in pickletools.genops(pickle.dumps([1, "a"], 2))])
for broken in (b"", b"\x80\x05K", pickle.dumps("long text")[:-4]):
    try:
        pickle.loads(broken)
    except (EOFError, pickle.UnpicklingError) as error:
        print(type(error).__name__)

with dbm.dumb.open("store", "c") as db:
    db["k"] = "värde"
    print(db["k"], len(db))
with shelve.Shelf(dbm.dumb.open("shelf", "c"), writeback=True) as shelf:
    shelf["list"] = [1]
    shelf["list"].append(2**70)
with shelve.Shelf(dbm.dumb.open("shelf", "r")) as shelf:
    print(dict(shelf), "list" in shelf)


def cached(folder):
    os.makedirs(folder, exist_ok=True)

    def decorate(function):
        @wraps(function)
        def wrapper(*args):
            key = hashlib.sha1(json.dumps([function.__name__, args]).encode()).hexdigest()[:12]
            path = os.path.join(folder, key + ".pickle")
            if os.path.exists(path):
                with open(path, "rb") as file:
                    return "hit", pickle.load(file)
            value = function(*args)
            with open(path, "wb") as file:
                pickle.dump(value, file)
            return "miss", value

        return wrapper

    return decorate


@cached("cache")
def power(base, exponent):
    return base**exponent


print(power(2, 64), power(2, 64), power(3, 3), power.__name__, sorted(os.listdir("cache")))
