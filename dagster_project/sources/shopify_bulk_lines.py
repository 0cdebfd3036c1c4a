"""The lines of bulk operations' results, sorted by what they are, in temporary tables.

A line is one object. An object inside another one's connection is a line of its own that names its
parent in `__parentId` and may lie anywhere in the same file; what a discount application is called
is nowhere, as it has no id. Objects of other kinds are not read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dagster_project.sources.errors import LoadError
from dagster_project.sources.physical_lines import LINES, NOT_UTF8, Head, read_lines
from dagster_project.sources.shopify_bulk_sql import FIELDS
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from duckdb import DuckDBPyConnection

ROOTS = {"orders": "Order", "customers": "Customer"}
"""The kinds of objects that stand for themselves, and what Shopify calls them."""

_CHILDREN = {"line_items": "LineItem", "shipping_lines": "ShippingLine"}
_NODES = "bulk_nodes"

_NAMED = "bulk_named"

LISTS = "bulk_lists"
"""Temporary table (kind, file_no): which files are lists."""

LISTED = "bulk_listed"
"""Temporary table (kind, id): what every list of all objects names."""

PICKED = "bulk_picked"
"""Temporary table (kind, file_no, id, updated_at): the file every object is taken from."""

BROKEN = "bulk_broken"
"""Temporary table (kind, file_no, source_line, reason, row) of lines that are no object of ours."""

_NEWLINE = b"\n"
# A line that is no JSON must not even be looked into, wherever the rest of a condition is moved to.
_IS_OBJECT = f"""CASE
  WHEN json_valid(line)
    THEN json_type(line) = 'OBJECT' AND NOT contains(line, {literal(NOT_UTF8)})
  ELSE false
END"""


def table_of(kind: str) -> str:
    """The temporary table of a kind of line: (file_no, source_line, parent, the fields)."""
    return f"b_{kind}"


def read(con: DuckDBPyConnection, files: Iterable[tuple[int, Path, str]]) -> set[str]:
    """Read files, each with its number and the name to show; returns `kind.field` of what is there.

    Raises:
        LoadError: a file has no object, is no result of a bulk operation or was cut off.
    """
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {_NODES} "
        "(file_no INTEGER, source_line BIGINT, kind VARCHAR, id VARCHAR, parent VARCHAR, node JSON)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {BROKEN} (kind VARCHAR, file_no INTEGER, "
        "source_line BIGINT, reason VARCHAR, row VARCHAR)"
    )
    for file_no, path, shown in files:
        is_ended = read_lines(con, path, shown, Head((), 0, _NEWLINE))
        _sort(con, file_no)
        _require_result(con, file_no, shown, is_ended=is_ended)
    con.execute(f"DROP TABLE IF EXISTS {LINES}")
    return _fields(con)


def _sort(con: DuckDBPyConnection, file_no: int) -> None:
    """Say of every line what it is; blank lines are none."""
    whens = " ".join(
        f"WHEN id LIKE 'gid://shopify/{name}/%' THEN {literal(kind)}"
        for kind, name in {**ROOTS, **_CHILDREN}.items()
    )
    con.execute(
        f"""
        INSERT INTO {_NODES}
        SELECT {file_no}, line_no,
          CASE
            {whens}
            WHEN id IS NULL AND parent LIKE 'gid://shopify/Order/%'
              AND json_exists(node, '$.targetType') THEN 'applications'
          END AS kind,
          id, parent, node
        FROM (
          SELECT line_no, line::JSON AS node,
            json_extract_string(line, '$.id') AS id,
            json_extract_string(line, '$.__parentId') AS parent
          FROM {LINES} WHERE {_IS_OBJECT}
        )
        WHERE kind IS NOT NULL
        """
    )
    con.execute(
        f"""
        INSERT INTO {BROKEN}
        SELECT 'orders', {file_no}, line_no, 'line is no JSON object in UTF-8',
          to_json(replace(line, {literal(NOT_UTF8)}, chr(65533)))
        FROM {LINES}
        WHERE trim(line) <> '' AND NOT {_IS_OBJECT}
        """
    )


def _require_result(con: DuckDBPyConnection, file_no: int, shown: str, *, is_ended: bool) -> None:
    """Refuse a file that holds nothing of ours, or whose last line stops in the middle.

    Raises:
        LoadError: so it is.
    """
    last = con.execute(f"SELECT max(line_no) FROM {LINES} WHERE trim(line) <> ''").fetchone()
    broken = con.execute(
        f"SELECT 1 FROM {BROKEN} WHERE file_no = ? AND source_line = ?",
        [file_no, last[0] if last else None],
    ).fetchone()
    found = con.execute(f"SELECT 1 FROM {_NODES} WHERE file_no = ? LIMIT 1", [file_no]).fetchone()
    if found is None:
        message = (
            f"{shown} holds no order and no customer: expected the result of a bulk operation, one "
            "JSON object a line with its id; download it again"
        )
        raise LoadError(message)
    if broken is not None and not is_ended:
        message = f"{shown} was cut off in its last line: download it again"
        raise LoadError(message)


def _fields(con: DuckDBPyConnection) -> set[str]:
    """`kind.field` of what the queries asked for: in one result all objects have the same."""
    rows = con.execute(
        f"""
        SELECT DISTINCT kind, unnest(json_keys(node))
        FROM (
          SELECT kind, arg_min(node, source_line) AS node FROM {_NODES} GROUP BY kind, file_no
        )
        """
    ).fetchall()
    fields = {f"{kind}.{name}" for kind, name in rows}
    return fields | {kind for kind, _ in rows}


def pick(con: DuckDBPyConnection) -> None:
    """Find out which file every object comes from, and what the lists name.

    Of an object in several files the one that changed last is taken, with all its children; of two
    that changed at the same time the one in the later file.

    A file whose objects of a kind have an id and nothing else but the time of their last change is
    a list of all that there are of that kind: what is in an earlier file and not in the list was
    deleted since.
    """
    roots = ", ".join(map(literal, ROOTS))
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {LISTS} AS
        SELECT kind, file_no FROM (
          SELECT kind, file_no, arg_min(node, source_line) AS node
          FROM {_NODES} WHERE kind IN ({roots}) GROUP BY ALL
        )
        WHERE list_has_all(['id', 'updatedAt', '__typename'], json_keys(node))
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_NAMED} AS
        SELECT kind, id, list(DISTINCT file_no) AS lists
        FROM {_NODES} SEMI JOIN {LISTS} USING (kind, file_no)
        GROUP BY kind, id
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {PICKED} AS
        WITH objects AS (
          SELECT kind, id, file_no,
            coalesce(
              TRY_CAST(json_extract_string(node, '$.updatedAt') AS TIMESTAMPTZ), '-infinity'
            ) AS updated_at
          FROM {_NODES} ANTI JOIN {LISTS} USING (kind, file_no)
          WHERE kind IN ({roots})
        ),
        living AS (
          SELECT objects.*
          FROM objects
          LEFT JOIN (SELECT kind, list(file_no) AS every FROM {LISTS} GROUP BY kind) AS lists
            USING (kind)
          LEFT JOIN {_NAMED} AS named USING (kind, id)
          WHERE list_has_all(
            coalesce(named.lists, []),
            list_filter(coalesce(lists.every, []), lambda list_no: list_no > objects.file_no)
          )
        )
        SELECT kind, id, pick.file_no, pick.updated_at
        FROM (
          SELECT kind, id, max({{'updated_at': updated_at, 'file_no': file_no}}) AS pick
          FROM living GROUP BY ALL
        )
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {LISTED} AS
        SELECT kind, id FROM {_NAMED} AS named
        JOIN (SELECT kind, count(*) AS lists FROM {LISTS} GROUP BY kind) AS every USING (kind)
        WHERE len(named.lists) = every.lists
        """
    )
    con.execute(f"DROP TABLE {_NAMED}")


def spread(con: DuckDBPyConnection) -> None:
    """Make the table of every kind, `table_of`, of the picked objects and their children."""
    children = ", ".join(literal(kind) for kind in FIELDS if kind not in ROOTS)
    con.execute(
        f"""
        INSERT INTO {BROKEN}
        SELECT kind, file_no, source_line, 'its order is not in the file', node::VARCHAR
        FROM {_NODES} AS child
        ANTI JOIN (SELECT file_no, id FROM {_NODES} WHERE kind = 'orders') AS orders
          ON orders.file_no = child.file_no AND orders.id = child.parent
        WHERE child.kind IN ({children})
        """
    )
    for kind, fields in FIELDS.items():
        root, own = (kind, "id") if kind in ROOTS else ("orders", "parent")
        columns = ", ".join(f"fields.{identifier(name)}" for name in fields)
        con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {table_of(kind)} AS
            SELECT file_no, source_line, parent, {columns}
            FROM (
              SELECT nodes.file_no, source_line, parent,
                from_json(node, {literal(json.dumps(fields))}) AS fields
              FROM {_NODES} AS nodes
              SEMI JOIN {PICKED} AS picked
                ON picked.kind = {literal(root)} AND picked.file_no = nodes.file_no
                AND picked.id = nodes.{own}
              WHERE nodes.kind = {literal(kind)}
            )
            """
        )
    con.execute(f"DROP TABLE {_NODES}")
