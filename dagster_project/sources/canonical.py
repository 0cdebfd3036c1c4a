"""The canonical format: one CSV or Parquet file, or a folder of them, per table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.sources import csv_rows, parquet_rows
from dagster_project.sources.base import MALFORMED_ROWS, STAGED_ROWS, Staged
from dagster_project.sources.files import find_files
from dagster_project.sources.headers import lay_out
from dagster_project.sources.physical_lines import read_head, read_lines
from dagster_project.sources.sql import identifier

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.contract import Table


class CanonicalSource:
    """Order history that already has the canonical names.

    `location` is a folder, a file or a glob. The folder is looked through once, when the object is
    made.

    Raises:
        SourceError: there is nothing to load, or a table is there twice.
    """

    def __init__(self, location: str | Path) -> None:
        self._found = find_files(str(location))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Files that were ignored, with the name that was probably meant."""
        return self._found.warnings

    def tables(self) -> tuple[str, ...]:
        """The names of the tables that have files."""
        return tuple(self._found.files)

    def stage(self, con: DuckDBPyConnection, table: Table) -> Staged | None:
        """Put the rows of `table` as text into the temporary tables of `sources.base`.

        Returns None when the source has no file of the table.

        Raises:
            LoadError: a file cannot be read or lacks a required column.
        """
        files = self._found.files.get(table.name)
        if files is None:
            return None
        if files[0][0].suffix.lower() == ".parquet":
            layout = lay_out(
                table, [(shown, parquet_rows.read_names(con, p, shown)) for p, shown in files]
            )
            _create_temporary_tables(con, layout.staged_columns)
            for file_no, (path, shown) in enumerate(files):
                parquet_rows.stage_rows(
                    con,
                    table,
                    path=path,
                    shown=shown,
                    file_no=file_no,
                    slots=layout.slots[file_no],
                )
        else:
            heads = [read_head(path, shown) for path, shown in files]
            layout = lay_out(
                table,
                [(shown, h.names) for (_, shown), h in zip(files, heads, strict=True)],
            )
            _create_temporary_tables(con, layout.staged_columns)
            for file_no, (path, shown) in enumerate(files):
                read_lines(con, path, shown, heads[file_no])
                csv_rows.stage_rows(con, file_no, layout.slots[file_no])
        return Staged(tuple(shown for _, shown in files), layout.present, layout.extras)


def _create_temporary_tables(con: DuckDBPyConnection, columns: tuple[str, ...]) -> None:
    texts = ", ".join(f"{identifier(column)} VARCHAR" for column in columns)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {STAGED_ROWS} (file_no INTEGER, source_line BIGINT, {texts})"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {MALFORMED_ROWS} "
        "(file_no INTEGER, source_line BIGINT, reason VARCHAR, row VARCHAR)"
    )
