"""Loading from a location that is copied first, and comparing what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from dagster_project.sources import (
    TABLE_NAMES,
    Access,
    LoadOptions,
    LoadResult,
    load,
    local_copy,
    open_source,
)


@contextmanager
def copied(
    folder: Path,
    source_format: str,
    location: str,
    access: Access | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> Iterator[str]:
    """Where the copy lies, which is made in `folder`; nobody waits before asking again."""
    with local_copy(
        source_format,
        location,
        folder=folder / "copies",
        access=access or Access(),
        log=log,
        sleep=lambda _: None,
    ) as local:
        yield local


def loaded(
    folder: Path,
    source_format: str,
    location: str,
    access: Access | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> tuple[duckdb.DuckDBPyConnection, dict[str, LoadResult]]:
    """A warehouse in memory with what is at `location`, and the result of every table."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    with copied(folder, source_format, location, access, log) as local:
        results = load(con, open_source(source_format, local), LoadOptions("America/New_York"))
    return con, {result.table: result for result in results}


def content(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """Every canonical table of schema raw, and what the source has, in one order."""
    return {
        name: con.execute(f"SELECT * FROM raw.{name} ORDER BY ALL").fetchall()
        for name in (*TABLE_NAMES, "source_columns")
    }
