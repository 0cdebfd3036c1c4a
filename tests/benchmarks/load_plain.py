"""``python -m tests.benchmarks.load_plain WAREHOUSE FILE …``: DuckDB storing files as they are.

CSV as text, Parquet with the types it has, one table a file: the yardstick of the loader.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dagster_project import warehouse


def main(file: Path, *sources: Path) -> None:
    """Store every file as a table of the database at `file`."""
    with warehouse.write(file) as con:
        for source in sources:
            reader = "read_parquet(?)"
            if source.suffix == ".csv":
                reader = "read_csv(?, all_varchar = true)"
            con.execute(f'CREATE TABLE "{source.stem}" AS FROM {reader}', [str(source)])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
