"""Writes the sample shop's canonical CSV files, the same bytes every time.

Run it as `python seeds/generate.py [--out seeds/raw]`.
"""

import argparse
import sys
from pathlib import Path

# Started as a script, Python looks for imports beside this file instead of in the repository.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from seeds.sample_shop.bench import Bench
from seeds.sample_shop.business import (
    add_campaigns,
    add_carts,
    add_programmes,
    add_visits,
)
from seeds.sample_shop.chance import Chance
from seeds.sample_shop.people import add_customer
from seeds.sample_shop.population import draw_crowd
from seeds.sample_shop.tables import Tables
from seeds.sample_shop.traps_days import add_day_traps
from seeds.sample_shop.traps_orders import add_order_traps
from seeds.sample_shop.traps_people import add_people_traps

SEED = 20261121


def build() -> Tables:
    """The whole sample shop: the crowd first, then the hand-made customers."""
    chance = Chance(SEED)
    tables = Tables()
    crowd = draw_crowd(chance)
    for person in crowd.accounts:
        add_customer(tables, person)
    sent = add_campaigns(tables, chance, crowd)
    add_visits(tables, chance, crowd, sent)
    add_carts(tables, chance, crowd)
    add_programmes(tables, chance, crowd)

    bench = Bench(tables)
    add_order_traps(bench)
    add_people_traps(bench)
    add_day_traps(bench)
    return tables


def main(arguments: list[str] | None = None) -> int:
    """Write the files; returns the exit code."""
    parser = argparse.ArgumentParser(description="Writes the sample shop as canonical CSV files.")
    default = Path(__file__).resolve().parent / "raw"
    parser.add_argument("--out", type=Path, default=default, metavar="FOLDER")
    for table, rows in build().write(parser.parse_args(arguments).out).items():
        sys.stdout.write(f"{table:17}{rows:>7,}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
