"""The answer of a what-if, for people, machines and pull requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from dagster_project.what_if_moves import Moves, Segment


def as_tables(moves: Moves) -> list[RenderableType]:
    """For a terminal: a heading and tables of what differs."""
    shown = [segment for segment in moves.segments if segment.moves]
    parts: list[RenderableType] = [_heading(moves)]
    if moves.parameters:
        parts.append(_table(("parameter", "before", "after"), _parameters(moves), left=3))
    if not shown:
        return [*parts, "nobody moves"]
    parts.append(_table(_SEGMENT_COLUMNS, [_row(segment) for segment in shown], left=1))
    if moves.lifecycle:
        rows = [(f, t, _number(n)) for f, t, n in moves.lifecycle]
        parts.append(_table(("from", "to", "customers"), rows, left=2))
    return parts


def as_markdown(moves: Moves) -> str:
    """For a pull request: the same as markdown tables."""
    shown = [segment for segment in moves.segments if segment.moves]
    lines = [_heading(moves), ""]
    if moves.newer_orders:
        lines += [f"**{moves.newer_orders} orders of the source differ as well.**", ""]
    if moves.parameters:
        lines += [*_markdown(("parameter", "before", "after"), _parameters(moves), left=3), ""]
    if not shown:
        return "\n".join([*lines, "Nobody moves.", ""])
    lines += [*_markdown(_SEGMENT_COLUMNS, [_row(segment) for segment in shown], left=1), ""]
    if moves.lifecycle:
        rows = [(f, t, _number(n)) for f, t, n in moves.lifecycle]
        lines += [*_markdown(("from", "to", "customers"), rows, left=2), ""]
    return "\n".join(lines)


def as_json(moves: Moves) -> str:
    """For machines: everything, also of segments in which nobody moves."""
    answer = {
        "publication_id": moves.publication_id,
        "as_of": moves.as_of.isoformat(),
        "day": moves.day.isoformat(),
        "variables": moves.variables,
        "orders_that_differ": moves.newer_orders,
        "parameters": [
            {"name": name, "before": before, "after": after}
            for name, before, after in moves.parameters
        ],
        "segments": [
            {
                "segment": segment.segment,
                "before": segment.before,
                "after": segment.after,
                "left": segment.left,
                "joined": segment.joined,
                "status_before": segment.status_before,
                "status_after": segment.status_after,
                "reason": segment.reason,
            }
            for segment in moves.segments
        ],
        "lifecycle": [{"from": f, "to": t, "customers": n} for f, t, n in moves.lifecycle],
    }
    return json.dumps(answer, indent=2, default=str) + "\n"


_SEGMENT_COLUMNS = ("segment", "before", "after", "left", "joined", "")


def _heading(moves: Moves) -> str:
    given = ", ".join(f"{name}={json.dumps(value)}" for name, value in moves.variables.items())
    rules = "The rules of the working tree" + (f" with {given}" if given else "")
    day = f" on {moves.day}" if moves.day != moves.as_of else ""
    return f"{rules}, compared with what is published as of {moves.as_of}{day}"


def _row(segment: Segment) -> tuple[str, ...]:
    numbers = (segment.before, segment.after, segment.left, segment.joined)
    return (segment.segment, *map(_number, numbers), segment.note)


def _parameters(moves: Moves) -> list[tuple[str, str, str]]:
    return [(name, _value(before), _value(after)) for name, before, after in moves.parameters]


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: int) -> str:
    return f"{value:,}"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, name in enumerate(names):
        table.add_column(name, justify="left" if place < left or not name else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _markdown(names: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    rule = ["---" if place < left or not name else "---:" for place, name in enumerate(names)]
    cells = [names, rule, *[[cell.replace("|", r"\|") for cell in row] for row in rows]]
    return [f"| {' | '.join(row)} |" for row in cells]
