"""Canonical files beside those of another format, for the tables that format lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.sources.canonical import stage_files
from dagster_project.sources.files import ending, require_once, table_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import Staged
    from dagster_project.sources.contract import Table


class Companions:
    """Those of `files`, each with the name to show for it, that belong to no table of `own`.

    `strangers` are the names of the others.

    Raises:
        SourceError: a table is there more than once.
    """

    def __init__(self, files: Iterable[tuple[Path, str]], own: Collection[str]) -> None:
        found: dict[str, list[tuple[Path, str]]] = {}
        strangers: list[str] = []
        for path, shown in files:
            name = table_of(path)
            if name is None or name in own:
                strangers.append(shown)
            else:
                found.setdefault(name, []).append((path, shown))
        for name, entries in found.items():
            require_once(name, entries, {_place(path, name) for path, _ in entries})
        self._files = {name: tuple(entries) for name, entries in found.items()}
        self.strangers = tuple(strangers)

    def stage(self, con: DuckDBPyConnection, table: Table) -> Staged | None:
        """Put the rows of `table` as text into the temporary tables of `sources.base`.

        Returns None when there is no file of it.

        Raises:
            LoadError: a file cannot be read or lacks a required column.
        """
        files = self._files.get(table.name)
        return None if files is None else stage_files(con, table, files)


def _place(path: Path, table: str) -> str:
    return "folder" if path.parent.name.lower() == table else ending(path)
