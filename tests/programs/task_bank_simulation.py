# Simulates a bank with accounts, transfers, interest and a ledger that must balance.
# stdout:
# |January: {'Ann': '2614.21', 'Bo': '915.61', 'Cem': '-205.59'}
# |February: {'Ann': '3007.06', 'Bo': '1071.90', 'Cem': '812.47'}
# |March: {'Ann': '4951.73', 'Bo': '2286.51', 'Cem': '1379.84'}
# |95 entries, 26 refused; first: C1002 has 0.00, needs 263.24 short 263.24
# |DEPOSIT       12,723.71
# |WITHDRAWAL    -4,118.22
# |TRANSFER           0.00
# |INTEREST          17.59
# |FEE               -5.00
# |Checking(owner='Bo', balance=Decimal('2286.51'), number='C1002', overdraft=Decimal('100'))
# |Entry(day=datetime.date(2026, 3, 31), number='S1001', kind=<Kind.INTEREST: 4>, amount=Decimal('8.24'))
# |Can't instantiate abstract class Account without an implementation for abstract method 'month_end'
from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum, auto
from itertools import count
from typing import ClassVar, Iterator


class Kind(Enum):
    DEPOSIT = auto()
    WITHDRAWAL = auto()
    TRANSFER = auto()
    INTEREST = auto()
    FEE = auto()


class BankError(Exception):
    """What a bank refuses."""


class InsufficientFunds(BankError):
    def __init__(self, account: Account, amount: Decimal) -> None:
        super().__init__(f"{account.number} has {account.balance}, needs {amount}")
        self.short = amount - account.balance


@dataclass(frozen=True, order=True)
class Entry:
    day: date
    number: str
    kind: Kind = field(compare=False)
    amount: Decimal = field(compare=False)


@dataclass
class Account(ABC):
    owner: str
    balance: Decimal = Decimal("0.00")
    number: str = field(init=False)
    numbers: ClassVar[Iterator[int]] = count(1001)

    def __post_init__(self) -> None:
        self.number = f"{type(self).__name__[0]}{next(self.numbers)}"

    @abstractmethod
    def month_end(self) -> tuple[Kind, Decimal] | None: ...

    def withdraw(self, amount: Decimal) -> None:
        if amount > self.limit:
            raise InsufficientFunds(self, amount)
        self.balance -= amount

    @property
    def limit(self) -> Decimal:
        return self.balance


class Savings(Account):
    RATE = Decimal("0.02")

    def month_end(self):
        return Kind.INTEREST, (self.balance * self.RATE / 12).quantize(Decimal("0.01"))


@dataclass
class Checking(Account):
    overdraft: Decimal = Decimal("100")

    @property
    def limit(self):
        return self.balance + self.overdraft

    def month_end(self):
        return (Kind.FEE, Decimal("-5.00")) if self.balance < 0 else None


class Bank:
    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.ledger: list[Entry] = []

    def open(self, account: Account) -> Account:
        self.accounts[account.number] = account
        return account

    def post(self, day: date, account: Account, kind: Kind, amount: Decimal) -> None:
        if amount < 0 and kind is not Kind.FEE:
            account.withdraw(-amount)
        else:
            account.balance += amount
        self.ledger.append(Entry(day, account.number, kind, amount))

    def transfer(self, day: date, source: Account, target: Account, amount: Decimal) -> None:
        self.post(day, source, Kind.TRANSFER, -amount)
        self.post(day, target, Kind.TRANSFER, amount)


random.seed(99)
bank = Bank()
accounts = [bank.open(Savings("Ann")), bank.open(Checking("Bo")), bank.open(Checking("Cem", overdraft=Decimal("250")))]
day = date(2026, 1, 1)
refused = []
while day < date(2026, 4, 1):
    one, other = random.sample(accounts, 2)
    amount = Decimal(random.randint(100, 90000)) / 100
    try:
        match random.random():
            case x if x < 0.3:
                bank.post(day, one, Kind.DEPOSIT, amount)
            case x if x < 0.5:
                bank.post(day, one, Kind.WITHDRAWAL, -amount)
            case _:
                bank.transfer(day, one, other, amount)
    except InsufficientFunds as error:
        refused.append((day, str(error), error.short))
    if (day + timedelta(1)).month != day.month:
        for account in accounts:
            if change := account.month_end():
                bank.post(day, account, *change)
        print(f"{day:%B}:", {a.owner: str(a.balance) for a in accounts})
    day += timedelta(1)
print(len(bank.ledger), "entries,", len(refused), "refused; first:", refused[0][1], "short", refused[0][2])
totals = defaultdict(Decimal)
for entry in bank.ledger:
    totals[entry.kind] += entry.amount
for kind in Kind:
    print(f"{kind.name:<11}{totals[kind]:>12,.2f}")
assert sum(totals.values()) == sum(a.balance for a in accounts), "ledger does not balance"
print(accounts[1], max(bank.ledger), sep="\n")
try:
    Account("nobody")
except TypeError as error:
    print(error)
