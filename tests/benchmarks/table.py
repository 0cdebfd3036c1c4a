"""One measure and the table of all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 150


class BenchmarkError(Exception):
    """What was measured did not do its work, so its figure would mean nothing."""


@dataclass(frozen=True)
class Measure:
    """One line: ``ratio`` is to something of the same run, so it means something on any machine."""

    name: str
    figure: str
    ratio: float | None = None
    of: str = ""


def best_seconds(repeats: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of some repeats: what a busy machine disturbs least."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def require(what: str, found: object, expected: object) -> None:
    """Stop when something other than the work that was meant has been measured."""
    if found != expected:
        raise BenchmarkError(f"{what}: {found} instead of {expected}")


def show(title: str, measures: list[Measure]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("measure")
    table.add_column("figure", justify="right")
    table.add_column("ratio", justify="right")
    table.add_column("ratio to")
    for measure in measures:
        ratio = "" if measure.ratio is None else f"{measure.ratio:.2f}"
        table.add_row(measure.name, measure.figure, ratio, measure.of)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    console.print(table)
