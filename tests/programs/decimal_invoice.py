# Adds up an invoice in decimals and rounds as accountants do.
# stdout:
# |1260.305 239.46 1499.765
# |1.4142135623730950488016887242096980785696718753769
# |True 0.30000000000000004
from decimal import ROUND_HALF_UP, Decimal, getcontext

lines = [("19.99", 3), ("0.335", 1), ("1200", 1)]
net = sum(Decimal(price) * count for price, count in lines)
tax = (net * Decimal("0.19")).quantize(Decimal("0.01"), ROUND_HALF_UP)
print(net, tax, net + tax)
getcontext().prec = 50
print(Decimal(2).sqrt())
print(Decimal("0.1") + Decimal("0.2") == Decimal("0.3"), 0.1 + 0.2)
