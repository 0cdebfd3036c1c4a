"""Signs of coupon abuse, each with the day since which it holds."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from fractions import Fraction

from tests.dbt.history import Order, local_day
from tests.dbt.oracle.facts import Person, World, at_of, day_of, invalid_reason, redeems
from tests.dbt.oracle.households import households, telling
from tests.dbt.oracle.rules import once_families_of

Signs = dict[str, dict[str, date]]
"""For each person the signs raised and their first day; mostly_codes comes and goes."""


def signs_of(world: World) -> Signs:
    found: dict[str, dict[str, date]] = defaultdict(dict)

    def raise_sign(person: Person, sign: str, day: date) -> None:
        raised = found[person.key]
        raised[sign] = min(day, raised.get(sign, day))

    _repeated(world, raise_sign)
    _shared(world, raise_sign)
    _of_somebody_else(world, raise_sign)
    for person in world.people.values():
        # Whoever sends everything back does so as well, whether such orders count or not.
        returned = [
            order
            for order in person.orders
            if invalid_reason(order, world.rules) in (None, "fully_refunded")
            and order.has_kind(world.rules.discount_kinds)
            and order.refunded > 0
        ]
        if len(returned) >= 2:
            raise_sign(person, "returns_after_code", day_of(returned[1]))
    return found


def _repeated(world: World, raise_sign) -> None:
    for person in world.people.values():
        days = defaultdict(list)
        for order in filter(redeems, person.orders):
            for family in once_families(order):
                days[family].append(day_of(order))
        for used in days.values():
            if len(used) >= 2:
                raise_sign(person, "repeated_code", used[1])


def _shared(world: World, raise_sign) -> None:
    most = world.rules.max_cluster
    personal = {kind: telling(signs, most) for kind, signs in households(world).items()}
    devices = telling(
        {
            key: {device for device in map(_device, person.orders) if device}
            for key, person in world.people.items()
        },
        most,
    )
    uses = [
        (family, person, order)
        for person in world.people.values()
        for order in filter(redeems, person.orders)
        for family in once_families(order)
    ]
    for family, person, order in uses:
        for other_family, other, other_order in uses:
            if family != other_family or person is other:
                continue
            days = sorted((day_of(order), day_of(other_order)))
            if (days[1] - days[0]).days > world.rules.abuse_window_days:
                continue
            for kind, of in personal.items():
                if of[person.key] & of[other.key]:
                    raise_sign(person, f"shared_{kind}", days[1])
            device = _device(order)
            if device == _device(other_order) and device in devices[person.key]:
                raise_sign(person, "shared_device", days[1])


def once_families(order: Order) -> set[str]:
    return {family for code in order.codes for family in once_families_of(code)}


def _of_somebody_else(world: World, raise_sign) -> None:
    by_id, by_email = world.by_id(), world.by_email()
    owners = defaultdict(set)
    sent_at: dict[str, datetime] = {}
    for send in world.shop.sends:
        address = (send.email or "").lower()
        person = by_id.get(send.customer_id or "") or by_email.get(address)
        # An address of nobody in particular says nothing about whose the code is.
        named = "" if address.startswith("noreply@") else address
        recipient = person.key if person else send.customer_id or named
        if send.code and recipient and local_day(send.at) <= world.as_of:
            code = send.code.strip().upper()
            owners[code].add(recipient)
            sent_at[code] = min(send.at, sent_at.get(code, send.at))
    for person in world.people.values():
        for order in filter(redeems, person.orders):
            for code in order.codes:
                was_sent = code in sent_at and sent_at[code] <= at_of(order)
                if was_sent and len(owners[code]) == 1 and person.key not in owners[code]:
                    raise_sign(person, "shared_code", day_of(order))


def score_on(day: date, person: Person, world: World, signs: Signs) -> int:
    raised = {sign for sign, since in signs.get(person.key, {}).items() if since <= day}
    purchases = [p for p in person.purchases if p.day <= day]
    enough = len(purchases) >= world.rules.abuse_min_orders
    with_code = sum(p.has_code for p in purchases)
    share = Fraction(str(world.rules.abuse_code_share))
    if enough and Fraction(with_code, len(purchases)) >= share:
        raised.add("mostly_codes")
    return min(100, sum(world.rules.abuse_weights[sign] for sign in raised))


def _device(order: Order) -> tuple[str, str] | None:
    if order.client_ip and order.user_agent:
        return order.client_ip, order.user_agent
    return None
