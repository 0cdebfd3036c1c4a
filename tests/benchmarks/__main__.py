"""``python -m tests.benchmarks``: speed and memory, as ratios within one run."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks import attentive, klaviyo, loading, planning, shop
from tests.benchmarks.stand_ins import running
from tests.benchmarks.table import BenchmarkError, Measure, show

_ROWS = 100_000
_FEWEST_ROWS = 1_000
# A shop of millions is there to measure the syncs; its order file would fill the disk.
_MOST_LOADED = 500_000


def _rows(text: str) -> int:
    rows = int(text)
    if rows < _FEWEST_ROWS:
        raise argparse.ArgumentTypeError(f"at least {_FEWEST_ROWS:,} say something")
    return rows


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
    return measures + loading.load_orders(folder / "load", orders)


def main() -> int:
    options = _arguments()
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            measures = _measured(Path(folder), options.rows)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    show(f"A shop of {options.rows:,} customers, measured in {minutes}:{seconds:02} min", measures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
