"""A private in-memory DuckDB with the published segments attached read-only as ``pub``.

What exceeds its memory is spilled into a private folder that is gone afterwards: hashes for the
most part, and nothing that the published file beside it does not hold in clear. (Encrypted spill
needs a DuckDB extension that would have to be downloaded; without it, spilling fails.)
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import duckdb

from syncs import identity, rekeying
from syncs.errors import PublishedDataError
from syncs.settings import SyncSettings
from syncs.sql import literal

# A plan of five million people spills the rest; DuckDB goes some 150 MB above it.
_MEMORY: Final = "256MiB"


@dataclass(frozen=True)
class Publication:
    """Which picture of the shop is published.

    Attributes:
        publication_id: changes with every publish.
        as_of: shop-local date of the picture.
        shop_timezone: IANA zone.
        published_at: when it was published.
        rules: digest of the segment definitions and parameters it was made with.
    """

    publication_id: str
    as_of: date
    shop_timezone: str
    published_at: datetime
    rules: str


@dataclass(frozen=True)
class Workspace:
    """One connection, what is attached to it, and what is known about that.

    Attributes:
        columns: type of each column of the published customers.
        segments: status of each published segment.
        unavailable: why, of each segment that cannot be told.
        censored: why, of each segment that older orders than the known ones could change.
    """

    con: duckdb.DuckDBPyConnection
    publication: Publication
    columns: dict[str, str]
    segments: dict[str, str]
    unavailable: dict[str, str]
    censored: dict[str, str]
    tables: frozenset[str]
    country: str


@contextmanager
def opened(settings: SyncSettings) -> Iterator[Workspace]:
    """Open a workspace; everything in it is gone at the end.

    Raises:
        PublishedDataError: there is no published file, or it is not one of ours.
    """
    key = identity.ledger_key(settings.ledgers)
    with _scratch(settings.scratch) as folder:
        con = duckdb.connect(
            ":memory:",
            config={
                "temp_directory": str(folder),
                "memory_limit": _MEMORY,
                "preserve_insertion_order": "false",
            },
        )
        try:
            con.execute("set TimeZone = 'UTC'")
            # It would be drawn on standard output, into the JSON of a long plan.
            con.execute("set enable_progress_bar = false")
            _attach(con, settings.published, folder)
            identity.install(con, key=key)
            _know_erased(con, settings.erasures)
            work = _described(con, settings)
            rekeying.install(con, work.tables)
            yield work
        finally:
            con.close()


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A private folder that is gone afterwards, and with it those of runs that were killed.

    The lock says who lives: the operating system lets go of it whatever ends a process.
    """
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for stale in parent.glob("plan-*"):
        with suppress(OSError), (stale / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="plan-") as folder:
        path = Path(folder)
        with (path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield path


def _attach(con: duckdb.DuckDBPyConnection, published: Path, folder: Path) -> None:
    if not published.exists():
        message = f"{published}: nothing is published yet; run the daily job first (make demo)"
        raise PublishedDataError(message)
    try:
        con.execute(f"attach {literal(published)} as pub (read_only)")
    except duckdb.IOException as error:
        if "lock" not in str(error).lower():
            message = f"{published}: not a DuckDB file that this version can read"
            raise PublishedDataError(message) from None
        # Somebody opened the published file for writing. It is never written in place, so its
        # bytes are whole, and a notebook must not be able to stop the daily run.
        private = folder / "segments.duckdb"
        shutil.copyfile(published, private)
        con.execute(f"attach {literal(private)} as pub (read_only)")


def _know_erased(con: duckdb.DuckDBPyConnection, erasures: Path) -> None:
    """Make ``erasures``: whom the shop has to forget, and ``erased_customers``, their keys."""
    if erasures.exists():
        con.execute(f"attach {literal(erasures)} as era (read_only)")
        con.execute("create table erasures as from era.main.erasures")
        con.execute("detach era")
    else:
        con.execute(
            "create table erasures (customer_key varchar, requested_on date, id_type varchar, "
            "id_value varchar)"
        )
    con.execute(
        "create table erased_customers as select distinct customer_key, "
        "alias_of(customer_key) as customer from erasures where customer_key is not null"
    )


def _described(con: duckdb.DuckDBPyConnection, settings: SyncSettings) -> Workspace:
    try:
        found = con.execute(
            "select publication_id, as_of, shop_timezone, published_at from pub.main.publication"
        ).fetchone()
        # Asking duckdb_columns() takes twenty times as long: it goes through all databases.
        columns = dict(
            con.execute(
                "select column_name, column_type from (describe pub.main.customers)"
            ).fetchall()
        )
        catalog = con.execute(
            "select segment, status, coalesce(reason, '') from pub.main.segment_catalog"
        ).fetchall()
        tables = con.execute(
            "select table_name from duckdb_tables() where database_name = 'pub'"
        ).fetchall()
        rules = con.execute(
            # Whether all orders are known is no rule: it may be found out any day, and undone.
            "select cast(sum(md5_number_lower(segment || replace(coalesce(cast(columns("
            "c -> c in ('parameters', 'status')) as varchar), ''), 'left_censored', 'available')))"
            " as varchar) "
            "from pub.main.segment_catalog"
        ).fetchone()
    except duckdb.CatalogException:
        found, columns, catalog, tables, rules = None, {}, [], [], None
    if found is None:
        message = f"{settings.published}: not written by the publish step; run the daily job"
        raise PublishedDataError(message)
    return Workspace(
        con=con,
        publication=Publication(
            str(found[0]), found[1], str(found[2]), found[3], "/".join(map(str, rules or ()))
        ),
        columns=columns,
        segments={segment: status for segment, status, _ in catalog},
        unavailable={s: reason for s, status, reason in catalog if status == "unavailable"},
        censored={s: reason for s, status, reason in catalog if status == "left_censored"},
        tables=frozenset(name for (name,) in tables),
        country=settings.shop_country,
    )
