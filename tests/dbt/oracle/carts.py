"""Checkouts that were left."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache

from tests.dbt.history import ZONE, Checkout, local_day
from tests.dbt.oracle.facts import Person, World, at_of, day_of, redeems
from tests.dbt.oracle.rules import families_of


def has_left_cart(day: date, person: Person, world: World, token_days: dict[str, date]) -> bool:
    """Whether any checkout of the person is abandoned on that day."""
    return any(_is_left(c, day, person, world, token_days) for c in person.checkouts)


def token_days(world: World) -> dict[str, date]:
    """The day of the first order with each checkout token, whatever became of the order."""
    days: dict[str, date] = {}
    for order in world.shop.orders:
        if order.token:
            days[order.token] = min(day_of(order), days.get(order.token, day_of(order)))
    return days


def _is_left(
    checkout: Checkout, day: date, person: Person, world: World, tokens: dict[str, date]
) -> bool:
    rules = world.rules
    noticed = _noticed_on(checkout.updated_at or at_of(checkout), rules.abandoned_cart_hours)
    if not noticed <= day < noticed + timedelta(days=rules.abandoned_cart_days):
        return False
    if checkout.completed_at and local_day(checkout.completed_at) <= day:
        return False
    if checkout.row_id in tokens and tokens[checkout.row_id] <= day:
        return False
    return not any(
        at_of(order) >= at_of(checkout) and day_of(order) <= day for order in person.counted
    )


@cache
def _noticed_on(changed: datetime, hours: int) -> date:
    """The first day that began so many hours after the change, or more."""
    day = local_day(changed)
    while datetime.combine(day, time(0), ZONE).astimezone(UTC) - changed < timedelta(hours=hours):
        day += timedelta(days=1)
    return day


def may_be_offered(day: date, person: Person, world: World, stays: int) -> bool:
    """Whether who has left a cart, for the `stays`-th time, may still be made an offer."""
    rules = world.rules
    if rules.abandoned_cart_offers is None:
        return True
    if rules.abandoned_cart_offers_count == "grants":
        return stays <= rules.abandoned_cart_offers
    redemptions = [
        order
        for order in person.orders
        if day_of(order) <= day
        and redeems(order)
        and any(rules.abandoned_cart_family in families_of(code) for code in order.codes)
    ]
    return len(redemptions) < rules.abandoned_cart_offers
