"""Results of Shopify's bulk operations: JSON lines, as downloaded.

The files may lie there for years: every object is taken from the file in which it changed last, and
a load that finds the files of the last one unchanged reads only those that are new. An order that
changed replaces itself with all that belongs to it; one that a later list of all orders does not
name leaves. Files are taken in the order of their names.

What the operations do not give may lie beside them as canonical files.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from dagster_project.sources import native
from dagster_project.sources import shopify_bulk_lines as lines
from dagster_project.sources.base import MALFORMED_ROWS, History, Part, Replaces, Staged
from dagster_project.sources.companions import Companions
from dagster_project.sources.errors import SourceError
from dagster_project.sources.files import DATA_ENDINGS, data_files
from dagster_project.sources.redaction import PSEUDONYM
from dagster_project.sources.shopify_bulk_sql import FIELDS, MAPPED, number
from dagster_project.sources.shopify_state import whole_from
from dagster_project.sources.shopify_words import money

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.contract import Table

RESULT_ENDINGS = (".jsonl", ".jsonl.gz")
"""How the name of a result ends."""

_KINDS = {"orders": "orders", "order_lines": "line_items", "customers": "customers"}
_REPLACED = "bulk_replaced"
_OWN_LINE = "file_no, source_line"


class ShopifyBulkSource:
    """Results of bulk operations in a folder, one file or a glob.

    Raises:
        SourceError: there is none.
    """

    def __init__(self, location: str | Path) -> None:
        found = data_files(str(location), (*RESULT_ENDINGS, *DATA_ENDINGS))
        self._files = [entry for entry in found if _is_result(entry[0])]
        others = [entry for entry in found if not _is_result(entry[0])]
        self._companions = Companions(others, MAPPED)
        if not self._files:
            message = (
                f"{location} has no result of a bulk operation: expected files ending in "
                f"{' or '.join(RESULT_ENDINGS)}"
            )
            raise SourceError(message)
        self._read_by: tuple[DuckDBPyConnection, int] | None = None
        self._present: set[str] = set()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Files that were ignored, and why."""
        return tuple(
            f"{shown} was ignored: it is no table that the results lack"
            for shown in self._companions.strangers
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """All results, the oldest first."""
        return tuple(
            Part(shown, f"{(about := path.stat()).st_size}:{about.st_mtime_ns}")
            for path, shown in self._files
        )

    @property
    def recipe(self) -> str:
        """Another text when the results would be read differently."""
        return hashlib.sha256(repr((FIELDS, MAPPED)).encode()).hexdigest()

    def stage(self, con: DuckDBPyConnection, table: Table) -> Staged | None:
        """Put the rows of `table` as text into the temporary tables of `sources.base`.

        Raises:
            LoadError: a file cannot be read or was cut off.
        """
        return self.stage_since(con, table, 0)

    def stage_since(self, con: DuckDBPyConnection, table: Table, held: int) -> Staged | None:
        """As `stage`, of what is newer than the first `held` files that are in the raw tables.

        Raises:
            LoadError: a file cannot be read or was cut off.
        """
        if table.name not in MAPPED:
            return self._companions.stage(con, table)
        if self._read_by != (con, held):
            self._read(con, held)
            self._read_by = (con, held)
        root = "customers" if table.name == "customers" else "orders"
        mapped = MAPPED[table.name]
        present = self._present
        if present.isdisjoint(mapped.any_of):
            if held == 0 and not (table.name == "order_discounts" and self._is_full_price(con)):
                return None
            # Asked for, and nobody had any; or the new files have none, and the old ones stay.
            present = present | set(mapped.any_of)
        kind = _KINDS.get(table.name)
        if kind is None:
            shown: tuple[str, ...] = (", ".join(name for _, name in self._files[held:]),)
            staged = native.stage(con, mapped, present, shown)
        else:
            shown = tuple(name for _, name in self._files)
            staged = native.stage(con, mapped, present, shown, origin=_OWN_LINE)
            con.execute(
                f"INSERT INTO {MALFORMED_ROWS} "
                f"SELECT {_OWN_LINE}, reason, row FROM {lines.BROKEN} WHERE kind = ?",
                [kind],
            )
        if held == 0:
            return staged
        return _in_place_of(con, table, staged, root)

    def history(self) -> History | None:
        """Where the orders begin, when the app that fetched them could not see older ones.

        Raises:
            LoadError: what is noted beside the results is damaged.
        """
        day = whole_from(self._files[0][0].parent)
        if day is None:
            return None
        return History(day, "the app may read orders of the last 60 days only (read_all_orders)")

    def _read(self, con: DuckDBPyConnection, held: int) -> None:
        """What the files after the first `held` ones say."""
        numbered = [(no, *entry) for no, entry in enumerate(self._files)]
        self._present = lines.read(con, numbered[held:])
        lines.pick(con)
        if held:
            _keep_newer(con)
        lines.spread(con)

    def _is_full_price(self, con: DuckDBPyConnection) -> bool:
        """Whether no order has a discount, so that nothing is missing where there are none."""
        total = money("totalDiscountsSet.shopMoney.amount")
        discounted = con.execute(f"SELECT 1 FROM b_orders WHERE {total} > 0 LIMIT 1").fetchone()
        return "orders.totalDiscountsSet" in self._present and discounted is None


def _is_result(path: Path) -> bool:
    return path.name.lower().endswith(RESULT_ENDINGS)


def _keep_newer(con: DuckDBPyConnection) -> None:
    """Leave out of what was picked whatever is older than what is loaded."""
    dated = con.execute(
        "SELECT table_name FROM duckdb_columns() WHERE schema_name = 'raw' "
        "AND column_name = 'updated_at' AND list_contains(?, table_name)",
        [list(lines.ROOTS)],
    ).fetchall()
    # A table of an earlier version, without that column, is about to be loaded anew.
    for (kind,) in dated:
        con.execute(
            f"""
            DELETE FROM {lines.PICKED} AS picked USING raw.{kind} AS loaded
            WHERE picked.kind = '{kind}' AND loaded.{kind[:-1]}_id = {number("picked.id")}
              AND loaded.updated_at > picked.updated_at
            """
        )


def _in_place_of(con: DuckDBPyConnection, table: Table, staged: Staged, root: str) -> Staged:
    """What the rows replace: the objects that were picked, and those that a list lacks.

    The table itself says which there were: a run may have ended between two tables.
    """
    column = f"{root[:-1]}_id"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_REPLACED} AS
        SELECT {number("id")} AS key FROM {lines.PICKED} WHERE kind = '{root}'
        UNION
        SELECT {column} FROM raw.{table.name}
        WHERE EXISTS (SELECT 1 FROM {lines.LISTS} WHERE kind = '{root}')
          -- Whoever was forgotten has a number there that no list names.
          AND NOT starts_with({column}, '{PSEUDONYM}')
          AND {column} NOT IN (SELECT {number("id")} FROM {lines.LISTED} WHERE kind = '{root}')
        """
    )
    return replace(staged, replaces=Replaces(column, _REPLACED))
