"""A real process, killed with a real signal in the middle of a real sync, then run again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from syncs import Status, SyncSettings
from tests.contract.test_every_destination import CASES, Case
from tests.support.box import Box
from tests.support.published import Shop
from tests.support.syncing import HEAD, plan, run

ROOT = Path(__file__).resolve().parents[2]
GUARD = "guard: {max_removed: null, min_members: 0}\n"
# Enough for several waves of requests: whoever dies after the first is in the middle of it.
PEOPLE = {"klaviyo": 12_000, "attentive": 300, "facebook": 25_000}
LATENCY = 0.4


def shop(count: int) -> Shop:
    made = Shop()
    for i in range(count):
        made.add(
            f"c{i:05d}", phone=f"+1212555{i % 10_000:04d}", ever_used_discount_code=True
        ).member("buyers", f"c{i:05d}")
    return made


def killed(settings: SyncSettings, box: Box, case: Case, sent: signal.Signals, after: int) -> None:
    """Start the sync as a process and kill it when ``after`` requests have reached the vendor."""
    before = len(box.requests(case.vendor))
    process = subprocess.Popen(
        [sys.executable, "-m", "syncs", "apply", case.name],
        cwd=ROOT,
        env={**os.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while len(box.requests(case.vendor)) < before + after and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1].decode()[-800:]
        time.sleep(0.01)
    process.send_signal(sent)
    process.communicate(timeout=30)
    assert process.returncode != 0


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_killed_and_run_again_nothing_is_lost_and_no_event_is_doubled(
    settings: SyncSettings, box: Box, case: Case, sent: signal.Signals
) -> None:
    people = PEOPLE[case.vendor]
    (settings.specs / f"{case.name}.yml").write_text(
        HEAD.format(name=case.name) + GUARD + case.spec
    )
    shop(people).publish(settings.home)
    box.configure(latency_seconds=LATENCY, klaviyo_job_seconds=0.6)
    requests_before_death = {"klaviyo": 1, "attentive": 60, "facebook": 5}[case.vendor]

    killed(settings, box, case, sent, requests_before_death)
    # Whatever was on its way arrives after the sender's death.
    time.sleep(1.0)
    box.configure(latency_seconds=0.0)
    report = run(settings, case.name)

    if case.idempotent:
        assert (report.status, case.held(box)) == (Status.OK, people)
    else:
        # What was in flight may have arrived: nobody gets a second event, somebody must look.
        assert people - 32 <= case.held(box) <= people
        assert len({e["external_id"] for e in box.call("GET", "/attentive/events")}) == case.held(
            box
        )
    assert plan(settings, case.name).changes == 0
