"""Who used which discount, ever and this month."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from tests.dbt.oracle.facts import Person, World, day_of
from tests.dbt.oracle.lifecycle import only_with_code
from tests.dbt.oracle.rules import families_of


def on(day: date, person: Person, world: World) -> Iterator[str]:
    purchases = [p for p in person.purchases if p.day <= day]
    if not purchases:
        return
    if any(p.has_code for p in purchases):
        yield "ever_used_discount_code"
    elif any(p.has_discount for p in purchases):
        yield "other_discount_only"
    if not any(p.has_discount for p in purchases):
        yield "full_price_only"
    if purchases[0].has_code:
        yield "first_order_discounted"
    if only_with_code(purchases):
        yield "only_with_discount"
    if any(p.has_code and _same_month(p.day, day) for p in purchases):
        yield "redeemed_this_month"
    codes = {
        code
        for order in person.counted
        if day_of(order) <= day and _same_month(day_of(order), day)
        for code in order.codes
    }
    for family in {family for code in codes for family in families_of(code)}:
        yield f"redeemed_{family}_this_month"


def dependence(person: Person) -> str | None:
    """The word for how much somebody who bought twice depends on codes."""
    if len(person.purchases) < 2:
        return None
    with_code = sum(p.has_code for p in person.purchases)
    if with_code == 0:
        return "full_price"
    if with_code == len(person.purchases):
        return "only_with_discount"
    return "occasional" if with_code * 2 < len(person.purchases) else "frequent"


def _same_month(one: date, other: date) -> bool:
    return (one.year, one.month) == (other.year, other.month)
