"""Profiles to Klaviyo's stand-in: everybody, nobody, every hundredth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tests.benchmarks import process, shop
from tests.benchmarks.process import Ended
from tests.benchmarks.table import Measure, require
from tests.support.box import Box

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


class Sender:
    """One home folder and the requests its runs made."""

    def __init__(self, home: Path, box: Box) -> None:
        self._home = home
        self._box = box
        self._seen = 0

    def run(self) -> tuple[Ended, list[dict[str, Any]], list[dict[str, Any]]]:
        """What the process used, its writes, its reads."""
        ended = process.apply(self._home, NAME, self._box.address)
        requests = self._box.requests("klaviyo")
        fresh, self._seen = requests[self._seen :], len(requests)
        writes = [request for request in fresh if request["writes"]]
        return ended, writes, [request for request in fresh if not request["writes"]]

    def ledger_bytes(self) -> int:
        return sum(f.stat().st_size for f in (self._home / "ledger").glob("klaviyo.duckdb*"))


def three_days(home: Path, published: Path, box: Box, rows: int, planned: float) -> list[Measure]:
    """The first sync, the same again, and one with every hundredth profile changed.

    Args:
        home: a home folder that has synced nothing.
        published: its published file.
        box: the sandbox.
        rows: customers published.
        planned: seconds of the plan alone.
    """
    box.configure(limits=False, klaviyo_job_seconds=0, klaviyo_job_seconds_per_row=0)
    sender = Sender(home, box)

    first, writes, reads = sender.run()
    require("profiles sent", sum(request["rows"] for request in writes), rows)
    require("profiles held", box.state()["klaviyo"]["profiles"], rows)
    fewest = math.ceil(rows / _IMPORT_ROWS)

    size = sender.ledger_bytes()
    again, writes_again, _ = sender.run()
    growth = sender.ledger_bytes() - size
    require("writes when nothing changed", len(writes_again), 0)

    shop.publish_next_day(published)
    changed, writes_changed, _ = sender.run()
    sent = sum(request["rows"] for request in writes_changed)
    require("changed profiles sent", sent, math.ceil(rows / shop.CHANGED_EVERY))

    return [
        Measure(
            f"first sync of {rows:,} profiles to Klaviyo",
            f"{first.seconds:.2f} s, {rows / first.seconds:,.0f} rows/s",
            first.seconds / planned,
            f"its plan alone ({planned:.2f} s)",
        ),
        Measure(
            "  processor time of the process, the sandbox's not counted",
            f"{first.processor_seconds:.2f} s",
            first.processor_seconds / first.seconds,
            "its seconds",
        ),
        Measure(
            "  imports",
            f"{len(writes):,}",
            len(writes) / fewest,
            f"the fewest possible ({fewest:,} of {_IMPORT_ROWS:,} profiles)",
        ),
        Measure(
            "  requests, with those that follow an import to its end",
            f"{len(writes) + len(reads):,}",
            (len(writes) + len(reads)) / fewest,
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
            "  writes", f"{len(writes_again):,}", len(writes_again) / len(writes), "its writes"
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
        Measure("  rows sent", f"{sent:,}", sent / rows, "all rows"),
    ]
