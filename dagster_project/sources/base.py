"""What a source format has to offer so that the loader can type, check and store its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from dagster_project.sources.sql import identifier

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.contract import Table

STAGED_ROWS = "staged_rows"
"""Temporary table (file_no, source_line, one VARCHAR per column of `Staged`)."""

MALFORMED_ROWS = "malformed_rows"
"""Temporary table (file_no, source_line, reason, row JSON) of lines that hold no row at all."""


def canonical_slot(name: str) -> str:
    """The staged column of canonical column `name`; prefixed so that no extra column can clash."""
    return f"c_{name}"


def extra_slot(position: int) -> str:
    """The staged column of the extra column at `position`, counted from 0."""
    return f"x_{position}"


@dataclass(frozen=True, slots=True)
class Replaces:
    """Which rows of a loaded table the staged ones replace: those whose `column` is in `keys`.

    `keys` is a temporary table with one column, `key`. All staged rows have such a key, but not
    every key has staged rows: what it named is gone.
    """

    column: str
    keys: str


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a source that keeps its older files, and what it looked like."""

    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Staged:
    """One table as text in `STAGED_ROWS` and `MALFORMED_ROWS`, not yet typed.

    `files` are names to show to people, relative to the source; `file_no` is a position in it.
    `present` are the canonical columns the source really has, `extras` the others by their names
    in raw. The rows are the whole table, or `replaces` says which rows of it they replace.
    """

    files: tuple[str, ...]
    present: tuple[str, ...]
    extras: tuple[str, ...]
    replaces: Replaces | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Where the orders of a source begin, when older ones exist that it does not give.

    From the shop-local day `whole_from` on there are all orders; None when the source cannot tell
    the day. `reason` says in a few words why the older ones are missing, naming nobody.
    """

    whole_from: date | None
    reason: str


def create_temporary_tables(con: DuckDBPyConnection, columns: tuple[str, ...]) -> None:
    """Make the two temporary tables anew, for these staged columns."""
    texts = ", ".join(f"{identifier(column)} VARCHAR" for column in columns)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {STAGED_ROWS} (file_no INTEGER, source_line BIGINT, {texts})"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {MALFORMED_ROWS} "
        "(file_no INTEGER, source_line BIGINT, reason VARCHAR, row VARCHAR)"
    )


class Source(Protocol):
    """A place with order history, in one format."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should look at although the load can go on, e.g. a misspelt file name."""

    def stage(self, con: DuckDBPyConnection, table: Table) -> Staged | None:
        """Put the rows of `table` as text into the two temporary tables.

        Returns None when the source does not have the table.

        Raises:
            SourceError: the files cannot be read or lack a required column.
        """

    def history(self) -> History | None:
        """Where the orders begin; None when the source knows of none that are missing.

        Asked after the orders were staged.
        """


@runtime_checkable
class GrowingSource(Source, Protocol):
    """A source whose files stay as they are, and that gets new ones in the course of time."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """All files, the oldest first."""

    @property
    def recipe(self) -> str:
        """A text that is another one when the same files would be read differently."""

    def stage_since(self, con: DuckDBPyConnection, table: Table, held: int) -> Staged | None:
        """As `stage`, when the loaded tables have all there was in the first `held` parts.

        Returns None when the newer parts have nothing of the table.
        """


@runtime_checkable
class ParquetSource(Source, Protocol):
    """A source that may have canonical tables as Parquet files."""

    def parquet_files(self, table: Table) -> tuple[tuple[Path, str], ...]:
        """The files of `table`, each with the name to show; none when it is not there as Parquet.

        They are all there is of the table.
        """
