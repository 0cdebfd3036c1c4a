"""What is known of each person: their rows sorted out, and which of their orders count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property

from tests.dbt.history import NOWHERE, Account, Checkout, Order, Place, Seen, Shop
from tests.dbt.oracle.rules import Rules

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Purchase:
    """What counts once: an order, or with order_grain customer_day a day of orders."""

    day: date
    net: int
    has_code: bool
    has_discount: bool


@dataclass(frozen=True)
class Person:
    """A customer of the shop. `valid` orders keep their money, of them the `counted` ones count."""

    key: str
    rows: list[Seen]
    accounts: list[Account]
    orders: list[Order]
    checkouts: list[Checkout]
    known_from: date
    valid: list[Order]
    counted: list[Order]
    purchases: list[Purchase]

    @cached_property
    def customer_ids(self) -> set[str]:
        return {row.customer_id for row in self.rows if row.customer_id}

    @cached_property
    def emails(self) -> set[str]:
        return {row.email for row in self.rows if row.email and "noreply" not in row.email}

    @cached_property
    def phones(self) -> set[str]:
        return {row.phone for row in self.rows if row.phone}

    @cached_property
    def accounts_seen(self) -> list[Account]:
        """The accounts, the one seen last at the end: it, an order or a checkout of it."""

        def seen(account: Account) -> tuple[datetime, str]:
            rows = [row.at for row in self.rows if row.customer_id == account.customer_id]
            return max((at for at in rows if at), default=_NEVER), account.customer_id or ""

        return sorted(self.accounts, key=seen)

    @cached_property
    def last_name(self) -> str | None:
        names = [account.last_name for account in self.accounts_seen if account.last_name]
        return names[-1] if names else None

    def place_on(self, day: date) -> Place:
        """Where the last valid order was shipped to, before it what the account says."""
        shipped = [o.ship for o in self.valid if day_of(o) <= day and o.ship != NOWHERE]
        told = [account.place for account in self.accounts_seen if account.place != NOWHERE]
        return (shipped or told or [NOWHERE])[-1]


@dataclass(frozen=True)
class World:
    """The shop, its rules, and all its people."""

    shop: Shop
    rules: Rules
    as_of: date
    people: dict[str, Person]

    def by_id(self) -> dict[str, Person]:
        return {i: person for person in self.people.values() for i in person.customer_ids}

    def by_email(self) -> dict[str, Person]:
        return {email: person for person in self.people.values() for email in person.emails}


def world_of(shop: Shop, rules: Rules, as_of: date, rows_by_key: dict[str, list[Seen]]) -> World:
    start = min(order.day for order in shop.orders if order.day)
    people = {key: _person(key, rows, rules, start) for key, rows in rows_by_key.items()}
    return World(shop, rules, as_of, people)


def day_of(row: Seen) -> date:
    assert row.day is not None
    return row.day


def at_of(row: Seen) -> datetime:
    assert row.at is not None
    return row.at


def invalid_reason(order: Order, rules: Rules) -> str | None:
    reasons = {
        "test": order.test,
        "cancelled": order.cancelled,
        "voided": order.status == "voided",
        "zero_value": order.total <= 0,
        "gift_card_only": order.lines and all(line.is_gift_card for line in order.lines),
        "wholesale": order.tags == "wholesale",
        "draft": order.status == "draft",
        "fully_refunded": order.is_returned_whole and rules.refunded_orders == "exclude",
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def redeems(order: Order) -> bool:
    """Whether a code on the order is used up; one that came back or was free redeems, too."""
    return not (order.test or order.cancelled or order.status in ("voided", "draft"))


def _person(key: str, rows: list[Seen], rules: Rules, history_start: date) -> Person:
    orders = sorted(
        (row for row in rows if isinstance(row, Order)), key=lambda o: (at_of(o), o.row_id)
    )
    dated = [row.day for row in rows if row.source in ("account", "order") and row.day]
    valid = [order for order in orders if invalid_reason(order, rules) is None]
    counted = _counted(valid, rules)
    return Person(
        key,
        rows,
        [row for row in rows if isinstance(row, Account)],
        orders,
        [row for row in rows if isinstance(row, Checkout)],
        min(dated, default=history_start),
        valid,
        counted,
        _purchases(counted, rules),
    )


def _counted(valid: list[Order], rules: Rules) -> list[Order]:
    renewals = [order for order in valid if order.renewal]
    uncounted = {
        "count": [],
        "first_only": renewals[1:],
        "exclude": renewals,
    }[rules.recurring_orders]
    return [order for order in valid if order not in uncounted]


def _purchases(counted: list[Order], rules: Rules) -> list[Purchase]:
    kinds = rules.discount_kinds
    single = [Purchase(day_of(o), o.net, o.has_kind(kinds), bool(o.discounts)) for o in counted]
    if rules.order_grain == "order":
        return single
    days = {p.day: [q for q in single if q.day == p.day] for p in single}
    return [
        Purchase(
            day,
            sum(p.net for p in same_day),
            any(p.has_code for p in same_day),
            any(p.has_discount for p in same_day),
        )
        for day, same_day in sorted(days.items())
    ]
