"""Attentive takes one person a call: how much of the allowed rate is used, and is it kept."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks import process
from tests.benchmarks.table import Measure, require
from tests.support.box import Box
from tests.support.senders import (
    ATTENTIVE,
    most_at_once,
    most_in_a_fixed_window,
    run_together,
    to_attentive,
)

NAME = "attentive_everybody"
PEOPLE = 1_500
_ALLOWED = ATTENTIVE.count / ATTENTIVE.seconds
_LATENCY_SECONDS = 0.1

SPEC = f"""name: {NAME}
description: Who ever used a code, for everybody with a phone.
owner: data@example.org
destination: attentive_attribute
audience: everyone
identify_by: {{phone: phone}}
properties: {{ever_used_discount_code: ever_used_discount_code}}
requires_consent: sms
guard: {{max_removed: null, min_members: 0}}
"""


def keep_the_rate(home: Path, box: Box) -> list[Measure]:
    """One sync; then two processes on one account, which share what one may send."""
    _prepare(box)
    ended = process.apply(home, NAME, f"{box.address}/attentive")
    alone = Measure(
        f"{PEOPLE:,} people to Attentive, answers after {_LATENCY_SECONDS * 1000:.0f} ms",
        f"{ended.seconds:.2f} s",
        ended.seconds * _ALLOWED / PEOPLE,
        f"the least the limit allows ({PEOPLE / _ALLOWED:.0f} s)",
    )
    return [alone, *_kept(box), *share_the_rate(home / "shared", box)]


def share_the_rate(ring: Path, box: Box) -> list[Measure]:
    """Two processes that only send, half of the requests each."""
    _prepare(box)
    sender = to_attentive(box, ring, PEOPLE // 2)
    sent = run_together([sender, sender])
    together = Measure(f"two processes on one account, {PEOPLE:,} requests", f"{sent:,} sent")
    return [together, *_kept(box)]


def _prepare(box: Box) -> None:
    box.reset()
    box.configure(limits=True, latency_seconds=_LATENCY_SECONDS)


def _kept(box: Box) -> list[Measure]:
    """What the vendor saw of one run."""
    requests = box.requests("attentive")
    throttled = sum(request["throttled"] for request in requests)
    require("requests answered 429", throttled, 0)
    arrived = sorted(request["at"] for request in requests)
    require("requests", len(arrived), PEOPLE)
    # Without the first second, in which nothing is known of the vendor yet.
    amid = [at for at in arrived if at >= arrived[0] + ATTENTIVE.seconds]
    rate = (len(amid) - 1) / (amid[-1] - amid[0])
    fixed = most_in_a_fixed_window(arrived, ATTENTIVE.seconds)
    sliding = most_at_once(arrived, ATTENTIVE.seconds)
    return [
        Measure(
            "  rate after the first second",
            f"{rate:.1f} a second",
            rate / _ALLOWED,
            f"the allowed {_ALLOWED:.0f} a second",
        ),
        Measure(
            "  most requests in a second of the clock",
            f"{fixed}",
            fixed / ATTENTIVE.count,
            f"the allowed {ATTENTIVE.count}",
        ),
        Measure(
            "  most requests in any second",
            f"{sliding}",
            sliding / ATTENTIVE.count,
            f"the allowed {ATTENTIVE.count}",
        ),
        Measure("  throttled", f"{throttled:,}", throttled / len(requests), "all requests"),
    ]
