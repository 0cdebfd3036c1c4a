"""The published tables of a history as one hand-tuned script: the yardstick of the dbt project.

``python -m tests.benchmarks.by_hand WAREHOUSE RESULT`` computes them from the raw schema of a
warehouse into a new file. Two programs that share no line and agree on every row are a proof of
both, so the benchmark compares what they say before it compares their speed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import duckdb

from dagster_project.sources.sql import identifier, literal
from tests.benchmarks import raw_shop, tree
from tests.benchmarks.table import require
from tests.benchmarks.tree import Used

_ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = Path(__file__).with_suffix(".sql")


def run(warehouse: Path, result: Path, environment: Mapping[str, str]) -> Used:
    """Compute the tables in a process of their own."""
    command = [sys.executable, "-m", __name__, str(warehouse), str(result)]
    return tree.run(command, environment)


def tables() -> list[str]:
    """The published tables that the script makes."""
    return re.findall(r"^create table (\w+)", _SCRIPT.read_text(), re.MULTILINE)


def require_equal(warehouse: Path, result: Path) -> None:
    """Compare every row of every table with what dbt left in the warehouse.

    Raises:
        BenchmarkError: a table differs.
    """
    with duckdb.connect() as con:
        for setting in raw_shop.SETTINGS:
            con.execute(setting)
        # Views name the database they were made in.
        con.execute(f"ATTACH {literal(str(warehouse))} AS warehouse (READ_ONLY)")
        con.execute(f"ATTACH {literal(str(result))} AS by_hand (READ_ONLY)")
        for table in map(identifier, tables()):
            ours, by_hand = (
                _content(con, f"{db}.{table}") for db in ("warehouse.marts", "by_hand")
            )
            require(f"content of {table}", ours, by_hand)


def _content(con: duckdb.DuckDBPyConnection, table: str) -> tuple[object, ...]:
    """Columns, number of rows, and a sum over the rows that no order of them changes."""
    columns = con.sql(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall()
    [content] = con.sql(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {table} AS t").fetchall()
    return (columns, *content)


def _compute(warehouse: Path, result: Path) -> None:
    with duckdb.connect(str(result)) as con:
        for setting in raw_shop.SETTINGS:
            con.execute(setting)
        con.execute(f"ATTACH {literal(str(warehouse))} AS source (READ_ONLY)")
        con.execute(f"SET VARIABLE as_of = DATE {literal(raw_shop.AS_OF)}")
        reference = _ROOT / "seeds" / "reference"
        con.execute(f"SET VARIABLE reference = {literal(str(reference))}")
        con.execute(_SCRIPT.read_text())


if __name__ == "__main__":
    _compute(Path(sys.argv[1]), Path(sys.argv[2]))
