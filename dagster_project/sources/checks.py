"""Splits staged rows into typed rows and rejected rows, set-based.

`TYPED_ROWS` (file_no, source_line, one typed column per staged column) is what will be stored;
`REJECTED_ROWS` (file_no, source_line, reason, kinds, row) is what will not. `reason` may quote a
value of a date, number, flag or word column; `kinds` are the same reasons without any value, fit
for a log. `row` is the row as JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.sources.base import MALFORMED_ROWS, STAGED_ROWS, canonical_slot, extra_slot
from dagster_project.sources.casting import complaint, filled, typed
from dagster_project.sources.contract import Kind
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import Staged
    from dagster_project.sources.contract import Column, Table

TYPED_ROWS = "typed_rows"
REJECTED_ROWS = "rejected_rows_found"

_DROPPED = "dropped_rows"
_REPEATED = "repeated_rows"

# A value is quoted in a reason only when it cannot be an address that slipped into a wrong column.
_QUOTABLE = "length({0}) <= 40 AND NOT contains({0}, '@')"


def type_rows(con: DuckDBPyConnection, table: Table, staged: Staged, shop_timezone: str) -> None:
    """Create `TYPED_ROWS` from rows whose every value is understood, `REJECTED_ROWS` from the rest.

    A row fails when a required column is empty or any column holds what its type does not allow.
    """
    columns = [table.column(name) for name in staged.present]
    checked = [c for c in columns if c.required or c.kind is not Kind.TEXT]
    extras = [identifier(extra_slot(i)) for i in range(len(staged.extras))]
    stored = ["file_no", "source_line", *map(_slot, columns), *extras]
    failures = " OR ".join(map(_failed, checked)) or "false"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {TYPED_ROWS} AS
        SELECT {", ".join(stored)}
        FROM ({_converted(STAGED_ROWS, checked, shop_timezone)})
        WHERE NOT ({failures})
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {REJECTED_ROWS} AS
        SELECT file_no, source_line, reason, [reason] AS kinds, row FROM {MALFORMED_ROWS}
        """
    )
    untyped = f"""
        SELECT *, {_as_json(staged)} AS row
        FROM {STAGED_ROWS} ANTI JOIN {TYPED_ROWS} USING (file_no, source_line)"""
    con.execute(
        f"""
        INSERT INTO {REJECTED_ROWS}
        SELECT
          file_no,
          source_line,
          concat_ws('; ', {", ".join(["NULL", *(_reason(c, quoted=True) for c in checked)])}),
          list_filter(
            [{", ".join(["NULL", *(_reason(c, quoted=False) for c in checked)])}],
            lambda kind: kind IS NOT NULL
          ),
          row
        FROM ({_converted(f"({untyped})", checked, shop_timezone)})
        """
    )


def reject_nothing(con: DuckDBPyConnection) -> None:
    """Create `REJECTED_ROWS` without any row."""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {REJECTED_ROWS} (file_no INTEGER, source_line BIGINT, "
        "reason VARCHAR, kinds VARCHAR[], row VARCHAR)"
    )


def _converted(relation: str, checked: list[Column], shop_timezone: str) -> str:
    """SQL: `relation` with typed values in the slots of `checked`, their texts beside them."""
    texts = "".join(f", {filled(_slot(c))} AS {_text_slot(c)}" for c in checked)
    values = ", ".join(
        f"{typed(c, _text_slot(c), shop_timezone)} AS {_slot(c)}"
        for c in checked
        if c.kind is not Kind.TEXT
    )
    replaced = f"* REPLACE ({values})" if values else "*"
    return f"SELECT {replaced} FROM (SELECT *{texts} FROM {relation})"


def drop_duplicates(con: DuckDBPyConnection, table: Table, staged: Staged) -> int:
    """Keep one row per key and return how many identical repetitions were dropped.

    Rows with the same key and different canonical content contradict each other: none is loaded,
    because picking one would be a guess. Extra columns are ignored in that comparison. Rows without
    a key repeat each other only when everything is equal.
    """
    columns = [table.column(name) for name in staged.present]
    extras = [identifier(extra_slot(i)) for i in range(len(staged.extras))]
    everything = [*map(_slot, columns), *extras]
    keyed = "true" if table.key else "false"
    if table.key_needs is not None:
        has_it = table.key_needs in staged.present
        keyed = f"{identifier(canonical_slot(table.key_needs))} IS NOT NULL" if has_it else "false"
    dropped = 0
    if keyed != "false":
        key = [
            f"trim({_slot(c)})" if c.kind is Kind.TEXT else _slot(c)
            for c in columns
            if c.name in table.key
        ]
        content = [_slot(c) for c in columns if c.name not in table.key]
        reason = f"duplicate {', '.join(table.key)} with different content"
        dropped += _drop(con, staged, which=keyed, key=key, content=content, reason=reason)
    if keyed != "true":
        dropped += _drop(con, staged, which=f"NOT ({keyed})", key=everything, content=[], reason="")
    return dropped


def _drop(
    con: DuckDBPyConnection,
    staged: Staged,
    *,
    which: str,
    key: list[str],
    content: list[str],
    reason: str,
) -> int:
    names = [f"k{i}" for i in range(len(key))]
    keys = ", ".join(f"{expression} AS {n}" for n, expression in zip(names, key, strict=True))
    same = " AND ".join(f"rows.{n} IS NOT DISTINCT FROM many.{n}" for n in names)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_REPEATED} AS
        SELECT {keys} FROM {TYPED_ROWS} WHERE {which}
        GROUP BY {", ".join(names)} HAVING count(*) > 1
        """
    )
    if con.execute(f"SELECT 1 FROM {_REPEATED} LIMIT 1").fetchone() is None:
        con.execute(f"DROP TABLE {_REPEATED}")
        return 0
    variants = f"row({', '.join(content)})" if content else "1"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_DROPPED} AS
        WITH rows AS (
          SELECT file_no, source_line, {variants} AS content, {keys}
          FROM {TYPED_ROWS} WHERE {which}
        ),
        repeated AS (
          SELECT rows.*, dense_rank() OVER (PARTITION BY {", ".join(f"rows.{n}" for n in names)}
                                            ORDER BY content) AS variant
          FROM rows SEMI JOIN {_REPEATED} AS many ON {same}
        )
        SELECT
          file_no,
          source_line,
          max(variant) OVER (PARTITION BY {", ".join(names)}) > 1 AS contradicts,
          row_number() OVER (PARTITION BY {", ".join(names)} ORDER BY file_no, source_line) AS nth
        FROM repeated
        """
    )
    con.execute(
        f"""
        INSERT INTO {REJECTED_ROWS}
        SELECT file_no, source_line, {literal(reason)}, [{literal(reason)}], {_as_json(staged)}
        FROM {STAGED_ROWS}
        SEMI JOIN (SELECT * FROM {_DROPPED} WHERE contradicts) USING (file_no, source_line)
        """
    )
    con.execute(
        f"""
        DELETE FROM {TYPED_ROWS} AS typed USING {_DROPPED} AS gone
        WHERE typed.file_no = gone.file_no AND typed.source_line = gone.source_line
          AND (gone.contradicts OR gone.nth > 1)
        """
    )
    repetitions = con.execute(
        f"SELECT count(*) FROM {_DROPPED} WHERE NOT contradicts AND nth > 1"
    ).fetchone()
    con.execute(f"DROP TABLE {_DROPPED}")
    con.execute(f"DROP TABLE {_REPEATED}")
    return int(repetitions[0]) if repetitions else 0


def _slot(column: Column) -> str:
    return identifier(canonical_slot(column.name))


def _text_slot(column: Column) -> str:
    return identifier(f"t_{column.name}")


def _failed(column: Column) -> str:
    if column.kind is Kind.TEXT:
        return f"{_text_slot(column)} IS NULL"
    if column.required:
        return f"{_slot(column)} IS NULL"
    return f"({_slot(column)} IS NULL AND {_text_slot(column)} IS NOT NULL)"


def _reason(column: Column, *, quoted: bool) -> str:
    text = _text_slot(column)
    missing = literal(f"{column.name} is missing")
    absent = f"WHEN {text} IS NULL THEN {missing} " if column.required else ""
    if column.kind is Kind.TEXT:
        return f"CASE {absent}END"
    plain = literal(f"{column.name} {complaint(column)}")
    wrong = plain
    if quoted:
        said = f"{literal(column.name + ' ')} || '\"' || {text} || '\" {complaint(column)}'"
        wrong = f"CASE WHEN {_QUOTABLE.format(text)} THEN {said} ELSE {plain} END"
    return f"CASE {absent}WHEN {_slot(column)} IS NULL AND {text} IS NOT NULL THEN {wrong} END"


def _as_json(staged: Staged) -> str:
    pairs = [(name, canonical_slot(name)) for name in staged.present]
    pairs += [(name, extra_slot(i)) for i, name in enumerate(staged.extras)]
    fields = ", ".join(f"{literal(name)}, {identifier(slot)}" for name, slot in pairs)
    return f"json_object({fields})::VARCHAR"
