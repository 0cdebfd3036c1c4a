"""Tables of a connector or of a shop's database, in a DuckDB file or a folder of Parquet files.

What they do not have may lie beside them as canonical files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_project.sources import native
from dagster_project.sources.companions import Companions
from dagster_project.sources.errors import SourceError
from dagster_project.sources.files import is_data_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import History, Staged
    from dagster_project.sources.contract import Table

DATABASE_ENDINGS = (".duckdb", ".db")
"""How the name of a DuckDB file ends."""


@dataclass(frozen=True, slots=True)
class Connector:
    """One schema: the native columns that are read and what becomes of them.

    `main` is the table without which there is nothing to load. `traces` are queries by canonical
    table, for tables that are made with their first row: one that finds a row says that the table
    is not synced, one that finds none that there was nothing to put into it.
    """

    main: str
    columns: Mapping[str, tuple[str, ...]]
    mapped: Mapping[str, native.Mapped]
    traces: Mapping[str, str] = field(default_factory=dict)


class ConnectorSource:
    """The tables of `connector` at `location`: a folder of Parquet, or `file.duckdb`.

    `file.duckdb#schema` names the schema where several have them.

    Raises:
        SourceError: there is nothing to load.
    """

    def __init__(self, connector: Connector, location: str | Path) -> None:
        path, _, schema = str(location).partition("#")
        self._connector = connector
        self._path = Path(path).expanduser()
        self._schema = schema or None
        self._is_database = self._path.is_file() and self._path.suffix in DATABASE_ENDINGS
        if not self._is_database and not self._path.is_dir():
            message = (
                f"SEGMENTS_SOURCE is {path}: expected a DuckDB file "
                f"({', '.join(DATABASE_ENDINGS)}) or a folder with {connector.main}.parquet "
                "and the connector's other tables"
            )
            raise SourceError(message)
        beside = self._path.parent if self._is_database else self._path
        files = (
            (file, file.name)
            for file in sorted(beside.iterdir())
            if is_data_name(file.name) and file.is_file()
        )
        self._companions = Companions(files, {*connector.mapped, *connector.columns})
        self._read_by: DuckDBPyConnection | None = None
        self._present: set[str] = set()
        self._shown = self._path.name

    @property
    def warnings(self) -> tuple[str, ...]:
        """Nothing: what is missing is in the catalog."""
        return ()

    def stage(self, con: DuckDBPyConnection, table: Table) -> Staged | None:
        """Put the rows of `table` as text into the temporary tables of `sources.base`.

        Raises:
            SourceError: the main table is missing.
            LoadError: a table cannot be read.
        """
        mapped = self._connector.mapped.get(table.name)
        if mapped is None:
            return self._companions.stage(con, table)
        if self._read_by is not con:
            self._look(con)
            self._read_by = con
        present = self._present
        tables = {name.partition(".")[0] for name in present}
        if (tables | present).isdisjoint(mapped.any_of):
            trace = self._connector.traces.get(table.name)
            if trace is None or con.execute(trace).fetchone() is not None:
                return None
            present = {
                f"{name}.{column}"
                for name in mapped.any_of
                for column in self._connector.columns[name]
            }
        return native.stage(con, mapped, present, (self._shown,))

    def history(self) -> History | None:
        """None: a connector does not say how far back it could read."""
        return None

    def _look(self, con: DuckDBPyConnection) -> None:
        """Make the views of what is there."""
        names, main = tuple(self._connector.columns), self._connector.main
        if self._is_database:
            found = native.in_database(con, self._path, self._schema, names, main)
        else:
            found = native.in_folder(self._path, names)
        if main not in found.relations:
            message = (
                f"{self._path.name} has no {main}.parquet: expected one Parquet file, or a folder "
                "of them, for each table of the connector; found "
                f"{', '.join(sorted(found.relations)) or 'none of them'}"
            )
            raise SourceError(message)
        self._present = native.make_views(con, found, self._connector.columns)
        self._shown = found.shown
