"""Random shops through the real models, compared with the day-by-day definitions on every day."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.dbt.build import build, load_folder
from tests.dbt.day_by_day import Rules, days_of
from tests.dbt.history import AS_OF, Order, Seen, Shop, random_shop
from tests.dbt.people import resolve

SCENARIOS = {
    "defaults": (1, Rules()),
    "other_rules": (
        2,
        Rules(
            hvc_min_orders=2,
            hvc_min_spend=120,
            active_days=60,
            lapse_days=120,
            frequency_window="365d",
            new_window_days=14,
            winback_window_days=90,
            order_grain="customer_day",
            refunded_orders="count",
            recurring_orders="first_only",
        ),
    ),
}


@pytest.fixture(scope="module", params=SCENARIOS)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A random shop, what the models made of it, and the rules they were given."""
    seed, rules = SCENARIOS[request.param]
    home = tmp_path_factory.mktemp(request.param)
    history = random_shop(seed)
    history.write(home / "source")
    path = load_folder(home / "source", home)
    build(home, **asdict(rules))
    return history, rules, path


def people_by_key(history: Shop, path: Path) -> dict[str, list[Seen]]:
    """Customers of the models with the rows of the person they stand for, who must be one."""
    with duckdb.connect(str(path), read_only=True) as con:
        of_order = dict(con.execute("select order_id, customer_key from marts.orders").fetchall())
        of_account = dict(
            con.execute(
                "select customer_id, customer_key from intermediate.int_customer_accounts"
            ).fetchall()
        )
    people = resolve(history, AS_OF)
    found = {}
    nobody = {order.row_id for order in history.orders if order.day and order.day <= AS_OF}
    for person in people:
        orders = {row.row_id for row in person if isinstance(row, Order)}
        accounts = {str(row.customer_id) for row in person if row.source == "account"}
        keys = {of_order[order] for order in orders} | {of_account[a] for a in accounts}
        assert len(keys) == 1, f"one person has {len(keys)} keys"
        (key,) = keys
        assert key is not None
        assert key not in found, "two people have one key"
        found[key] = person
        nobody -= orders
    assert all(of_order[order] is None for order in nobody)
    assert nobody, "the shop has no order of nobody, so the rule is not tried"
    return found


def test_the_models_find_the_same_people(shop) -> None:
    history, _, path = shop
    found = people_by_key(history, path)
    with duckdb.connect(str(path), read_only=True) as con:
        keys = {
            row[0] for row in con.execute("select customer_key from marts.customers").fetchall()
        }
    assert keys == set(found)
    assert any(len({row.customer_id for row in person}) > 2 for person in found.values())


def test_every_segment_on_every_day(shop) -> None:
    history, rules, path = shop
    expected: dict[tuple[str, str], set[date]] = {}
    start = min(order.day for order in history.orders if order.day)
    for key, person in people_by_key(history, path).items():
        for segment, days in days_of(person, AS_OF, start, rules).items():
            expected[segment, key] = days

    found: dict[tuple[str, str], set[date]] = defaultdict(set)
    with duckdb.connect(str(path), read_only=True) as con:
        segments = {
            row[0] for row in con.execute("select segment from marts.segment_catalog").fetchall()
        }
        periods = con.execute(
            "select segment, customer_key, entered_on, exited_on from marts.segment_periods"
        ).fetchall()
    for segment, key, entered, exited in periods:
        last = (exited or AS_OF + timedelta(days=1)) - entered
        found[segment, key] |= {entered + timedelta(days=n) for n in range(last.days)}

    wrong = {
        member: (sorted(days - found[member])[:3], sorted(found[member] - days)[:3])
        for member in expected.keys() | found.keys()
        if (days := expected.get(member, set())) != found[member]
    }
    assert not wrong, f"{len(wrong)} differ, e.g. {next(iter(wrong.items()))}"
    assert {segment for segment, _ in expected} == segments, "a segment has no member to compare"
