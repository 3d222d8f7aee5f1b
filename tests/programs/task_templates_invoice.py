# Renders an invoice from templates, with money in decimals and a file for each customer.
# file orders.json:
# |[
# | {"customer": "Müller & Söhne", "country": "DE", "lines": [["Screw M4", 1200, "0.035"], ["Nut M4", 1200, "0.0215"]]},
# | {"customer": "O'Brien Ltd", "country": "IE", "lines": [["Consulting", 7.5, "120.00"], ["Travel", 1, "89.99"]]},
# | {"customer": "東京株式会社", "country": "JP", "lines": [["License", 3, "999.995"]]}
# |]
# stdout:
# |INVOICE 2026-0001
# |To: Müller & Söhne
# |  Screw M4         1200 x    0.035 =      42.00
# |  Nut M4           1200 x   0.0215 =      25.80
# |----------------------------------------------
# |Net          67.80
# |Tax          12.88 ($ rate 19%)
# |Total        80.68
# |
# |INVOICE 2026-0002
# |To: O'Brien Ltd
# |  Consulting        7.5 x   120.00 =     900.00
# |  Travel              1 x    89.99 =      89.99
# |----------------------------------------------
# |Net         989.99
# |Tax         227.70 ($ rate 23%)
# |Total     1,217.69
# |
# |INVOICE 2026-0003
# |To: 東京株式会社
# |  License             3 x  999.995 =   2,999.99
# |----------------------------------------------
# |Net       2,999.99
# |Tax           0.00 ($ rate 0%)
# |Total     2,999.99
# |
# |grand total 4298.36 ['01-müller-söhne.txt', '02-o-brien-ltd.txt', '03-東京株式会社.txt']
# |<ul><li>Müller &amp; Söhne<li>O&#x27;Brien Ltd<li>東京株式会社</ul> €5 < £6 &amp; ¬it;
# |['2.68', '2.68', '0.13', '0.12', '-0.13', '-0.12']
# |1 2c $missing ['x']
# |Invalid placeholder in string: line 1, col 7
# |InvalidOperation [<class 'decimal.ConversionSyntax'>]
# |0.14285714285714285714285714285714285714285714285714 1.4142135623730950488016887242096980785696718753769
# |28 0.1428571428571428571428571429 1001 123.45 0.1000000000000000055511151231257827021181583404541015625 True
# |33 1.00 1,234,567.89 1.20e-5 -0 NaN 2 -3
# wrote: invoices/01-müller-söhne.txt invoices/02-o-brien-ltd.txt invoices/03-東京株式会社.txt
import html
import json
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation, getcontext, localcontext
from pathlib import Path
from string import Template
import re

TAX = {"DE": Decimal("0.19"), "IE": Decimal("0.23")}
CENT = Decimal("0.01")
TEMPLATE = Template("""\
INVOICE $number
To: $customer
$rows
${rule}
Net   $net
Tax   $tax ($$ rate $rate)
Total $total
""")


def money(amount, rounding=ROUND_HALF_UP):
    return amount.quantize(CENT, rounding)


def render(number, order):
    net = Decimal()
    rows = []
    for name, quantity, price in order["lines"]:
        amount = money(Decimal(str(quantity)) * Decimal(price))
        net += amount
        rows.append(f"  {name:<14}{quantity!s:>7} x {price:>8} = {amount:>10,}")
    rate = TAX.get(order["country"], Decimal(0))
    tax = money(net * rate)
    return net + tax, TEMPLATE.substitute(
        number=f"2026-{number:04d}", customer=order["customer"], rows="\n".join(rows), rule="-" * 46,
        net=f"{net:>12,}", tax=f"{tax:>12,}", rate=f"{rate:.0%}", total=f"{net + tax:>12,}",
    )


orders = json.loads(Path("orders.json").read_text(encoding="utf-8"))
folder = Path("invoices")
folder.mkdir()
grand = Decimal()
for number, order in enumerate(orders, 1):
    total, text = render(number, order)
    grand += total
    slug = re.sub(r"\W+", "-", order["customer"].lower()).strip("-")
    (folder / f"{number:02d}-{slug}.txt").write_text(text, encoding="utf-8")
    print(text)
print("grand total", grand, sorted(p.name for p in folder.iterdir()))

page = "<ul>" + "".join(f"<li>{html.escape(o['customer'])}" for o in orders) + "</ul>"
print(page, html.unescape("&euro;5 &lt; &#163;6 &amp;amp; &notit;"))
print([str(money(Decimal(x), r)) for x in ("2.675", "0.125", "-0.125") for r in (ROUND_HALF_UP, ROUND_HALF_EVEN)])
print(Template("$a ${b}c $missing").safe_substitute(a=1, b=2), Template("$x").get_identifiers())
try:
    Template("cost: $5").substitute()
except ValueError as error:
    print(error)
try:
    Decimal("12,5")
except InvalidOperation as error:
    print(type(error).__name__, error)
with localcontext(prec=50):
    print(Decimal(1) / Decimal(7), Decimal(2).sqrt())
print(getcontext().prec, Decimal(1) / 7, Decimal("1E+3") + 1, Decimal("123.4500").normalize(), Decimal(0.1), sum([Decimal("0.1")] * 10) == 1)
shares, left = divmod(Decimal("100.00"), 3)
print(shares, left, f"{Decimal('1234567.891'):,.2f}", f"{Decimal('0.000012'):.2e}", Decimal("-0"), Decimal("NaN"), round(Decimal("2.5")), int(Decimal("-3.9")))
