"""Answers of a query in the shape a test compares."""

from typing import Any

import duckdb


def row(source: duckdb.DuckDBPyConnection, query: str, *values: object) -> tuple[Any, ...]:
    """The only row of the answer."""
    [answer] = source.execute(query, list(values)).fetchall()
    return tuple(answer)


def column(source: duckdb.DuckDBPyConnection, query: str, *values: object) -> list[Any]:
    """The only column of the answer, in order."""
    return [value for (value,) in source.execute(query, list(values)).fetchall()]
