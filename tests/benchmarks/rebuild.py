"""The whole transformation of a long history, as the product runs it: Dagster, dbt, DuckDB.

What is built is whatever the project defines; nothing here knows a model. `by_hand` does.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.benchmarks import by_hand, raw_shop, tree
from tests.benchmarks.table import BenchmarkError, Measure, require
from tests.benchmarks.tree import Used

_ROOT = Path(__file__).resolve().parents[2]
_PROJECT = _ROOT / "dbt_project"
# The caller's own settings must not reach what is measured.
_FOREIGN = ("SEGMENTS_", "SHOP_", "DAGSTER_", "DBT_")
_SLOWEST = 15
_STEP_OF_SCALE = 10
_BUILT = "built.duckdb"
LEAST_ORDERS = raw_shop.LEAST_ORDERS * _STEP_OF_SCALE


@dataclass(frozen=True)
class Node:
    """One model or data test and how long it took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Rebuild:
    """One rebuild of a history, and what it left: bytes of the warehouse behind it."""

    orders: int
    used: Used
    models: tuple[Node, ...]
    tests: tuple[Node, ...]
    warehouse_bytes: int


def measure(folder: Path, orders: int) -> list[Measure]:
    """A tenth of the history and all of it through Dagster, all of it through dbt and by hand."""
    histories = {}
    for size in (orders // _STEP_OF_SCALE, orders):
        histories[size] = folder / f"history-{size}"
        raw_shop.write(histories[size], size)
    _parse_once(folder)
    small, large = (_through_dagster(folder, home, size) for size, home in histories.items())
    alone = _through_dbt(folder, histories[orders], orders)
    require("models built without Dagster", len(alone.models), len(large.models))
    script = _by_hand(folder)
    _show_slowest(large)
    return [
        _measure(f"rebuild of {small.orders:,} orders, Dagster and dbt", small),
        _measure(f"rebuild of {orders:,} orders, Dagster and dbt", large),
        _flatness("  an order", large.used.seconds, small.used.seconds, orders),
        _flatness(
            "  an order, processors alone",
            large.used.processor_seconds,
            small.used.processor_seconds,
            orders,
        ),
        Measure(
            f"  the same through dbt alone, {len(alone.models)} models, {len(alone.tests)} tests",
            f"{alone.used.seconds:.1f} s, peak {alone.used.peak_bytes / 1e9:.2f} GB",
            alone.used.seconds / large.used.seconds,
            "through Dagster",
        ),
        Measure(
            "  the same tables by one hand-tuned script, equal row by row",
            f"{script.seconds:.1f} s, peak {script.peak_bytes / 1e9:.2f} GB",
            large.used.seconds / script.seconds,
            "the rebuild to the script",
        ),
        Measure(
            "    processors alone",
            f"{script.processor_seconds:.1f} s",
            large.used.processor_seconds / script.processor_seconds,
            "the rebuild to the script",
        ),
        _share("  models, one after the other", large.models, large),
        _share("  data tests, one after the other", large.tests, large),
    ]


def _measure(name: str, rebuild: Rebuild) -> Measure:
    used = rebuild.used
    return Measure(
        name,
        f"{used.seconds:.1f} s, peak {used.peak_bytes / 1e9:.2f} GB, "
        f"warehouse {rebuild.warehouse_bytes / 1e9:.1f} GB",
        used.processor_seconds / used.seconds,
        f"its seconds (processors busy of {tree.PROCESSORS})",
    )


def _share(name: str, nodes: tuple[Node, ...], rebuild: Rebuild) -> Measure:
    seconds = sum(node.seconds for node in nodes)
    return Measure(name, f"{seconds:.1f} s", seconds / rebuild.used.seconds, "the rebuild")


def _flatness(name: str, large_seconds: float, small_seconds: float, orders: int) -> Measure:
    """What one order costs in the whole history, against the same in a tenth of it."""
    large = large_seconds / orders * 1e6
    small = small_seconds / (orders // _STEP_OF_SCALE) * 1e6
    return Measure(
        name, f"{large:.1f} µs", large / small, f"in a tenth of the history ({small:.1f} µs)"
    )


def _show_slowest(rebuild: Rebuild) -> None:
    console = Console(stderr=True)
    for kind, nodes in (("models", rebuild.models), ("data tests", rebuild.tests)):
        console.print(f"The slowest {kind} of {rebuild.orders:,} orders, seconds:")
        for node in nodes[:_SLOWEST]:
            console.print(f"{node.seconds:10.2f}  {node.name}")


def _parse_once(folder: Path) -> None:
    """Let Dagster read the project before it is measured, as it does once after every change."""
    home = folder / "home"
    home.mkdir()
    tree.run([sys.executable, "-m", "dagster", "definitions", "validate"], _environment(home))
    shutil.rmtree(home)


def _through_dagster(folder: Path, history: Path, orders: int) -> Rebuild:
    command = [
        *(sys.executable, "-m", "dagster", "asset", "materialize"),
        *("-m", "dagster_project.definitions", "--select", "kind:dbt"),
    ]
    return _rebuilt(folder, history, orders, command)


def _through_dbt(folder: Path, history: Path, orders: int) -> Rebuild:
    command = [
        *(str(Path(sys.executable).with_name("dbt")), "build", "--exclude-resource-type"),
        *("unit_test", "--project-dir", str(_PROJECT), "--profiles-dir", str(_PROJECT)),
        *("--vars", json.dumps({"as_of": raw_shop.AS_OF})),
    ]
    return _rebuilt(folder, history, orders, command)


def _by_hand(folder: Path) -> Used:
    """The published tables of what was built last, computed by the script and compared."""
    home, result = folder / "home", folder / "by_hand.duckdb"
    home.mkdir()
    used = by_hand.run(folder / _BUILT, result, _environment(home))
    by_hand.require_equal(folder / _BUILT, result)
    return used


def _rebuilt(folder: Path, history: Path, orders: int, command: list[str]) -> Rebuild:
    """Build on a copy of a history, in a home of which the warehouse is left."""
    home = folder / "home"
    shutil.copytree(history, home)
    try:
        used = tree.run(command, _environment(home))
        nodes = _nodes(home / "target")
        shutil.move(home / "warehouse.duckdb", folder / _BUILT)
    finally:
        shutil.rmtree(home)
    models = tuple(node for kind, node in nodes if kind == "model")
    tests = tuple(node for kind, node in nodes if kind == "test")
    return Rebuild(orders, used, models, tests, (folder / _BUILT).stat().st_size)


def _environment(home: Path) -> Mapping[str, str]:
    dagster_home = home / "dagster"
    dagster_home.mkdir()
    shutil.copy(_ROOT / "dagster.yaml", dagster_home)
    return {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)} | {
        "SEGMENTS_ENV": "demo",
        "SEGMENTS_HOME": str(home),
        "SEGMENTS_AS_OF": raw_shop.AS_OF,
        "DAGSTER_HOME": str(dagster_home),
        "DBT_TARGET_PATH": str(home / "target"),
        "DBT_LOG_PATH": str(home / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def _nodes(target: Path) -> list[tuple[str, Node]]:
    """Kind and node of everything the one run below `target` did, the slowest first."""
    files = list(target.rglob("run_results.json"))
    require("runs of dbt", len(files), 1)
    nodes = []
    for result in json.loads(files[0].read_text())["results"]:
        if result["status"] not in {"success", "pass", "no-op"}:
            raise BenchmarkError(f"{result['unique_id']}: {result['status']}")
        kind, _, name, *_ = result["unique_id"].split(".")
        nodes.append((kind, Node(name, result["execution_time"])))
    return sorted(nodes, key=lambda node: -node[1].seconds)
