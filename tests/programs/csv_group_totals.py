# Groups rows of a CSV file and prints totals, as data questions usually want.
# file sales.csv:
# |region,product,amount
# |north,apple,10.5
# |south,pear,3
# |north,pear,2.25
# |"east, far",apple,7
# |south,apple,1
# stdout:
# |north         12.75
# |east, far      7.00
# |south          4.00
import csv
from collections import defaultdict

totals = defaultdict(float)
with open("sales.csv", newline="") as file:
    for row in csv.DictReader(file):
        totals[row["region"]] += float(row["amount"])
for region, total in sorted(totals.items(), key=lambda item: -item[1]):
    print(f"{region:<10} {total:8.2f}")
