# Loads sales into SQLite and reports with joins, windows and common table expressions.
# stdout:
# |sales: 99
# |
# |month     orders    revenue  change
# |2026-01         9    1739.65 
# |2026-02        46    9700.40  +7960.75
# |2026-03        44   13152.40  +3452.00
# |
# |best product of each month
# |{'month': '2026-01', 'name': 'keyboard', 'total': 1047.9}
# |{'month': '2026-02', 'name': 'screen', 'total': 6993.0}
# |{'month': '2026-03', 'name': 'screen', 'total': 8505.0}
# |
# |days of February without a sale: 6
# |refused: UNIQUE constraint failed: product.name | 4 products
# |[('CABLE!', 5.0), ('KEYBOARD!', 3), ('MOUSE!', 4), ('SCREEN!', 4)]
# |[('id', 'INTEGER'), ('name', 'TEXT'), ('price', 'REAL')] 9223372036854775807
import sqlite3
from datetime import date, timedelta
import random

random.seed(11)
db = sqlite3.connect(":memory:")
db.row_factory = sqlite3.Row
db.executescript("""
CREATE TABLE product(id INTEGER PRIMARY KEY, name TEXT UNIQUE, price REAL CHECK(price > 0));
CREATE TABLE sale(id INTEGER PRIMARY KEY AUTOINCREMENT, product_id INTEGER REFERENCES product(id),
                  day TEXT NOT NULL, quantity INTEGER);
CREATE INDEX sale_day ON sale(day);
CREATE VIEW revenue AS SELECT day, name, quantity * price AS amount FROM sale JOIN product ON product.id = product_id;
""")
products = [("keyboard", 49.9), ("mouse", 19.5), ("screen", 189.0), ("cable", 4.25)]
db.executemany("INSERT INTO product(name, price) VALUES (?, ?)", products)
start = date(2026, 1, 28)
with db:
    for offset in range(60):
        for _ in range(random.randint(0, 3)):
            db.execute(
                "INSERT INTO sale(product_id, day, quantity) VALUES (:p, :d, :q)",
                {"p": random.randint(1, 4), "d": (start + timedelta(offset)).isoformat(), "q": random.randint(1, 9)},
            )
print("sales:", db.execute("SELECT count(*) FROM sale").fetchone()[0])

print("\nmonth     orders    revenue  change")
for row in db.execute("""
    WITH monthly AS (SELECT substr(day, 1, 7) AS month, count(*) AS orders, sum(amount) AS total FROM revenue GROUP BY 1)
    SELECT month, orders, total, total - lag(total) OVER (ORDER BY month) AS change FROM monthly
"""):
    change = "" if row["change"] is None else f"{row['change']:+9.2f}"
    print(f"{row['month']} {row['orders']:>9} {row['total']:>10.2f} {change}")

print("\nbest product of each month")
for row in db.execute("""
    SELECT month, name, total FROM (
      SELECT substr(day, 1, 7) month, name, round(sum(amount), 2) total,
             row_number() OVER (PARTITION BY substr(day, 1, 7) ORDER BY sum(amount) DESC) place
      FROM revenue GROUP BY 1, 2) WHERE place = 1 ORDER BY month
"""):
    print(dict(row))

days = db.execute("""
    WITH RECURSIVE d(day) AS (SELECT '2026-02-01' UNION ALL SELECT date(day, '+1 day') FROM d WHERE day < '2026-02-28')
    SELECT count(*) FROM d WHERE day NOT IN (SELECT day FROM sale)
""").fetchone()[0]
print("\ndays of February without a sale:", days)
try:
    with db:
        db.execute("INSERT INTO product(name, price) VALUES ('free', 5)")
        db.execute("INSERT INTO product(name, price) VALUES ('mouse', 5)")
except sqlite3.IntegrityError as error:
    print("refused:", error, "|", db.execute("SELECT count(*) FROM product").fetchone()[0], "products")


class Median:
    def __init__(self):
        self.values = []

    def step(self, value):
        self.values.append(value)

    def finalize(self):
        import statistics

        return statistics.median(self.values)


db.create_aggregate("median", 1, Median)
db.create_function("shout", 1, lambda text: text.upper() + "!", deterministic=True)
print([tuple(r) for r in db.execute("SELECT shout(name), median(quantity) FROM sale JOIN product p ON p.id = product_id GROUP BY 1")])
print([r[1:3] for r in map(tuple, db.execute("PRAGMA table_info(product)"))], db.execute("SELECT 9223372036854775807").fetchone()[0])
