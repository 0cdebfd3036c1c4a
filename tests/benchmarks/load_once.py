"""``python -m tests.benchmarks.load_once WAREHOUSE FORMAT LOCATION``: one load, as the job does it.

A process of its own, so that its memory can be told.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dagster_project import warehouse
from dagster_project.sources import LoadOptions, load_table, open_source, table_named

TABLES = ("orders", "order_discounts", "order_lines")
"""What is loaded: the tables that grow."""

OPTIONS = LoadOptions("America/New_York")


def main(file: Path, source_format: str, location: str) -> None:
    """Load the tables into the warehouse at `file`."""
    source = open_source(source_format, location)
    with warehouse.write(file) as con:
        for name in TABLES:
            load_table(con, table_named(name), source, OPTIONS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
