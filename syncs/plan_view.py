"""A plan for people and programs: a table, markdown for a pull request, a JSON document."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Final

from rich.table import Table

from syncs.records import Cause, Change, Plan

_COLUMNS: Final = (
    "sync",
    "members",
    "add",
    "update",
    "remove",
    "because of",
    "unchanged",
    "left out",
    "requests",
    "at least",
)
_WORDS: Final = ("sync", "because of", "left out")


def document(plans: Sequence[Plan], errors: Mapping[str, str]) -> str:
    """The plans as JSON; the same inputs give the same bytes. ``apply --plan`` reads it."""
    listed = [
        {
            **dataclasses.asdict(plan),
            "as_of": plan.as_of.isoformat(),
            "changes": plan.changes,
            **{f"{change}s": plan.count(change) for change in Change},
        }
        for plan in plans
    ]
    return json.dumps({"plans": listed, "errors": dict(errors)}, indent=2, sort_keys=True) + "\n"


def table(plans: Sequence[Plan]) -> Table:
    """The plans as a table for a terminal."""
    made = Table(title="Plan: what would be sent now", title_justify="left")
    for name in _COLUMNS:
        made.add_column(name, justify="left" if name in _WORDS else "right")
    for plan in plans:
        made.add_row(*_cells(plan))
    return made


def notes(plan: Plan) -> list[str]:
    """What a table has no room for, a sentence each."""
    said = []
    if plan.deferred:
        waiting = ", ".join(f"{n} {key.replace(':', ' because of ')}" for key, n in
                            sorted(plan.deferred.items()))  # fmt: skip
        said.append(f"{plan.sync}: paced, for later runs: {waiting}")
    if len(plan.terms) > 1:
        sizes = ", ".join(f"{segment} {n}" for segment, n in plan.terms.items())
        said.append(f"{plan.sync}: segments of the audience: {sizes}")
    said += censored(plan.sync, plan.censored)
    said += [f"{plan.sync}: refused by {f.guard}: {f.message}" for f in plan.refused]
    if plan.refused:
        said.append(
            f"{plan.sync}: to send it all the same: python -m syncs apply {plan.sync} "
            f"--approve {plan.plan_id}"
        )
    return said


def censored(sync: str, segments: Mapping[str, Sequence[str]]) -> list[str]:
    """What is said of a sync's left-censored segments, by the reason."""
    return [
        f"{sync}: left-censored, so who bought before may be wrong: {', '.join(named)} ({why})"
        for why, named in segments.items()
    ]


def markdown(plans: Sequence[Plan], errors: Mapping[str, str]) -> str:
    """The plans for a pull request."""
    lines = ["### What would be sent now", ""]
    lines.append("| " + " | ".join((*_COLUMNS, "plan")) + " |")
    lines.append("|" + "|".join("---" if name in _WORDS else "---:" for name in _COLUMNS) + "|---|")
    lines += [f"| {' | '.join((*_cells(p), f'`{p.plan_id}`'))} |" for p in plans]
    said = [note for plan in plans for note in notes(plan)]
    said += [f"{name}: {problem}" for name, problem in sorted(errors.items())]
    return "\n".join([*lines, *([""] if said else []), *(f"- {note}" for note in said)]) + "\n"


def _cells(plan: Plan) -> tuple[str, ...]:
    causes = {cause: plan.count(cause=cause) for cause in Cause}
    return (
        plan.sync,
        str(plan.members),
        str(plan.count(Change.ADD) + plan.count(Change.EVENT)),
        str(plan.count(Change.UPDATE)),
        str(plan.count(Change.REMOVE)),
        ", ".join(f"{n} {cause}" for cause, n in causes.items() if n) or "-",
        str(plan.unchanged),
        ", ".join(f"{n} {reason}" for reason, n in plan.left_out.items()) or "-",
        str(plan.requests),
        f"{plan.seconds:g} s",
    )
