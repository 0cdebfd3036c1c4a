"""From the headers of a table's files to the columns of its staged rows."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from dagster_project.sources.base import canonical_slot, extra_slot
from dagster_project.sources.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster_project.sources.contract import Table


@dataclass(frozen=True, slots=True)
class Layout:
    """Where every column of every file of one table goes.

    `slots[i][j]` is the staged column that column j of file i fills.
    """

    slots: tuple[tuple[str, ...], ...]
    present: tuple[str, ...]
    extras: tuple[str, ...]

    @property
    def staged_columns(self) -> tuple[str, ...]:
        """Every staged column any of the files fills."""
        extras = (extra_slot(position) for position in range(len(self.extras)))
        return (*(canonical_slot(name) for name in self.present), *extras)


def lay_out(table: Table, headers: Sequence[tuple[str, Sequence[str]]]) -> Layout:
    """Match the headers of all files of `table`, given as (file name, column names).

    Headers are compared trimmed and without regard to case. A column some files lack is empty
    there; a required column must be in every file.

    Raises:
        LoadError: a required column is missing, or two columns of one file mean the same.
    """
    canonical = {column.name for column in table.columns}
    extras: dict[str, str] = {}
    positions: dict[str, int] = {}
    slots: list[tuple[str, ...]] = []
    present: set[str] = set()
    for file, names in headers:
        seen: dict[str, str] = {}
        row: list[str] = []
        for position, raw in enumerate(names, start=1):
            shown = raw.strip().lstrip("\ufeff").strip() or f"column_{position}"
            name = shown.lower()
            if name in seen and name in canonical:
                message = f"{file} has two columns called {name}; keep one of them"
                raise LoadError(message)
            while name in seen:
                name, shown = f"{name}_{position}", f"{shown}_{position}"
            seen[name] = shown
            if name in canonical:
                row.append(canonical_slot(name))
                present.add(name)
            else:
                extras.setdefault(name, shown)
                row.append(extra_slot(positions.setdefault(name, len(positions))))
        _require(table, file, seen)
        slots.append(tuple(row))
    return Layout(
        slots=tuple(slots),
        present=tuple(c.name for c in table.columns if c.name in present),
        extras=tuple(extras.values()),
    )


def _require(table: Table, file: str, seen: dict[str, str]) -> None:
    missing = [c.name for c in table.columns if c.required and c.name not in seen]
    if not missing:
        return
    strangers = [n for n in seen if all(n != c.name for c in table.columns)]
    hints = []
    for name in missing:
        near = get_close_matches(name, strangers, n=1, cutoff=0.5)
        hints.append(f"{name} (nearest header: {seen[near[0]]})" if near else name)
    message = f"{file} lacks the required column{'s' * (len(missing) > 1)} {', '.join(hints)}"
    if len(seen) == 1 and any(mark in next(iter(seen)) for mark in (";", "\t", "|")):
        message += "; its header has no comma: the contract is comma-separated CSV"
    raise LoadError(message)
