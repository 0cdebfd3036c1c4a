"""When a plan is refused before its first request.

A guard looks at numbers only. It never changes a plan: a refused sync leaves the destination as it
is, and the other syncs run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncs.records import Cause, GuardFinding, Operation, Plan
from syncs.spec import AnySpec, EventSpec


def judge(plan: Plan, spec: AnySpec, *, vanished: Sequence[str] = ()) -> Plan:
    """The plan with the findings of its spec's guards.

    ``vanished`` are properties that nobody has a value for any more, though somebody was told one:
    an input that is missing must not look like a fact about everybody.

    A limit up to 1 is a share of what the destination holds for this sync, above 1 a number of
    people. The first delivery of a sync has nothing to compare with, so shares do not apply to it.
    """
    findings: list[GuardFinding] = []
    guard = spec.guard
    removed = sum(n for key, n in plan.counts.items() if key.startswith(Operation.REMOVE))
    added = plan.counts.get(f"{Operation.UPSERT}:{Cause.NEW}", 0)
    added += plan.counts.get(f"{Operation.EVENT}:{Cause.NEW}", 0)

    def check(name: str, limit: float | None, found: int, what: str) -> None:
        if limit is None or not found or (limit <= 1 and not plan.delivered):
            return
        if limit <= 1:
            if found > limit * plan.delivered:
                text = f"{found} of {plan.delivered} {what}, allowed is a share of {limit:g}"
                findings.append(GuardFinding(name, text))
        elif found > limit:
            findings.append(GuardFinding(name, f"{found} {what}, allowed are {limit:g}"))

    check("max_removed", guard.max_removed, removed, "people would be removed")
    check("max_added", guard.max_added, added, "people would be added")
    # Nobody entered today is the rule for an event, not an accident.
    if not isinstance(spec, EventSpec) and plan.members < guard.min_members:
        text = f"the audience has {plan.members} people, at least {guard.min_members} are expected"
        findings.append(GuardFinding("min_members", text))
    for name in vanished:
        text = f"nobody has a value for {name!r} any more; is its source table missing?"
        findings.append(GuardFinding("vanished", text))
    return replace(plan, refused=tuple(findings))
