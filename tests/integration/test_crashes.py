"""A real process, killed with real signals at random points of a real sync, then run to its end."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.support.box import Box
from tests.support.crashing import KINDS, Kind, Victim

# Enough for several batches, and few enough for the vendors' own limits.
ROWS = {
    "klaviyo_profile": 35_000,
    "klaviyo_event": 5_000,
    "attentive_attribute": 800,
    "attentive_event": 300,
    "facebook_audience": 35_000,
}
LATENCY = 0.3
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)
# Seconds after the first request within which a signal comes.
SPAN = 0.8


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_killed_anywhere_and_run_again(tmp_path: Path, box: Box, kind: Kind) -> None:
    box.configure(latency_seconds=LATENCY, klaviyo_job_seconds=0.4)
    rows = ROWS[kind.destination]
    victim = Victim(tmp_path / "home", box, kind, rows, latency=LATENCY)

    outcome = victim.suffer(SIGNALS, SPAN, random.Random(kind.destination))

    assert outcome.amid >= 1
    assert (outcome.lost, outcome.doubled) == (0, 0)
    # One batch is on its way at a time; it is sent again where that is harmless, and only there.
    assert outcome.most_unanswered <= kind.batch
    assert outcome.again <= (sum(outcome.unanswered.values()) if kind.idempotent else 0)
    assert kind.idempotent or outcome.waiting == sum(outcome.unanswered.values())
