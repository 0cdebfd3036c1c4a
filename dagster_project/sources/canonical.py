"""The canonical format: one CSV or Parquet file, or a folder of them, per table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.sources import csv_rows, parquet_rows
from dagster_project.sources.base import Staged, create_temporary_tables
from dagster_project.sources.files import find_files
from dagster_project.sources.headers import lay_out
from dagster_project.sources.physical_lines import read_head, read_lines

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import History
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

    def parquet_files(self, table: Table) -> tuple[tuple[Path, str], ...]:
        """The files of `table` with the names to show, when it is there as Parquet."""
        files = self._found.files.get(table.name, ())
        return files if files and files[0][0].suffix.lower() == ".parquet" else ()

    def stage(self, con: DuckDBPyConnection, table: Table) -> Staged | None:
        """Put the rows of `table` as text into the temporary tables of `sources.base`.

        Returns None when the source has no file of the table.

        Raises:
            LoadError: a file cannot be read or lacks a required column.
        """
        files = self._found.files.get(table.name)
        return None if files is None else stage_files(con, table, files)

    def history(self) -> History | None:
        """None: files do not say what is missing before them."""
        return None


def stage_files(
    con: DuckDBPyConnection, table: Table, files: tuple[tuple[Path, str], ...]
) -> Staged:
    """Put the rows of canonical files of `table` into the temporary tables of `sources.base`.

    `files` are all CSV or all Parquet, each with the name to show for it.

    Raises:
        LoadError: a file cannot be read, lacks a required column or was cut off.
    """
    if files[0][0].suffix.lower() == ".parquet":
        layout = lay_out(
            table, [(shown, parquet_rows.read_names(con, p, shown)) for p, shown in files]
        )
        create_temporary_tables(con, layout.staged_columns)
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
        create_temporary_tables(con, layout.staged_columns)
        for file_no, (path, shown) in enumerate(files):
            is_ended = read_lines(con, path, shown, heads[file_no])
            csv_rows.stage_rows(con, file_no, layout.slots[file_no])
            if not is_ended:
                csv_rows.require_whole(con, file_no, shown)
    return Staged(tuple(shown for _, shown in files), layout.present, layout.extras)
