"""The sample shop through the real models: every trap of its page, and keys that stay."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.dbt.build import dbt, sample_home
from tests.sample_shop import Trap, traps

_ALSO_IN = (
    "new_multi_buyer",
    "new_hvc",
    "new_churning_hvc",
    "new_lapsed_hvc",
    "won_back",
    "first_order_discounted",
    "redeemed_this_month",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_home(tmp_path_factory, "sample")


def test_every_unit_test_of_the_rules_passes(home: Path) -> None:
    result = dbt(home, "test", "--select", "test_type:unit")
    assert result.returncode == 0, result.stdout[-3000:]
    assert "Found" in result.stdout
    assert result.stdout.count("PASS unit_test") + result.stdout.count("PASS ") >= 30


def customers_of(con: duckdb.DuckDBPyConnection, trap: Trap) -> list[str]:
    if trap.by_order:
        sql = "select customer_key from marts.orders where order_id glob ?"
    else:
        sql = (
            "select customer_key from marts.customer_identities"
            " where id_type = 'customer_id' and id_value glob ?"
        )
    rows = con.execute(f"{sql} group by all", [trap.pattern]).fetchall()
    return [key for (key,) in rows if key]


def _group(trap: Trap) -> str:
    """`trap_09` for the ninth trap of order history; the first word for the other customers."""
    numbered = re.match(r"trap-3-(\d+)", trap.pattern)
    return f"trap_{int(numbered[1]):02}" if numbered else trap.pattern.split("-")[1].rstrip("*")


GROUPS = sorted({_group(trap) for trap in traps()})


@pytest.mark.parametrize("group", GROUPS)
def test_every_trap_comes_out_as_its_row_says(home: Path, group: str) -> None:
    wrong: list[tuple[object, ...]] = []
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        for trap in (trap for trap in traps() if _group(trap) == group):
            keys = customers_of(con, trap)
            if bool(keys) != (trap.lifecycle is not None):
                wrong.append((trap.pattern, "published" if keys else "missing"))
            for key in keys:
                customer = con.execute(
                    "select lifecycle, order_count, nullif(discount_behavior, 'non_buyer')"
                    " from marts.customers where customer_key = ?",
                    [key],
                ).fetchone()
                members = con.execute(
                    "select segment from marts.segment_members where customer_key = ?", [key]
                ).fetchall()
                found = (*(customer or ()), {name for (name,) in members} & set(_ALSO_IN))
                expected = (
                    trap.lifecycle,
                    trap.valid_orders,
                    trap.discount_behavior,
                    set(trap.also_in),
                )
                if found != expected:
                    wrong.append((trap.pattern, found, expected))
    assert not wrong


def test_a_longer_history_renames_nobody(home: Path, tmp_path: Path) -> None:
    shutil.copy(home / "warehouse.duckdb", tmp_path)
    earlier = dbt(tmp_path, "run", "--select", "+int_orders_owned", as_of="2025-11-21")
    assert earlier.returncode == 0, earlier.stdout[-4000:]
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        con.execute(f"attach '{tmp_path / 'warehouse.duckdb'}' as earlier (read_only)")
        orders, renamed = con.execute(
            "select count(*),"
            " count(*) filter (where was.customer_key is distinct from now.customer_key)"
            " from earlier.intermediate.int_orders_owned as was"
            " join intermediate.int_orders_owned as now using (order_id)"
        ).fetchall()[0]
    assert orders > 1000
    assert renamed == 0
