"""What a customer spends, how often, and what the shop earns with them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction

from tests.dbt.history import Line, Order
from tests.dbt.oracle.facts import Person, World, day_of
from tests.dbt.oracle.rules import ORDER_COUNTS, SPEND_TIERS, Rules

Earned = dict[str, Fraction | None]
"""What each valid order earned, in cents; the same on every day."""


def earned_of(world: World) -> Earned:
    return {
        order.row_id: contribution(order, world)
        for person in world.people.values()
        for order in person.valid
    }


def on(day: date, person: Person, rules: Rules, earned: Earned) -> Iterator[str]:
    # Renewals that do not count make nobody a buyer, but the shop earns with them.
    amounts = [earned[order.row_id] for order in person.valid if day_of(order) <= day]
    known = [amount for amount in amounts if amount is not None]
    if amounts and len(known) == len(amounts):
        is_enough = sum(known) >= rules.profit_threshold * 100
        yield "profitable" if is_enough else "unprofitable"
    purchases = [p for p in person.purchases if p.day <= day]
    if not purchases:
        return
    tier = spend_tier(day, person, rules)
    if tier:
        yield f"spend_{tier}"
    for rule in ORDER_COUNTS:
        most = int(rule["max_orders"] or len(purchases))
        if int(rule["min_orders"] or 0) <= len(purchases) <= most:
            yield rule["segment"]
    if sum(p.net for p in purchases[1:]) > rules.reseller_min_repeat_spend * 100:
        yield "suspected_reseller"


def spend_tier(day: date, person: Person, rules: Rules) -> str | None:
    """The tier whose amount the spend per order has reached, exactly or beyond."""
    purchases = [p for p in person.purchases if p.day <= day]
    if not purchases:
        return None
    counted = purchases[-1:] if rules.spend_tier_basis == "last_order" else purchases
    spent = sum(p.net for p in counted)
    reached = [tier for starts_at, tier in SPEND_TIERS if spent >= starts_at * len(counted)]
    return reached[-1] if reached else None


def contribution(order: Order, world: World) -> Fraction | None:
    """What the order earned in cents; None if a cost is unknown and no margin may be assumed."""
    rules = world.rules
    costs = world.shop.costs
    known = [line for line in order.lines if line.sku in costs]
    unknown = [line for line in order.lines if line.sku not in costs and line.kept > 0]
    value = sum((_kept_value(line) for line in order.lines), Fraction(0))
    estimated = sum((_kept_value(line) for line in unknown), Fraction(0))
    share = estimated / value if value > 0 else Fraction(1 if not order.lines or unknown else 0)
    if share and rules.gross_margin_pct is None:
        return None
    margin = Fraction(str(rules.gross_margin_pct or 0))
    cost = sum((Fraction(costs[line.sku]) * line.kept for line in known), Fraction(0))
    cost += max(order.net, 0) * share * (1 - margin)
    fees = Fraction(str(rules.shipping_cost_per_order)) * 100
    fees += Fraction(str(rules.payment_fee_pct)) * order.total
    return order.net - cost - fees


def _kept_value(line: Line) -> Fraction:
    """What was paid for the kept part of a line, in cents."""
    paid = line.unit_price * line.quantity - line.discount
    return Fraction(paid * line.kept, line.quantity)
