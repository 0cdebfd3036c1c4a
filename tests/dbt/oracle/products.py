"""What a customer bought, and never bought."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from tests.dbt.history import Line, cents
from tests.dbt.oracle.facts import Person, day_of
from tests.dbt.oracle.rules import PRODUCT_RULES, in_set


def on(day: date, person: Person) -> Iterator[str]:
    orders = [order for order in person.counted if day_of(order) <= day]
    if not orders:
        return
    for rule in PRODUCT_RULES:
        within = int(rule["within_days"]) if rule["within_days"] else None
        recent = [o for o in orders if within is None or (day - day_of(o)).days < within]
        has_bought = any(line.kept > 0 and _wanted(line, rule) for o in recent for line in o.lines)
        has_other = any(
            rule["never_any_of"] and in_set(line, rule["never_any_of"])
            for o in orders
            for line in o.lines
        )
        if has_bought and not has_other:
            yield rule["segment"]


def _wanted(line: Line, rule: dict[str, str]) -> bool:
    of_set = not rule["bought_any_of"] or in_set(line, rule["bought_any_of"])
    dear = not rule["min_unit_price"] or line.unit_price >= cents(rule["min_unit_price"])
    return of_set and dear
