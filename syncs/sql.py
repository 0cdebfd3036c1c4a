"""SQL as text, where a value cannot be a parameter (names of files, parts of an expression)."""

from __future__ import annotations


def literal(value: object) -> str:
    """A SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"
