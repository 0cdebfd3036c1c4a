"""The plan of everybody, against a ledger that knows nobody."""

from __future__ import annotations

from pathlib import Path

import duckdb

from syncs import SyncSettings, chosen, plan_one
from tests.benchmarks.table import Measure, best_seconds, require

_REPEATS = 3


def plan_everybody(home: Path, name: str, rows: int) -> tuple[float, list[Measure]]:
    """Seconds of a plan, and its line of the table."""
    settings = SyncSettings.model_validate(
        {"SEGMENTS_ENV": "demo", "SEGMENTS_HOME": home, "SEGMENTS_SPECS": home / "specs"}
    )
    spec = chosen(settings, [name])[name]
    require("rows planned", plan_one(settings, spec).changes, rows)

    def scan() -> None:
        with duckdb.connect(str(settings.published), read_only=True) as con:
            con.execute("select count(distinct sha256(email)) from customers").fetchall()

    planned = best_seconds(_REPEATS, lambda: plan_one(settings, spec))
    scanned = best_seconds(_REPEATS, scan)
    return planned, [
        Measure(
            f"plan of {rows:,} profiles, empty ledger",
            f"{planned:.2f} s",
            planned / scanned,
            f"scanning and hashing the same rows once ({scanned:.2f} s)",
        )
    ]
