# Models an inventory with dataclasses.
# stdout:
# |bolt 20.0 True
# |{'name': 'bolt', 'price': 0.25, 'count': 40, 'tags': []}
# result: Item(name='nut', price=0.1, count=250, tags=['metal'])
from dataclasses import asdict, dataclass, field, replace


@dataclass(order=True)
class Item:
    name: str
    price: float
    count: int = 0
    tags: list[str] = field(default_factory=list)

    @property
    def value(self):
        return self.price * self.count


nut = Item("nut", 0.1, 200, ["metal"])
bolt = Item("bolt", 0.25, 40)
print(sorted([nut, bolt])[0].name, nut.value, bolt == replace(bolt))
print(asdict(bolt))
replace(nut, count=250)
