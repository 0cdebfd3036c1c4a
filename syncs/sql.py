"""SQL as text, where a value cannot be a parameter (names of files, parts of an expression)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb


def literal(value: object) -> str:
    """A SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing of what is executed within."""
    con.execute("begin")
    try:
        yield
    except BaseException:
        con.execute("rollback")
        raise
    con.execute("commit")
