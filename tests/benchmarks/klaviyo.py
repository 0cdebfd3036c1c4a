"""Profiles to a stand-in of Klaviyo that is no bottleneck: everybody, nobody, every hundredth."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from tests.benchmarks import process, shop
from tests.benchmarks.process import Ended
from tests.benchmarks.table import Measure, require

NAME = "klaviyo_everybody"
# Klaviyo takes 10,000 profiles in one import.
_IMPORT_ROWS = 10_000

SPEC = f"""name: {NAME}
description: Everybody's lifecycle, with profiles made where there are none.
owner: data@example.org
destination: klaviyo_profile
audience: everyone
identify_by: {{email: email}}
properties:
  customer_segment: customer_segment
  discount_behavior: discount_behavior
  order_count: order_count
  last_order_on: last_order_on
  average_order_value: average_order_value
  ever_used_discount_code: ever_used_discount_code
guard: {{max_removed: null, min_members: 0}}
"""


@dataclass(frozen=True)
class Taken:
    """What the stand-in took since the last time it was asked."""

    imports: int
    rows: int
    requests: int


class Sender:
    """One home folder, and a stand-in that takes what its runs send."""

    def __init__(self, home: Path, address: str) -> None:
        self._home = home
        self._address = address
        self._seen = self._count()

    def _count(self) -> Taken:
        with urllib.request.urlopen(f"{self._address}/taken", timeout=30) as answer:  # noqa: S310
            return Taken(**json.load(answer))

    def run(self) -> tuple[Ended, Taken]:
        """What the process used, and what it sent."""
        ended = process.apply(self._home, NAME, self._address, "tests.benchmarks.unlimited")
        before, self._seen = self._seen, self._count()
        fresh = (
            getattr(self._seen, field.name) - getattr(before, field.name) for field in fields(Taken)
        )
        return ended, Taken(*fresh)

    def ledger_bytes(self) -> int:
        return sum(f.stat().st_size for f in (self._home / "ledger").glob("klaviyo.duckdb*"))


@contextmanager
def sink(folder: Path) -> Iterator[str]:
    """A stand-in of Klaviyo that costs next to nothing, in a process of its own."""
    port = folder / "sink.port"
    server = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.sink", str(port)])
    try:
        deadline = time.monotonic() + 20
        while not (port.exists() and port.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port.read_text()}"
    finally:
        server.terminate()
        server.wait(20)


def three_days(
    home: Path, published: Path, address: str, rows: int, planned: float
) -> list[Measure]:
    """The first sync, the same again, and one with every hundredth profile changed.

    Args:
        home: a home folder that has synced nothing.
        published: its published file.
        address: of the stand-in.
        rows: customers published.
        planned: seconds of the plan alone.
    """
    sender = Sender(home, address)
    start = process.start(home, NAME).seconds

    first, taken = sender.run()
    require("profiles taken", taken.rows, rows)
    fewest = math.ceil(rows / _IMPORT_ROWS)
    sending = first.seconds - start

    size = sender.ledger_bytes()
    again, taken_again = sender.run()
    growth = sender.ledger_bytes() - size
    require("imports when nothing changed", taken_again.imports, 0)

    shop.publish_next_day(published)
    changed, taken_changed = sender.run()
    require("changed profiles taken", taken_changed.rows, math.ceil(rows / shop.CHANGED_EVERY))

    return [
        Measure(
            f"first sync of {rows:,} profiles to Klaviyo, after process start",
            f"{sending:.2f} s, {rows / sending:,.0f} rows/s",
            sending / planned,
            f"its plan alone ({planned:.2f} s)",
        ),
        Measure("  process start", f"{start:.2f} s", start / first.seconds, "its seconds"),
        Measure(
            "  processor time of the process, the stand-in's not counted",
            f"{first.processor_seconds:.2f} s",
            first.processor_seconds / first.seconds,
            "its seconds",
        ),
        Measure(
            "  imports",
            f"{taken.imports:,}",
            taken.imports / fewest,
            f"the fewest possible ({fewest:,} of {_IMPORT_ROWS:,} profiles)",
        ),
        Measure(
            "  requests, with those that follow an import to its end",
            f"{taken.requests:,}",
            taken.requests / fewest,
            "the fewest imports possible",
        ),
        Measure(
            "  most memory of the process",
            f"{first.peak_bytes / 1e6:,.0f} MB",
            first.peak_bytes / again.peak_bytes,
            f"the run with nothing to send ({again.peak_bytes / 1e6:,.0f} MB)",
        ),
        Measure(
            "the same again, unchanged",
            f"{again.seconds:.2f} s",
            again.seconds / first.seconds,
            "the first sync",
        ),
        Measure(
            "  writes",
            f"{taken_again.imports:,}",
            taken_again.imports / taken.imports,
            "its writes",
        ),
        Measure(
            "  growth of the ledger file, in blocks of 256 KiB",
            f"{growth:,} bytes",
            growth / size,
            "the file's size",
        ),
        Measure(
            f"one profile in {shop.CHANGED_EVERY} changed",
            f"{changed.seconds:.2f} s",
            changed.seconds / first.seconds,
            "the first sync",
        ),
        Measure("  rows sent", f"{taken_changed.rows:,}", taken_changed.rows / rows, "all rows"),
        Measure(
            "  imports",
            f"{taken_changed.imports:,}",
            taken_changed.imports / math.ceil(taken_changed.rows / _IMPORT_ROWS),
            "the fewest possible",
        ),
    ]
