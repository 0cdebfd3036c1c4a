"""Which files of a growing source a raw table has already, so that only the newer ones are read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from dagster_project.sources.base import GrowingSource
from dagster_project.sources.raw_tables import LOADED_PARTS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import Part, Source
    from dagster_project.sources.contract import Table
    from dagster_project.sources.loader import LoadOptions


@dataclass(frozen=True, slots=True)
class Parts:
    """The files that a table is loaded from; none when its source has to be read whole.

    `recipe` is another text when the same files would be loaded differently: another adapter,
    another time zone, another list of forgotten people.
    """

    table: str
    parts: tuple[Part, ...]
    recipe: str

    @classmethod
    def of(cls, source: Source, table: Table, options: LoadOptions) -> Self:
        """The files of `source` now."""
        if not isinstance(source, GrowingSource):
            return cls.none(table)
        about = (
            source.recipe,
            table,
            options.shop_timezone,
            options.shop_country,
            options.forgotten_list,
        )
        recipe = hashlib.sha256(repr(about).encode()).hexdigest()
        return cls(table.name, source.parts, recipe)

    @classmethod
    def none(cls, table: Table) -> Self:
        """No file: the table is read whole each time."""
        return cls(table.name, (), "")

    def held(self, con: DuckDBPyConnection) -> int:
        """How many of the first files the loaded table has; 0 when it has to be loaded anew."""
        rows = con.execute(
            f"SELECT part, fingerprint, recipe FROM {LOADED_PARTS} "
            "WHERE table_name = ? ORDER BY position",
            [self.table],
        ).fetchall()
        now = [(part.name, part.fingerprint, self.recipe) for part in self.parts]
        return len(rows) if rows and rows == now[: len(rows)] else 0

    def store(self, con: DuckDBPyConnection) -> None:
        """Remember that the table has all of them."""
        con.execute(f"DELETE FROM {LOADED_PARTS} WHERE table_name = ?", [self.table])
        if self.parts:
            con.executemany(
                f"INSERT INTO {LOADED_PARTS} VALUES (?, ?, ?, ?, ?)",
                [
                    [self.table, position, part.name, part.fingerprint, self.recipe]
                    for position, part in enumerate(self.parts)
                ],
            )
