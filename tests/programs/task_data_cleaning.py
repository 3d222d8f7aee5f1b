# Cleans a messy table: types, dates, duplicates, outliers, missing values; joins, pivots, writes reports.
# file customers.csv: "id, Name ,city,signup\n1, ann smith ,BERLIN,2025-01-05\n2,BO  JONES,Paris,05/02/2025\n3,cem,  berlin,March 3 2025\n3,cem,berlin,March 3 2025\n4,,Rome,n/a\nx5,Dana,PARIS,2025-13-40\n"
# file orders.tsv: "order\tcustomer\tamount\n100\t1\t1,200.50\n101\t2\t$80\n102\t1\t(35.00)\n103\t9\t12\n104\t3\t99999999\n105\t2\t95.5\n106\t3\t\n107\t1\t110\n"
# stdout:
# |line 5: duplicate 3
# |line 6: no date 'n/a'
# |line 7: no date '2025-13-40'
# |order 103: unknown customer 9
# |order 106: no amount ''
# |order 104: outlier
# |city              Jan        Feb      total
# |Berlin       1,275.50          -   1,275.50
# |Paris               -     175.50     175.50
# |['1', '2', '3', '4', '5'] {'name': 'Unknown', 'city': 'Rome', 'signup': '2025-02-03'} 5
# |"name","spent","orders"
# |"Ann Smith",1275.5,3
# |"Bo Jones",175.5,2
# |"Cem",0,0
# |"Unknown",0,0
# |"Dana",0,0
# |
# |[['Ann Smith', 1275.5, 3.0], ['Bo Jones', 175.5, 2.0]]
# |[51.25, 102.75, 25000900.125] 1.6666666666666667 36.000000000000014 48.0 1.01250 2.25 3.0 0.284539
# |csv.Error: unexpected end of data
# |[['a\x00b']]
# wrote: clean.json
import csv
import io
import json
import re
import statistics
from collections import defaultdict
from datetime import date, datetime
from pathlib import Path

problems = []


def to_date(text, where):
    for pattern in ("%Y-%m-%d", "%d/%m/%Y", "%B %d %Y"):
        try:
            return datetime.strptime(text, pattern).date()
        except ValueError:
            pass
    problems.append(f"{where}: no date {text!r}")
    return None


def to_amount(text, where):
    match = re.fullmatch(r"(\()?\$?([\d,]*\.?\d+)(?(1)\))", text.strip())
    if not match:
        problems.append(f"{where}: no amount {text!r}")
        return None
    value = float(match[2].replace(",", ""))
    return -value if match[1] else value


customers = {}
with open("customers.csv", newline="") as file:
    reader = csv.reader(file, skipinitialspace=True)
    header = [name.strip().lower() for name in next(reader)]
    for number, values in enumerate(reader, 2):
        row = dict(zip(header, (" ".join(v.split()) for v in values), strict=True))
        if not (match := re.fullmatch(r"\D*(\d+)", row["id"])):
            continue
        key = int(match[1])
        if key in customers:
            problems.append(f"line {number}: duplicate {key}")
            continue
        customers[key] = {"name": row["name"].title() or None, "city": row["city"].capitalize(), "signup": to_date(row["signup"], f"line {number}")}
orders = []
with open("orders.tsv", newline="") as file:
    for row in csv.DictReader(file, dialect="excel-tab"):
        amount = to_amount(row["amount"], f"order {row['order']}")
        if int(row["customer"]) not in customers:
            problems.append(f"order {row['order']}: unknown customer {row['customer']}")
        elif amount is not None:
            orders.append({"order": int(row["order"]), "customer": int(row["customer"]), "amount": amount})
amounts = [o["amount"] for o in orders]
middle = statistics.median(amounts)
spread = statistics.median(abs(a - middle) for a in amounts)
outliers = [o["order"] for o in orders if abs(o["amount"] - middle) > 50 * spread]
problems += [f"order {n}: outlier" for n in outliers]
orders = [o for o in orders if o["order"] not in outliers]
print(*problems, sep="\n")
joined = [{**o, **customers[o["customer"]]} for o in orders]
pivot = defaultdict(lambda: defaultdict(float))
for row in joined:
    pivot[row["city"]][row["signup"].strftime("%b")] += row["amount"]
months = sorted({m for row in pivot.values() for m in row}, key=lambda m: datetime.strptime(m, "%b").month)
print("city".ljust(10), *(m.rjust(10) for m in months), "total".rjust(10))
for city, row in sorted(pivot.items()):
    print(city.ljust(10), *(f"{row[m]:10,.2f}" if m in row else "-".rjust(10) for m in months), f"{sum(row.values()):10,.2f}")
known = [c["signup"] for c in customers.values() if c["signup"]]
fill = date.fromordinal(round(statistics.fmean(d.toordinal() for d in known)))
for customer in customers.values():
    customer["signup"] = customer["signup"] or fill
    customer["name"] = customer["name"] or "Unknown"
Path("clean.json").write_text(json.dumps({"customers": customers, "orders": orders}, default=str, indent=2))
again = json.loads(Path("clean.json").read_text())
print(list(again["customers"]), again["customers"]["4"], len(again["orders"]))
out = io.StringIO()
writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
writer.writerow(["name", "spent", "orders"])
for key, customer in customers.items():
    mine = [o["amount"] for o in orders if o["customer"] == key]
    writer.writerow([customer["name"], round(sum(mine), 2), len(mine)])
print(out.getvalue())
out.seek(0)
print([row for row in csv.reader(out, quoting=csv.QUOTE_NONNUMERIC)][1:3])
print(statistics.quantiles(amounts, n=4), statistics.fmean([1, 2, 3], weights=[3, 2, 1]), statistics.geometric_mean([54, 24, 36]), statistics.harmonic_mean([40, 60]), f"{statistics.variance([2.75, 1.75, 1.25, 0.25, 0.5]):.5f}", statistics.median_grouped([1, 2, 2, 3, 4]), f"{statistics.covariance([1, 2, 3], [1, 5, 7]):.1f}", f"{statistics.kde([1.0, 2.0, 4.0], h=0.5)(2.1):.6f}")
for bad in ('a,"b\n', "a\0b\n"):
    try:
        print(list(csv.reader(io.StringIO(bad), strict=True)))
    except csv.Error as error:
        print("csv.Error:", error)
