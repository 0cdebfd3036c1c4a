"""Lifecycle, what is new in it, won back, the discount ladder, and the thresholds by tier."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import pairwise
from statistics import median

from tests.dbt.oracle.facts import Person, Purchase, World
from tests.dbt.oracle.rules import LADDER, Rules

Thresholds = dict[str, tuple[int, int]]
"""Last day of active and last day of churning, by tier."""

HVC_ENTRIES = {"new_hvc", "new_churning_hvc", "new_lapsed_hvc"}


def thresholds_of(world: World) -> Thresholds:
    """The days of silence by tier: the variables, or what customers who came back say."""
    rules = world.rules
    fixed = rules.active_days, rules.lapse_days
    tiers = ("single", "multi", "hvc")
    if rules.thresholds == "fixed":
        return dict.fromkeys(tiers, fixed)
    month = world.as_of.replace(day=1)
    medians: dict[str, list[float]] = defaultdict(list)
    for person in world.people.values():
        gaps: dict[str, list[int]] = defaultdict(list)
        days = sorted({p.day for p in person.purchases if p.day < month})
        for day, next_day in pairwise(days):
            tier = tier_of([p for p in person.purchases if p.day <= day], rules)
            gaps[tier].append((next_day - day).days)
        for tier, its_gaps in gaps.items():
            medians[tier].append(median(its_gaps))
    found = dict.fromkeys(tiers, fixed)
    for tier, measured in medians.items():
        if len(measured) >= rules.percentile_min_gaps:
            active_days = _reached(measured, rules.churn_pct, rules)
            lapse_days = _reached(measured, rules.lapse_pct, rules)
            # Within the bounds both may be one day, and nobody would churn.
            found[tier] = active_days, max(lapse_days, active_days + 1)
    return found


def _reached(values: list[float], share: float, rules: Rules) -> int:
    """The fewest days within which at least this share came back, within the bounds."""
    days = math.ceil(sorted(values)[math.ceil(share * len(values) - 1e-9) - 1])
    return min(max(days, rules.percentile_min_days), rules.percentile_max_days)


def on(day: date, person: Person, world: World, thresholds: Thresholds) -> Iterator[str]:
    rules = world.rules
    purchases = [p for p in person.purchases if p.day <= day]
    if not purchases:
        yield "non_buyer"
        return
    last = purchases[-1].day
    silence = (day - last).days
    tier = tier_of(purchases, rules)
    active_days, lapse_days = thresholds[tier]
    state = (
        "active" if silence <= active_days else "churning" if silence <= lapse_days else "lapsed"
    )
    yield f"{state}_{tier}"
    yield from _new(day, purchases, tier, thresholds, rules)

    earlier = [p for p in purchases if p.day < last]
    if earlier:
        pause = (last - earlier[-1].day).days
        _, was_lapsed_after = thresholds[tier_of(earlier, rules)]
        if pause > was_lapsed_after and (day - last).days < rules.winback_window_days:
            yield "won_back"

    step = ladder_step(silence, tier)
    if step is not None and not only_with_code(purchases):
        yield f"discount_ladder_step_{step}"


def _new(
    day: date, purchases: list[Purchase], tier: str, thresholds: Thresholds, rules: Rules
) -> Iterable[str]:
    def is_recent(event: date) -> bool:
        return (day - event).days < rules.new_window_days

    if len(_in_window(purchases, rules)) == 2 and is_recent(purchases[1].day):
        yield "new_multi_buyer"
    first_hvc = _first_hvc_day(purchases, rules)
    if first_hvc and is_recent(first_hvc):
        yield "new_hvc"
    if tier == "hvc":
        silence = (day - purchases[-1].day).days
        active_days, lapse_days = thresholds["hvc"]
        if active_days < silence <= active_days + rules.new_window_days:
            yield "new_churning_hvc"
        if lapse_days < silence <= lapse_days + rules.new_window_days:
            yield "new_lapsed_hvc"


def ladder_step(silence: int, tier: str) -> int | None:
    """The step of the ladder that so many days of silence have reached."""
    reached = [step for of_tier, days, step in LADDER if of_tier == tier and silence >= days]
    return reached[-1] if reached else None


def only_with_code(purchases: list[Purchase]) -> bool:
    return len(purchases) >= 2 and all(p.has_code for p in purchases)


def _in_window(purchases: list[Purchase], rules: Rules) -> list[Purchase]:
    if rules.frequency_window == "lifetime":
        return purchases
    return [p for p in purchases if (purchases[-1].day - p.day).days < 365]


def tier_of(purchases: list[Purchase], rules: Rules) -> str:
    counted = _in_window(purchases, rules)
    spend = sum(p.net for p in counted)
    enough = rules.hvc_min_spend is None or spend >= rules.hvc_min_spend * 100
    if len(counted) >= rules.hvc_min_orders and enough:
        return "hvc"
    return "multi" if len(counted) >= 2 else "single"


def _first_hvc_day(purchases: list[Purchase], rules: Rules) -> date | None:
    for day in sorted({p.day for p in purchases}):
        if tier_of([p for p in purchases if p.day <= day], rules) == "hvc":
            return day
    return None
