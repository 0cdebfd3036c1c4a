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


def see_kept(requests: Sequence[dict[str, Any]], limits: Sequence[Limit]) -> None:
    """See that no request was one too many; the benchmark says how close they come."""
    assert not [request for request in requests if request["throttled"]]
    arrivals = sorted(request["at"] for request in requests)
    for limit in limits:
        assert most_in_a_fixed_window(arrivals, limit.seconds) <= limit.count
        assert most_at_once(arrivals, limit.seconds) <= limit.count


@pytest.mark.parametrize("stall", [0.0, 0.08])
def test_two_processes_on_one_account_keep_attentives_limit(
    box: Box, tmp_path: Path, stall: float
) -> None:
    box.configure(latency_seconds=0.1)
    sender = to_attentive(box, tmp_path / "ring", 350, stall_every=5 * stall, stall=stall)
    assert run_together([sender, sender]) == 700
    see_kept(box.requests("attentive"), [ATTENTIVE])


def test_two_processes_on_one_account_keep_klaviyos_windows(box: Box, tmp_path: Path) -> None:
    sender = to_klaviyo(box, tmp_path / "ring", 20)
    assert run_together([sender, sender]) == 40
    see_kept(box.requests("klaviyo"), KLAVIYO)


def test_what_a_vendor_asks_of_one_process_holds_for_the_other(box: Box, tmp_path: Path) -> None:
    box.fault("attentive", "status", status=429, headers={"retry-after": "4"}, skip=100)
    sender = to_attentive(box, tmp_path / "ring", 150)
    assert run_together([sender, sender]) == 301
    requests = box.requests("attentive")
    asked = next(request["at"] for request in requests if request["status"] == 429)
    # What had left before the answer came may still arrive.
    assert not [request for request in requests if asked + 2 < request["at"] < asked + 4]
    assert len(requests) == 301
