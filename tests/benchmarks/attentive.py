"""Attentive takes one person a call: how much of the allowed rate is used, and is it kept."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks import process
from tests.benchmarks.table import Measure, require
from tests.support.box import Box

NAME = "attentive_everybody"
PEOPLE = 1_500
_ALLOWED = 150
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
    box.configure(limits=True, latency_seconds=_LATENCY_SECONDS)
    ended = process.apply(home, NAME, box.address)
    requests = box.requests("attentive")
    throttled = sum(request["throttled"] for request in requests)
    arrived = sorted(request["at"] for request in requests if not request["throttled"])
    require("people sent", len(arrived), PEOPLE)
    # Requests leave in shares of the allowed number. Between the beginnings of two shares lies a
    # whole number of them, without the start and the end of the run.
    middle = arrived[_ALLOWED : PEOPLE - _ALLOWED + 1]
    rate = (len(middle) - 1) / (middle[-1] - middle[0])
    return [
        Measure(
            f"{PEOPLE:,} people to Attentive, answers after {_LATENCY_SECONDS * 1000:.0f} ms",
            f"{ended.seconds:.2f} s",
            ended.seconds * _ALLOWED / PEOPLE,
            f"the least the limit allows ({PEOPLE / _ALLOWED:.0f} s)",
        ),
        Measure(
            "  rate amid the run",
            f"{rate:.1f} a second",
            rate / _ALLOWED,
            f"the allowed {_ALLOWED} a second",
        ),
        Measure("  throttled", f"{throttled:,}", throttled / len(requests), "all requests"),
    ]
