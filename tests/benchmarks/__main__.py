"""``python -m tests.benchmarks``: speed and memory, as ratios within one run."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks import attentive, klaviyo, loading, planning, rebuild, shop
from tests.benchmarks.stand_ins import running
from tests.benchmarks.table import BenchmarkError, Measure, show

_ROWS = 100_000
_FEWEST_ROWS = 1_000
# A shop of millions is there to measure the syncs; its order file would fill the disk.
_MOST_LOADED = 500_000
# Starting Dagster and dbt is most of it; what an order costs is told by millions (--orders).
_REBUILT = 200_000


def _rows(text: str) -> int:
    rows = int(text)
    if rows < _FEWEST_ROWS:
        raise argparse.ArgumentTypeError(f"at least {_FEWEST_ROWS:,} say something")
    return rows


def _orders(text: str) -> int:
    orders = int(text)
    if orders < rebuild.LEAST_ORDERS or orders % rebuild.LEAST_ORDERS:
        raise argparse.ArgumentTypeError(f"a multiple of {rebuild.LEAST_ORDERS:,}")
    return orders


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measures planning, sending and loading on a made-up shop in a temporary "
        "folder, against the local stand-ins of the vendors. Ratios are to something measured in "
        "the same run, so they can be compared between machines; seconds cannot.",
    )
    parser.add_argument(
        "--rows",
        type=_rows,
        default=_ROWS,
        metavar="N",
        help=f"customers of the shop, at least {_FEWEST_ROWS:,}; it has {shop.ORDERS_EACH} "
        f"orders for each (default: {_ROWS:,}; 5,000,000 take some minutes)",
    )
    parser.add_argument(
        "--orders",
        type=_orders,
        metavar="N",
        help=f"measure loading and rebuilding a history of N orders and nothing else, a multiple "
        f"of {rebuild.LEAST_ORDERS:,} (10,000,000 take about half an hour and 20 GB of disk)",
    )
    return parser.parse_args()


def _home(folder: Path, name: str, spec: str) -> Path:
    home = folder / name
    (home / "specs").mkdir(parents=True)
    (home / "specs" / f"{name}.yml").write_text(spec)
    return home


def _measured(folder: Path, rows: int) -> list[Measure]:
    home = _home(folder, klaviyo.NAME, klaviyo.SPEC)
    published = shop.publish(home, rows)
    planned, measures = planning.plan_everybody(home, klaviyo.NAME, rows)
    texted = _home(folder, attentive.NAME, attentive.SPEC)
    shop.publish(texted, attentive.PEOPLE)
    with klaviyo.sink(folder) as address:
        measures += klaviyo.three_days(home, published, address, rows, planned)
    with running(folder) as box:
        measures += attentive.keep_the_rate(texted, box)
    orders = min(rows, _MOST_LOADED) * shop.ORDERS_EACH
    measures += loading.load_orders(folder / "load", orders)
    measures += loading.load_history(folder / "loads", _REBUILT)
    return measures + rebuild.measure(folder / "rebuild", _REBUILT)


def main() -> int:
    options = _arguments()
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            if options.orders is None:
                title = f"A shop of {options.rows:,} customers"
                measures = _measured(Path(folder), options.rows)
            else:
                title = f"A history of {options.orders:,} orders"
                measures = loading.load_history(Path(folder) / "loads", options.orders)
                shutil.rmtree(Path(folder) / "loads")
                measures += rebuild.measure(Path(folder) / "rebuild", options.orders)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    show(f"{title}, measured in {minutes}:{seconds:02} min", measures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
