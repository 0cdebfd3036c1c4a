"""No window of a vendor is ever exceeded, seen where the requests arrive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from syncs.records import Limit
from tests.support.box import Box
from tests.support.senders import (
    ATTENTIVE,
    KLAVIYO,
    most_at_once,
    most_in_a_fixed_window,
    run_together,
    to_attentive,
    to_klaviyo,
)


def kept(requests: Sequence[dict[str, Any]], limits: Sequence[Limit]) -> list[float]:
    """The sorted arrivals, after a look that none was one too many."""
    assert not [request for request in requests if request["throttled"]]
    arrivals = sorted(request["at"] for request in requests)
    for limit in limits:
        assert most_in_a_fixed_window(arrivals, limit.seconds) <= limit.count
        assert most_at_once(arrivals, limit.seconds) <= limit.count
    return arrivals


@pytest.mark.parametrize("stall", [0.0, 0.08])
def test_two_processes_on_one_account_keep_attentives_limit(
    box: Box, tmp_path: Path, stall: float
) -> None:
    box.configure(latency_seconds=0.1)
    sender = to_attentive(box, tmp_path / "ring", 350, stall_every=5 * stall, stall=stall)
    assert run_together([sender, sender]) == 700
    arrivals = kept(box.requests("attentive"), [ATTENTIVE])
    # Far from idle even where the machine is busy: the benchmark says how close it comes.
    assert 700 / (arrivals[-1] - arrivals[0]) > 50


def test_two_processes_on_one_account_keep_klaviyos_windows(box: Box, tmp_path: Path) -> None:
    sender = to_klaviyo(box, tmp_path / "ring", 20)
    assert run_together([sender, sender]) == 40
    kept(box.requests("klaviyo"), KLAVIYO)


def test_ten_imports_leave_at_once(box: Box, tmp_path: Path) -> None:
    assert to_klaviyo(box, tmp_path / "ring", 10).run() == 10
    arrivals = kept(box.requests("klaviyo"), KLAVIYO)
    # Spaced evenly they would take 0.9 seconds.
    assert arrivals[-1] - arrivals[0] < 0.6


def test_what_a_vendor_asks_of_one_process_holds_for_the_other(box: Box, tmp_path: Path) -> None:
    box.fault("attentive", "status", status=429, headers={"retry-after": "2"}, skip=100)
    sender = to_attentive(box, tmp_path / "ring", 150)
    assert run_together([sender, sender]) == 301
    requests = box.requests("attentive")
    asked = next(request["at"] for request in requests if request["status"] == 429)
    # What had left before the answer came may still arrive.
    assert not [request for request in requests if asked + 0.5 < request["at"] < asked + 2]
    assert len(requests) == 301
