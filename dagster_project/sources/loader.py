"""Types, checks and stores one canonical table in schema `raw`.

Every table of the contract exists in `raw` after its load, with all canonical columns; a missing
optional table is empty, a missing optional column is NULL, and `raw.source_columns` says what was
really there. Columns the contract does not know are kept behind the canonical ones as VARCHAR.

A load replaces the table: a canonical source is a full snapshot. Of a source that keeps its files
and gets new ones only those are read that the table does not have yet, and their rows replace the
ones with the same key. Either happens in one transaction, so a refused or interrupted load leaves
the table of the previous one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_project.sources import checks, currencies, forgotten, store, straight
from dagster_project.sources.base import (
    MALFORMED_ROWS,
    STAGED_ROWS,
    GrowingSource,
    ParquetSource,
)
from dagster_project.sources.contract import TABLES
from dagster_project.sources.errors import LoadError
from dagster_project.sources.parts import Parts
from dagster_project.sources.raw_tables import ensure_bookkeeping, loaded_tables
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import Source, Staged
    from dagster_project.sources.contract import Table

_TOP_REASONS = 3
_TEMPORARY = (
    STAGED_ROWS,
    MALFORMED_ROWS,
    checks.TYPED_ROWS,
    checks.REJECTED_ROWS,
    forgotten.RENEWED_REQUESTS,
    forgotten.LINKS,
)


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to read a source.

    `shop_timezone` is the IANA zone of timestamps without an offset. Above
    `max_rejected_fraction` (0 to 1, rejected rows of all rows) a table is refused.

    `forgotten_list` names the list of forgotten people that SQL on the connection can ask about
    (see `syncs.install_keep_out`), None when nobody was forgotten. Their phones without a country
    code belong to `shop_country` (ISO 3166-1 alpha-2).

    Amounts are in `shop_currency` (ISO 4217), or in a currency of the table `exchange_rates`.

    A required table with less than `min_kept_fraction` (0 to 1) of the rows its last load had is
    refused: an order history grows, so a file so much smaller is a part of one.
    """

    shop_timezone: str
    max_rejected_fraction: float = 0.01
    min_kept_fraction: float = 0.5
    forgotten_list: str | None = None
    shop_country: str = "US"
    shop_currency: str = "USD"


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What became of one table.

    `rows` are in the table, `rejected` were not loaded; `duplicates` repeat a loaded row and count
    as neither. `reasons` counts rows per reason; a row with two reasons counts in both. `present`
    is false when the source has no such table, `missing_columns` are canonical columns it does not
    have.
    """

    table: str
    rows: int
    rejected: int
    duplicates: int
    reasons: dict[str, int]
    files: tuple[str, ...]
    present: bool
    missing_columns: tuple[str, ...]
    extra_columns: tuple[str, ...]


def load(con: DuckDBPyConnection, source: Source, options: LoadOptions) -> list[LoadResult]:
    """Load every canonical table, in the order of the contract.

    Raises:
        SourceError: as `load_table`; tables before the failing one stay loaded.
    """
    return [load_table(con, table, source, options) for table in TABLES]


def load_table(
    con: DuckDBPyConnection, table: Table, source: Source, options: LoadOptions
) -> LoadResult:
    """Bring one table of schema `raw` to what `source` holds now.

    The connection must not be inside a transaction.

    Raises:
        LoadError: too many rows were rejected (they are in `raw.rejected_rows`), a required column
            is missing, a file cannot be read, or orders are in a currency without a rate. The table
            of the previous load is untouched.
    """
    ensure_bookkeeping(con)
    work = _Load(con, table, source, options)
    try:
        return work.straight() or work.staged()
    finally:
        for temporary in _TEMPORARY:
            con.execute(f"DROP TABLE IF EXISTS {temporary}")


@dataclass(frozen=True, slots=True)
class _Load:
    """One load of one table."""

    con: DuckDBPyConnection
    table: Table
    source: Source
    options: LoadOptions

    def straight(self) -> LoadResult | None:
        """Load Parquet files in one pass; None when that cannot be done."""
        if not isinstance(self.source, ParquetSource) or self.options.forgotten_list is not None:
            return None
        files = self.source.parquet_files(self.table)
        try:
            viewed = straight.view(self.con, self.table, files, self.options.shop_timezone)
            if viewed is None:
                return None
            found, rows = viewed
            checks.reject_nothing(self.con)
            parts, only = Parts.none(self.table), straight.IN_ORDER
            return self._stored(found, found, parts, rows=rows, duplicates=0, only=only)
        except straight.NotInOrderError:
            return None
        finally:
            straight.drop_view(self.con)

    def staged(self) -> LoadResult:
        """Load rows that are staged as text, so that it can be told what is wrong with one."""
        con, options = self.con, self.options
        parts = Parts.of(self.source, self.table, options)
        found = self._found(parts.held(con))
        if found is None:
            return self._empty(parts)
        staged = found
        if options.forgotten_list is not None:
            staged = forgotten.forget(
                con,
                self.table,
                found,
                shop_timezone=options.shop_timezone,
                shop_country=options.shop_country,
            )
        checks.type_rows(con, self.table, staged, options.shop_timezone)
        duplicates = checks.drop_duplicates(con, self.table, staged)
        if options.forgotten_list is not None:
            forgotten.forget_rejected(con)
        rows = store.count(con, checks.TYPED_ROWS)
        return self._stored(staged, found, parts, rows=rows, duplicates=duplicates)

    def _found(self, held: int) -> Staged | None:
        if held and isinstance(self.source, GrowingSource):
            return self.source.stage_since(self.con, self.table, held)
        return self.source.stage(self.con, self.table)

    def _stored(
        self,
        staged: Staged,
        found: Staged,
        parts: Parts,
        *,
        rows: int,
        duplicates: int,
        only: str = "true",
    ) -> LoadResult:
        """Check the typed rows as a whole and store those for which `only` (SQL) is true.

        `staged` is what is left of the columns that were `found`.
        """
        con, table, options = self.con, self.table, self.options
        rejected, reasons = store.count(con, checks.REJECTED_ROWS), _reasons(con)
        kept = store.kept_rows(con, table, staged)
        if rejected and rejected / (rejected + rows + kept) > options.max_rejected_fraction:
            with store.transaction(con):
                store.rejected(con, table, staged)
            raise self._refusal(staged, rows + kept, rejected, reasons)
        if table.required:
            self._require_history(rows + kept, rejected)
        currencies.require_rates(
            con,
            table,
            staged,
            shop_currency=options.shop_currency,
            shop_timezone=options.shop_timezone,
        )
        with store.transaction(con):
            if staged.replaces is None:
                store.forget_load(con, table)
            store.rows(con, table, staged, only)
            store.columns(con, table, found.present)
            store.rejected(con, table, staged)
            store.history(con, table, self.source)
            store.keeping_out(con, table, options.forgotten_list)
            parts.store(con)
        return LoadResult(
            table=table.name,
            rows=rows + kept,
            rejected=rejected,
            duplicates=duplicates,
            reasons=reasons,
            files=staged.files,
            present=True,
            missing_columns=tuple(c.name for c in table.columns if c.name not in found.present),
            extra_columns=staged.extras,
        )

    def _empty(self, parts: Parts) -> LoadResult:
        """Store a table that the source does not have."""
        con, table = self.con, self.table
        with store.transaction(con):
            store.forget_load(con, table)
            store.no_rows(con, table)
            store.history(con, table, self.source)
            store.keeping_out(con, table, self.options.forgotten_list)
            parts.store(con)
        return LoadResult(
            table=table.name,
            rows=0,
            rejected=0,
            duplicates=0,
            reasons={},
            files=(),
            present=False,
            missing_columns=tuple(column.name for column in table.columns),
            extra_columns=(),
        )

    def _require_history(self, rows: int, rejected: int) -> None:
        """Refuse a table that lost most of its rows since the last load.

        Raises:
            LoadError: it has none, or too few.
        """
        name = self.table.name
        if rows + rejected == 0:
            message = f"{name} has no rows; the table of the previous load stays as it was"
            raise LoadError(message)
        is_there = name in loaded_tables(self.con)
        before = store.count(self.con, f"raw.{identifier(name)}") if is_there else 0
        if rows < before * self.options.min_kept_fraction:
            message = (
                f"{name} has {rows:,} rows and its last load had {before:,}: the source is "
                "probably a part of the history, which has to be loaded whole. The table of the "
                "previous load stays as it was; if so many orders are really gone, load once with "
                "SEGMENTS_MIN_KEPT_FRACTION=0"
            )
            raise LoadError(message)

    def _refusal(
        self, staged: Staged, rows: int, rejected: int, reasons: dict[str, int]
    ) -> LoadError:
        share, limit = rejected / (rejected + rows), self.options.max_rejected_fraction
        summary = (
            f"{self.table.name}: {rejected:,} of {rejected + rows:,} rows were rejected "
            f"({share:.1%}; at most {limit:.1%} may be, SEGMENTS_MAX_REJECTED_FRACTION). "
            "The table of the previous load stays as it was."
        )
        lines = [summary]
        for reason, count in list(reasons.items())[:_TOP_REASONS]:
            places = self.con.execute(
                f"""
                SELECT (?::VARCHAR[])[file_no + 1] || ':' || source_line
                FROM {checks.REJECTED_ROWS} WHERE list_contains(kinds, ?)
                ORDER BY file_no, source_line LIMIT 3
                """,
                [list(staged.files), reason],
            ).fetchall()
            lines.append(f"  {reason}: {count:,} (e.g. {', '.join(str(p[0]) for p in places)})")
        lines.append(
            "  Look at them in the warehouse: "
            f"SELECT * FROM raw.rejected_rows WHERE table_name = {literal(self.table.name)}"
        )
        return LoadError("\n".join(lines))


def _reasons(con: DuckDBPyConnection) -> dict[str, int]:
    """How many rows each reason rejected, the most frequent first."""
    return {
        str(reason): int(count)
        for reason, count in con.execute(
            f"""
            SELECT reason, count(*) FROM (SELECT unnest(kinds) AS reason
              FROM {checks.REJECTED_ROWS})
            GROUP BY reason ORDER BY count(*) DESC, reason
            """
        ).fetchall()
    }
