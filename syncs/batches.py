"""Batches: which planned rows travel, and are recorded, together; and the bodies they travel in.

Payloads are written by DuckDB, a request at a time: Python never holds a row.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import duckdb

from syncs.records import Batch, Cause, Operation, Shape
from syncs.sql import literal
from syncs.wanted import Properties
from syncs.workspace import Workspace

# JSON around one row, in bytes, on top of what is said and who it is.
_ROW_OVERHEAD: Final = 160
# Bodies that are written by one statement: more at once cost memory, fewer cost planning.
_STRETCH_BYTES: Final = 5_000_000
# Rows vary in size: this share of a request's bytes is filled on average.
_FILLED: Final = 0.98


@dataclass(frozen=True)
class Part:
    """Some rows of a batch: positions from ``low`` to before ``high``, but for ``without``."""

    batch: int
    low: int
    high: int
    without: frozenset[int] = frozenset()

    @property
    def rows(self) -> int:
        """How many they are."""
        return self.high - self.low - len(self.without)

    def _positions(self) -> list[int]:
        return [i for i in range(self.low, self.high) if i not in self.without]

    def dropping(self, indexes: Iterable[int]) -> Part:
        """The same without the rows at these indexes among its own."""
        positions = self._positions()
        return replace(self, without=self.without | {positions[i] for i in indexes})

    def halves(self) -> tuple[Part, Part]:
        """The first and the second half of its rows; it has at least two."""
        middle = self._positions()[self.rows // 2]
        first = frozenset(i for i in self.without if i < middle)
        return (
            Part(self.batch, self.low, middle, first),
            Part(self.batch, middle, self.high, self.without - first),
        )

    def sql(self, column: str = "position") -> str:
        """The condition that selects them."""
        dropped = f" and {column} not in ({', '.join(map(str, sorted(self.without)))})"
        return f"{column} >= {self.low} and {column} < {self.high}{dropped if self.without else ''}"


@dataclass(frozen=True)
class Request:
    """Rows that are sent together, and the body they are sent in."""

    part: Part
    batch: Batch


@dataclass(frozen=True)
class Group:
    """Rows of one operation: a stretch of the table ``plan_rows``, cut into batches.

    ``start`` and ``stop`` are its rows, ``first`` is its first batch.
    """

    operation: Operation
    start: int
    stop: int
    first: int
    per_batch: int
    per_request: int
    bytes_each: float

    @property
    def batches(self) -> int:
        """How many batches it is cut into."""
        return -(-(self.stop - self.start) // self.per_batch)

    def part(self, batch: int) -> Part:
        """All rows of one of its batches."""
        before = (batch - self.first) * self.per_batch
        return Part(batch, 0, min(self.per_batch, self.stop - self.start - before))


@dataclass(frozen=True)
class Stretch:
    """Batches of a group whose bodies are written by one statement."""

    group: Group
    batches: range


@dataclass(frozen=True)
class Cut:
    """All batches of a run, removals first: for one person the later of two changes wins."""

    groups: tuple[Group, ...]

    def stretches(self) -> Iterator[Stretch]:
        """Every batch, in sending order."""
        for group in self.groups:
            size = group.bytes_each * group.per_batch
            at_once = max(1, int(_STRETCH_BYTES / size))
            stop = group.first + group.batches
            for first in range(group.first, stop, at_once):
                yield Stretch(group, range(first, min(stop, first + at_once)))

    def rows(self) -> dict[Operation, int]:
        """How many rows are sent, by operation."""
        counts: dict[Operation, int] = {}
        for group in self.groups:
            counts[group.operation] = counts.get(group.operation, 0) + group.stop - group.start
        return counts


def cut(shape: Shape, work: Workspace) -> Cut:
    """Make ``plan_rows``, the planned rows that are sent, and cut them into batches from 1."""
    con = work.con
    found = con.execute(
        f"""select operation, is_history, count(*), avg(bytes + {_ROW_OVERHEAD}) from planned
        where aside is null group by operation, is_history
        order by operation <> 'remove', operation, is_history"""
    ).fetchall()
    _make_plan_rows(con, [(operation, is_history) for operation, is_history, _, _ in found])
    groups: list[Group] = []
    start, first = 0, 1
    requests = max(1, shape.ledger_rows // shape.batch_rows)
    for operation, _, rows, size in found:
        per_request = max(1, min(shape.batch_rows, int(_FILLED * shape.batch_bytes / size)))
        group = Group(
            operation=Operation(operation),
            start=start,
            stop=start + rows,
            first=first,
            per_batch=per_request * requests,
            per_request=per_request,
            bytes_each=float(size),
        )
        groups.append(group)
        start, first = group.stop, first + group.batches
    return Cut(tuple(groups))


def _make_plan_rows(con: duckdb.DuckDBPyConnection, kinds: list[tuple[str, bool]]) -> None:
    """The planned rows that are sent, kind after kind: their row ids count from 0.

    What was sent before in vain comes last of its kind: it may be at fault.
    """
    row = con.execute(
        f"""select count(*), count(aside), max(rowid) + 1,
            count(*) filter (cause = '{Cause.RETRY}') from planned"""
    ).fetchone()
    con.execute("drop table if exists plan_rows")
    if len(kinds) == 1 and row and row[1] == 0 and row[0] == row[2] and row[3] in (0, row[0]):
        # All are sent and none was dropped: millions of rows need not be copied.
        con.execute("alter table planned rename to plan_rows")
        con.execute("create table planned as from plan_rows where false")
        return
    con.execute("create table plan_rows as from planned where false")
    for (operation, is_history), again in itertools.product(kinds, (False, True)):
        con.execute(
            "insert into plan_rows from planned where aside is null and operation = ? "
            f"and is_history = ? and (cause = '{Cause.RETRY}') = ?",
            [operation, is_history, again],
        )


class Bodies:
    """Writes the bodies of requests; threads may use it."""

    def __init__(self, shape: Shape, properties: Properties, work: Workspace) -> None:
        self._con = work.con
        self._shape = shape
        said = (
            properties.filled
            if properties.refilled == properties.filled
            else f"case when p.told_before then {properties.refilled} else {properties.filled} end"
        )
        self._staying = f"""select p.rowid as place, p.* exclude (identifier),
            {shape.identifier} as identifier, {said} as properties, {properties.empty} as unset
            from plan_rows as p join pub.main.customers as c on c.rowid = p.ref"""
        self._leaving = f"""select p.rowid as place, p.*, {literal(properties.left_filled)} as
            properties, {literal(properties.left_empty)} as unset from plan_rows as p"""

    def batches(self, stretch: Stretch) -> list[tuple[Part, list[Request]]]:
        """Whole batches, each with its requests."""
        group = stretch.group
        parts = [group.part(batch) for batch in stretch.batches]
        low = (parts[0].batch - group.first) * group.per_batch
        high = (parts[-1].batch - group.first) * group.per_batch + parts[-1].high
        written: dict[int, list[Request]] = {part.batch: [] for part in parts}
        for request in self._write(group, low, high, Part(0, 0, group.per_batch)):
            written[request.part.batch].append(request)
        return [(part, written[part.batch]) for part in parts]

    def requests(self, group: Group, part: Part) -> list[Request]:
        """The rows of a part of a batch, as requests."""
        before = (part.batch - group.first) * group.per_batch
        return list(self._write(group, before + part.low, before + part.high, part))

    def _write(self, group: Group, low: int, high: int, part: Part) -> Iterator[Request]:
        """Requests of the rows from ``low`` to before ``high`` of a group.

        ``part`` says which positions of each batch are meant.
        """
        rows = self._leaving if group.operation is Operation.REMOVE else self._staying
        statement = f"""
            select batch, (position - {part.low}) // {group.per_request} as request, count(*),
                string_agg(payload, ',' order by position)
            from (
                select {group.first} + (place - {group.start}) // {group.per_batch} as batch,
                    (place - {group.start}) % {group.per_batch} as position,
                    {self._shape.payload} as payload
                from (
                    {rows} where p.rowid >= {group.start + low} and p.rowid < {group.start + high}
                )
            ) where {part.sql()} group by batch, request order by batch, request"""
        with self._con.cursor() as con:
            con.execute("set TimeZone = 'UTC'")
            found = con.execute(statement).fetchall()
        for batch, request, count, body in found:
            first = part.low + request * group.per_request
            last = min(part.high, group.part(batch).high, first + group.per_request)
            dropped = frozenset(i for i in part.without if first <= i < last)
            yield Request(
                Part(batch, first, last, dropped), Batch(group.operation, int(count), body)
            )
