"""Yesterday's picture and today's of one small shop, through the real load, models and publish."""

from __future__ import annotations

import csv
import shutil
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from dagster_project import warehouse
from tests.dbt.build import build_models, load_folder

FRIDAY, SATURDAY, SUNDAY = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)


@dataclass(frozen=True)
class Order:
    order_id: str
    ordered_at: str
    email: str
    total_amount: str = "50.00"
    customer_id: str = ""
    cancelled_at: str = ""
    refunded_amount: str = "0.00"


KNOWN_ON_FRIDAY = [
    Order("a1", "2026-06-01T12:00:00Z", "ann@example.com"),
    Order("b1", "2026-10-01T12:00:00Z", "bob@example.com"),
    Order("b2", "2026-10-15T12:00:00Z", "bob@example.com"),
    Order("c1", "2026-10-05T12:00:00Z", "cat@example.com"),
    Order("d1", "2026-09-01T12:00:00Z", "dan@example.com"),
    Order("d2", "2026-09-02T12:00:00Z", "dan.other@example.com"),
    Order("e1", "2026-11-20T12:00:00Z", "eve@example.com"),
    # 163 days before Friday: active for 180 days, but not for 150.
    Order("f1", "2026-06-10T12:00:00Z", "fay@example.com"),
]
LEARNT_ON_SATURDAY = {
    "b2": {"cancelled_at": "2026-11-21T08:00:00Z"},
    "c1": {"refunded_amount": "50.00"},
    "d1": {"customer_id": "7"},
    "d2": {"customer_id": "7"},
}
NEW_ON_SATURDAY = [
    Order("a2", "2026-11-10T12:00:00Z", "ann@example.com"),
    Order("e2", "2026-11-21T12:00:00Z", "eve@example.com"),
]


def publish(home: Path, orders: list[Order], as_of: date, **variables: Any) -> None:
    folder = home / "source"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "orders.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, list(asdict(orders[0])))
        rows.writeheader()
        rows.writerows(asdict(order) for order in orders)
    load_folder(folder, home)
    build_models(home, as_of=as_of.isoformat(), **variables)
    warehouse.publish(
        home / "warehouse.duckdb",
        home / "published" / "segments.duckdb",
        as_of=as_of,
        shop_timezone="America/New_York",
        shop_currency="USD",
        clock=lambda: datetime.now(UTC),
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published on Friday, on Saturday, and on Sunday with another rule."""
    folder = tmp_path_factory.mktemp("shop")
    publish(folder, KNOWN_ON_FRIDAY, FRIDAY)
    saturday = [replace(o, **LEARNT_ON_SATURDAY.get(o.order_id, {})) for o in KNOWN_ON_FRIDAY]
    publish(folder, saturday + NEW_ON_SATURDAY, SATURDAY)
    publish(folder, saturday + NEW_ON_SATURDAY, SUNDAY, active_days=150)
    return folder


def ask(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with warehouse.read(home / "published" / "segments.duckdb") as con:
        return con.execute(sql).fetchall()


def lifecycle(home: Path, query: str, columns: str) -> set[tuple[Any, ...]]:
    """Rows of `query` about lifecycle segments, customers by the names of their addresses."""
    rows = ask(
        home,
        f"""
        SELECT coalesce(split_part(c.email, '@', 1), 'gone'), {columns}
        FROM ({query}) AS found LEFT JOIN customers AS c USING (customer_key)
        WHERE regexp_matches(segment, '^(active|churning|lapsed)_|^non_buyer$')
        """,
    )
    assert len(rows) == len(set(rows))
    return set(rows)


def test_what_fridays_publication_said_is_still_known(home: Path) -> None:
    shown = lifecycle(home, f"FROM members_published_on(DATE '{FRIDAY}')", "segment")
    assert {row for row in shown if not row[0].startswith(("dan", "gone"))} == {
        ("ann", "active_single"),
        ("bob", "active_multi"),
        ("cat", "active_single"),
        ("eve", "active_single"),
        ("fay", "active_single"),
    }
    (dan,) = {name for name, _ in shown if name.startswith("dan")}
    assert {(dan, "active_single"), ("gone", "active_single")} <= shown


def test_what_friday_looks_like_today(home: Path) -> None:
    shown = lifecycle(home, f"FROM members_on(DATE '{FRIDAY}')", "segment")
    assert {(name.split(".")[0], segment) for name, segment in shown} == {
        ("ann", "active_multi"),
        ("bob", "active_single"),
        ("cat", "non_buyer"),
        ("dan", "active_multi"),
        ("eve", "active_single"),
        ("fay", "churning_single"),
    }


def test_trap_17_where_the_two_differ_and_why(home: Path) -> None:
    rule = "rule change"
    shown = lifecycle(
        home, f"FROM published_differences(DATE '{FRIDAY}')", "segment, published, why"
    )
    assert {(name.split(".")[0], *rest) for name, *rest in shown} == {
        ("ann", "active_single", True, f"late order, {rule}"),
        ("ann", "active_multi", False, f"late order, {rule}"),
        ("bob", "active_multi", True, f"cancellation, {rule}"),
        ("bob", "active_single", False, f"cancellation, {rule}"),
        ("cat", "active_single", True, f"refund, {rule}"),
        ("cat", "non_buyer", False, "refund"),
        ("dan", "active_single", True, f"identity, {rule}"),
        ("dan", "active_multi", False, f"identity, {rule}"),
        ("gone", "active_single", True, "customer merged or erased"),
        ("fay", "active_single", True, rule),
        ("fay", "churning_single", False, rule),
    }


def test_the_last_publication_differs_in_nothing(home: Path) -> None:
    assert ask(home, f"FROM published_differences(DATE '{SUNDAY}')") == []
    assert ask(
        home,
        f"FROM members_published_on(DATE '{SUNDAY}') "
        "EXCEPT SELECT segment, customer_key FROM segment_members",
    ) == ask(
        home,
        "SELECT segment, customer_key FROM segment_members "
        f"EXCEPT FROM members_published_on(DATE '{SUNDAY}')",
    )


def test_what_was_learnt_about_orders(home: Path) -> None:
    rows = ask(home, "SELECT as_of, order_id, cause FROM order_corrections ORDER BY ALL")
    assert rows == [
        (SATURDAY, "a2", "late_order"),
        (SATURDAY, "b2", "cancellation"),
        (SATURDAY, "c1", "refund"),
        *[(SATURDAY, order, "identity") for order in _identities(rows)],
    ]


def _identities(rows: list[tuple[Any, ...]]) -> list[str]:
    """Dan's orders that were the other Dan's: one of the two, told for both keys."""
    orders = [order for _, order, cause in rows if cause == "identity"]
    assert orders in (["d1", "d1"], ["d2", "d2"])
    return orders


def test_rules_are_logged_when_they_change(home: Path) -> None:
    rows = ask(
        home,
        "SELECT as_of, parameters::JSON ->> 'active_days' FROM published_rules "
        "WHERE segment = 'active_single' ORDER BY as_of",
    )
    assert rows == [(FRIDAY, "180"), (SUNDAY, "150")]
