"""When a plan is refused before its first request.

A guard looks at numbers only. It never changes a plan: a refused sync leaves the destination as it
is, and the other syncs run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from syncs.records import Change, GuardFinding, Plan
from syncs.spec import AnySpec, EventSpec

# Small segments jump by chance: a move of fewer people, or of a smaller share, is no finding.
_JUMP_PEOPLE: Final = 50
_JUMP_SHARE: Final = 0.1


@dataclass(frozen=True)
class Facts:
    """What a plan is judged by, beside its own numbers.

    Attributes:
        customers: people published.
        age_hours: hours since they were published.
        vanished: properties that nobody has a value for any more, though somebody had one.
        jumps: for segments of the audience: name, people who moved on the as-of date, the most on
            any of the 90 days before, members.
    """

    customers: int
    age_hours: float
    vanished: Sequence[str] = ()
    jumps: Sequence[tuple[str, int, int, int]] = ()


def judge(plan: Plan, spec: AnySpec, facts: Facts) -> Plan:
    """The plan with the findings of its spec's guards.

    A limit up to 1 is a share of what the destination holds for this sync, above 1 a number of
    people. The first delivery of a sync has nothing to compare with, so shares do not apply to it.
    """
    guard = spec.guard
    findings = [
        *_limit("max_removed", guard.max_removed, plan.count(Change.REMOVE), plan, "be removed"),
        *_limit(
            "max_added",
            guard.max_added,
            plan.count(Change.ADD) + plan.count(Change.EVENT),
            plan,
            "be added",
        ),
        *_limit("max_changed", guard.max_changed, plan.count(Change.UPDATE), plan, "change"),
    ]

    def find(name: str, text: str) -> None:
        findings.append(GuardFinding(name, text))

    if not facts.customers:
        find("source_empty", "no customer is published; is the source empty?")
    if guard.max_age_hours is not None and facts.age_hours > guard.max_age_hours:
        find(
            "max_age_hours",
            f"published {facts.age_hours:.0f} hours ago, allowed are {guard.max_age_hours:g}; "
            "run the daily job",
        )
    # Nobody entered today is the rule for an event, not an accident.
    if not isinstance(spec, EventSpec) and plan.members < guard.min_members:
        find(
            "min_members",
            f"the audience has {plan.members} people, at least {guard.min_members} are expected",
        )
    for name in facts.vanished:
        find("vanished", f"nobody has a value for {name!r} any more; is its source table missing?")
    for segment, moved, most, size in facts.jumps:
        floor = max(_JUMP_PEOPLE, _JUMP_SHARE * size)
        if guard.max_jump is not None and moved > max(floor, guard.max_jump * most):
            find(
                "max_jump",
                f"{moved} people entered or left {segment!r} on the as-of date; on none of the 90 "
                f"days before it were there more than {most}, allowed is {guard.max_jump:g} times "
                "that",
            )
    return replace(plan, refused=tuple(findings))


def _limit(
    name: str, limit: float | None, found: int, plan: Plan, what: str
) -> Sequence[GuardFinding]:
    if limit is None or not found or (limit <= 1 and not plan.delivered):
        return ()
    if limit <= 1:
        if found <= limit * plan.delivered:
            return ()
        text = f"{found} of {plan.delivered} people would {what}, allowed is a share of {limit:g}"
    elif found <= limit:
        return ()
    else:
        text = f"{found} people would {what}, allowed are {limit:g}"
    return (GuardFinding(name, text),)
