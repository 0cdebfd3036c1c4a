"""Segment membership on one day, from the words of the definitions: no periods, no look ahead.

Every function gets the orders up to a day and that day, and answers whether the customer is a
member on it. It is slow and obvious, which is what the closed form in SQL is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from tests.dbt.history import Order, Seen


@dataclass(frozen=True)
class Rules:
    """The dbt variables that matter here, with their defaults."""

    hvc_min_orders: int = 3
    hvc_min_spend: int | None = None
    active_days: int = 180
    lapse_days: int = 365
    frequency_window: str = "lifetime"
    new_window_days: int = 7
    winback_window_days: int = 30
    order_grain: str = "order"
    refunded_orders: str = "exclude"
    recurring_orders: str = "count"


@dataclass(frozen=True)
class Purchase:
    """What counts once: an order, or with order_grain customer_day a day of orders."""

    day: date
    net: int
    has_code: bool
    has_discount: bool


def days_of(
    person: list[Seen], as_of: date, history_start: date, rules: Rules
) -> dict[str, set[date]]:
    """For every segment the days on which this person is a member, up to and with `as_of`."""
    purchases = _purchases(person, rules)
    known_from = _known_from(person, history_start)
    found: dict[str, set[date]] = {}
    day = known_from
    while day <= as_of:
        for segment in segments_on(day, [p for p in purchases if p.day <= day], rules):
            found.setdefault(segment, set()).add(day)
        day += timedelta(days=1)
    return found


def segments_on(day: date, purchases: list[Purchase], rules: Rules) -> Iterable[str]:
    """The segments on `day` of someone who made `purchases` up to that day, oldest first."""
    if not purchases:
        yield "non_buyer"
        return
    last = purchases[-1].day
    silence = (day - last).days
    tier = _tier(purchases, rules)
    state = (
        "active"
        if silence <= rules.active_days
        else "churning"
        if silence <= rules.lapse_days
        else "lapsed"
    )
    yield f"{state}_{tier}"

    def is_recent(event: date, window: int) -> bool:
        return (day - event).days < window

    two = _frequency(purchases, rules) == 2
    if two and is_recent(purchases[1].day, rules.new_window_days):
        yield "new_multi_buyer"
    first_hvc = _first_hvc_day(purchases, rules)
    if first_hvc and is_recent(first_hvc, rules.new_window_days):
        yield "new_hvc"
    if tier == "hvc":
        if rules.active_days < silence <= rules.active_days + rules.new_window_days:
            yield "new_churning_hvc"
        if rules.lapse_days < silence <= rules.lapse_days + rules.new_window_days:
            yield "new_lapsed_hvc"
    earlier = [p.day for p in purchases if p.day < last]
    came_back = bool(earlier) and (last - earlier[-1]).days > rules.lapse_days
    if came_back and is_recent(last, rules.winback_window_days):
        yield "won_back"

    if any(p.has_code for p in purchases):
        yield "ever_used_discount_code"
    elif any(p.has_discount for p in purchases):
        yield "other_discount_only"
    if not any(p.has_discount for p in purchases):
        yield "full_price_only"
    if purchases[0].has_code:
        yield "first_order_discounted"
    if any(p.has_code and (p.day.year, p.day.month) == (day.year, day.month) for p in purchases):
        yield "redeemed_this_month"


def _purchases(person: list[Seen], rules: Rules) -> list[Purchase]:
    orders = sorted(
        (row for row in person if isinstance(row, Order)), key=lambda o: (o.at, o.row_id)
    )
    counted = []
    renewals = 0
    for order in orders:
        fully_refunded = order.total > 0 and order.refunded >= order.total
        counts_refunded = fully_refunded and rules.refunded_orders == "count"
        if order.cancelled or order.test or order.total <= 0:
            continue
        if fully_refunded and not counts_refunded:
            continue
        renewals += order.renewal
        if order.renewal and rules.recurring_orders == "exclude":
            continue
        if order.renewal and rules.recurring_orders == "first_only" and renewals > 1:
            continue
        counted.append(order)
    single = [Purchase(_day(o), o.net, o.has_code, o.has_discount) for o in counted]
    if rules.order_grain == "order":
        return single
    return [
        Purchase(
            day,
            sum(p.net for p in single if p.day == day),
            any(p.has_code for p in single if p.day == day),
            any(p.has_discount for p in single if p.day == day),
        )
        for day in sorted({p.day for p in single})
    ]


def _day(row: Seen) -> date:
    assert row.day is not None
    return row.day


def _known_from(person: list[Seen], history_start: date) -> date:
    dated = [row.day for row in person if row.source in ("account", "order") and row.day]
    return min(dated, default=history_start)


def _in_window(purchases: list[Purchase], rules: Rules) -> list[Purchase]:
    if rules.frequency_window == "lifetime":
        return purchases
    return [p for p in purchases if (purchases[-1].day - p.day).days < 365]


def _frequency(purchases: list[Purchase], rules: Rules) -> int:
    return len(_in_window(purchases, rules))


def _tier(purchases: list[Purchase], rules: Rules) -> str:
    frequency = _frequency(purchases, rules)
    spend = sum(p.net for p in _in_window(purchases, rules))
    enough = rules.hvc_min_spend is None or spend >= rules.hvc_min_spend
    if frequency >= rules.hvc_min_orders and enough:
        return "hvc"
    return "multi" if frequency >= 2 else "single"


def _first_hvc_day(purchases: list[Purchase], rules: Rules) -> date | None:
    for day in sorted({p.day for p in purchases}):
        if _tier([p for p in purchases if p.day <= day], rules) == "hvc":
            return day
    return None
