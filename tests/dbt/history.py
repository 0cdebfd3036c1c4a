"""A random small shop, as files of the canonical format and as the objects they stand for.

The randomness sits where mistakes sit: gaps on both sides of every threshold, orders a second from
local midnight and in the nights the clock changes, ties, and people who share identifiers.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
AS_OF = date(2026, 11, 21)
_EARLIEST = date(2023, 9, 1)

# Days between two orders: both sides of 7, 30, 180 and 365 days, and of the week after those.
_GAPS = (
    *(0, 0, 0, 1, 2, 5, 6, 7, 8, 13, 14, 15, 29, 30, 31, 59, 60, 61, 89, 90, 91, 92, 97),
    *(119, 120, 121, 127, 128, 180, 181, 182, 187, 188, 364, 365, 366, 372, 373, 380),
)
_CLOCK_CHANGES = (date(2024, 11, 3), date(2025, 3, 9), date(2025, 11, 2), date(2026, 3, 8))
_TIMES = (
    *(time(0, 0), time(0, 0, 1), time(0, 30), time(1, 30), time(3, 30)),
    *(time(12, 0), time(19, 0), time(20, 30), time(23, 30), time(23, 59, 59)),
)


@dataclass(frozen=True)
class Seen:
    """One row that shows identifiers together: an account, an order or a started checkout."""

    source: str
    row_id: str
    at: datetime | None
    customer_id: str | None
    email: str | None
    phone: str | None

    @property
    def day(self) -> date | None:
        return self.at.astimezone(ZONE).date() if self.at else None


@dataclass(frozen=True)
class Order(Seen):
    total: int = 50
    refunded: int = 0
    cancelled: bool = False
    test: bool = False
    renewal: bool = False
    discounts: tuple[tuple[str, str, int], ...] = ()

    @property
    def is_valid(self) -> bool:
        gone = self.total <= 0 or self.refunded >= self.total
        return not (self.cancelled or self.test or gone)

    @property
    def has_code(self) -> bool:
        return any(kind == "code" for kind, _, _ in self.discounts)

    @property
    def has_discount(self) -> bool:
        return bool(self.discounts)

    @property
    def net(self) -> int:
        return self.total - self.refunded


@dataclass(frozen=True)
class Shop:
    """Rows in the order in which they were made up; nothing is filtered by the as-of date."""

    accounts: list[Seen]
    orders: list[Order]
    checkouts: list[Seen]

    @property
    def seen(self) -> list[Seen]:
        return [*self.accounts, *self.orders, *self.checkouts]

    def write(self, folder: Path) -> None:
        """Write the canonical CSV files."""
        folder.mkdir()
        _write(folder / "customers.csv", [_account_row(account) for account in self.accounts])
        _write(folder / "orders.csv", [_order_row(order) for order in self.orders])
        _write(folder / "order_discounts.csv", _discount_rows(self.orders))
        _write(folder / "checkouts.csv", [_checkout_row(checkout) for checkout in self.checkouts])


def random_shop(seed: int, people: int = 300) -> Shop:
    """A shop of about `people` people; the same for the same seed."""
    random = Random(seed)
    accounts: list[Seen] = []
    orders: list[Order] = []
    checkouts: list[Seen] = []
    for person in range(people):
        identifiers = _identifiers(random, person)
        if random.random() < 0.7:
            at = None if random.random() < 0.3 else _instant(random, _day(random))
            accounts.append(_seen("account", f"a{person}", at, identifiers(random, account=True)))
        if random.random() < 0.2:
            at = _instant(random, _day(random))
            checkouts.append(_seen("checkout", f"k{person}", at, identifiers(random)))
        orders.extend(_orders_of(random, person, identifiers))
    random.shuffle(orders)
    # Two rows of one account that differ would be rejected as a contradiction: the last one stays.
    return Shop(
        list({account.customer_id: account for account in accounts}.values()), orders, checkouts
    )


def _orders_of(random: Random, person: int, identifiers) -> list[Order]:
    day = random.choice(_CLOCK_CHANGES) if random.random() < 0.2 else _day(random)
    instant = _instant(random, day)
    orders = []
    buys_with_codes = random.choice((0.0, 0.1, 0.5))
    for number in range(random.choice((0, 1, 1, 2, 2, 3, 3, 4, 6))):
        seen = _seen(
            "order", f"o{random.randrange(1000):03}-{person}-{number}", instant, identifiers(random)
        )
        total = random.choices((50, 80, 20, 0), (70, 15, 10, 5))[0]
        orders.append(
            Order(
                *(seen.source, seen.row_id, seen.at, seen.customer_id, seen.email, seen.phone),
                total=total,
                refunded=random.choices((0, 5, total), (85, 10, 5))[0],
                cancelled=random.random() < 0.06,
                test=random.random() < 0.02,
                renewal=random.random() < 0.15,
                discounts=_discounts(random, buys_with_codes),
            )
        )
        if random.random() < 0.1:
            continue
        day = instant.astimezone(ZONE).date() + timedelta(days=random.choice(_GAPS))
        instant = _instant(random, day)
    return orders


def _identifiers(random: Random, person: int):
    """A way to draw identifiers for one person; some share theirs with the person before."""
    emails = [f"p{person}@mail.example"]
    phones: list[str] = []
    ids = [f"c{person}"]
    style = random.random()
    if style < 0.15:
        emails.append(f"changed{person}@mail.example")
    elif style < 0.25:
        emails = []
    elif style < 0.3:
        emails = [f"noreply@{random.randrange(3)}.example"]
    if random.random() < 0.5:
        phones.append(f"+1212555{100 + person // 2 % 100:04}")
    if random.random() < 0.1:
        phones.append(f"+1313555{100 + random.randrange(person + 1) % 100:04}")
    # Every ninth or so is also seen with the account of the one before: chains of several people.
    if random.random() < 0.12:
        ids.append(f"c{max(person - 1, 0)}")

    def draw(random: Random, *, account: bool = False) -> tuple[str | None, str | None, str | None]:
        guest = f"g{random.randrange(10**9)}"
        customer_id = random.choice(ids) if account else random.choice((*ids, *ids, guest, None))
        email = random.choice(emails) if emails and (account or random.random() < 0.8) else None
        phone = random.choice(phones) if phones and random.random() < 0.6 else None
        return customer_id, email, phone

    return draw


def _seen(source: str, row_id: str, at: datetime | None, identifiers) -> Seen:
    customer_id, email, phone = identifiers
    return Seen(source, row_id, at, customer_id, email, phone)


def _day(random: Random) -> date:
    if random.random() < 0.3:
        # Orders whose thresholds fall around the as-of date, and some after it.
        return AS_OF - timedelta(days=random.choice((*_GAPS, -1, -2)))
    return _EARLIEST + timedelta(days=random.randrange((AS_OF - _EARLIEST).days))


def _instant(random: Random, day: date) -> datetime:
    local = datetime.combine(day, random.choice(_TIMES), ZONE)
    return local.replace(fold=random.randrange(2)).astimezone(UTC)


def _discounts(random: Random, codes: float) -> tuple[tuple[str, str, int], ...]:
    found = []
    if random.random() < codes:
        found.append(("code", random.choice(("SAVE", " save ", "")), random.choice((0, 5))))
    if random.random() < 0.1:
        found.append((random.choice(("automatic", "manual")), "", 5))
    return tuple(found)


def _order_row(order: Order) -> dict[str, object]:
    return {
        "order_id": order.row_id,
        "ordered_at": order.at.isoformat() if order.at else "",
        "total_amount": f"{order.total}.00",
        "customer_id": order.customer_id,
        "email": _spelled(order.email, order.row_id),
        "phone": order.phone,
        "cancelled_at": "2026-11-01T00:00:00Z" if order.cancelled else "",
        "financial_status": "paid",
        "is_test": str(order.test).lower(),
        "source_name": "subscription_contract" if order.renewal else "web",
        "refunded_amount": f"{order.refunded}.00",
    }


def _account_row(account: Seen) -> dict[str, object]:
    return {
        "customer_id": account.customer_id,
        "email": account.email,
        "phone": account.phone,
        "created_at": account.at.isoformat() if account.at else "",
    }


def _checkout_row(checkout: Seen) -> dict[str, object]:
    return {
        "checkout_token": checkout.row_id,
        "created_at": checkout.at.isoformat() if checkout.at else "",
        "customer_id": checkout.customer_id,
        "email": checkout.email,
        "phone": checkout.phone,
    }


def _discount_rows(orders: list[Order]) -> list[dict[str, object]]:
    return [
        {
            "order_id": o.row_id,
            "kind": kind,
            "discount_index": index,
            "code": code,
            "amount": amount,
        }
        for o in orders
        for index, (kind, code, amount) in enumerate(o.discounts)
    ]


def _spelled(email: str | None, row_id: str) -> str | None:
    return f" {email.upper()} " if email and row_id.endswith("1") else email


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
