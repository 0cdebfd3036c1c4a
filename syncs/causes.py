"""Why a row is in a plan: the person's own history, a rule, the mapping, consent, an erasure.

Only when rules or mapping differ from those of the last complete run is there a question. Then
whoever had an edge of a segment or an order since that run moved by themselves, and for everybody
else it is the rule, or the mapping. A changed value of somebody delivered under the old mapping is
due to the new one exactly when the old mapping still gives what was delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from syncs import past
from syncs.errors import PublishedDataError
from syncs.past import Past
from syncs.records import Cause, Shape
from syncs.spec import AnySpec, AudienceSpec
from syncs.sql import literal
from syncs.wanted import check_names, properties_of
from syncs.workspace import Workspace

# What of a mapping decides who is in, as opposed to what is said.
_WHO = ("audience", "requires_consent", "identify_by")


@dataclass(frozen=True)
class Why:
    """Causes as SQL over people ``p`` joined with what is held ``h``.

    Attributes:
        came: of somebody who is new.
        changed: of somebody of whom something else is said.
        went: of somebody who is no longer wanted.
        before: mark of what the mapping of the last complete run would say of a customer ``c``
            today; null when that is the mapping of today, 0 when it cannot be known any more.
        flags: memberships that ``before`` needs, by column.
    """

    came: str
    changed: str
    went: str
    before: str = "cast(null as ubigint)"
    flags: Mapping[str, str] = field(default_factory=dict)


def why(spec: AnySpec, shape: Shape, work: Workspace, before: Past | None, recipe: int) -> Why:
    """The causes that are possible now; makes the table ``movers`` when it is needed."""
    mapping = past.mapping_of(spec)
    rules_moved = before is not None and before.rules != work.publication.rules
    who_moved = before is not None and any(
        before.mapping.get(key) != mapping.get(key) for key in _WHO
    )
    who = _otherwise(Cause.MAPPING) if who_moved else _otherwise(Cause.RULE) if rules_moved else ""
    if before is not None and (rules_moved or who_moved):
        _find_movers(work, before)
    said = _otherwise(Cause.RULE) if rules_moved else ""
    earlier: dict[str, Any] = {}
    if before is not None and (old := past.recipe_of(before.mapping, shape)) != recipe:
        said = f"""when h.recipe <> {recipe}
            and (h.recipe <> {old} or p.before in (0, h.delivered)) then '{Cause.MAPPING}' {said}"""
        earlier = _earlier(spec, shape, work, before)
    return Why(
        came=f"case {who} else '{Cause.DATA}' end" if who else literal(Cause.DATA),
        changed=f"case {said} else '{Cause.DATA}' end" if said else literal(Cause.DATA),
        went=f"""case when p.left_out in ('suppressed', 'no_consent') then '{Cause.CONSENT}'
            when h.customer in (select customer from erased_customers) then '{Cause.ERASED}'
            {who} else '{Cause.DATA}' end""",
        **earlier,
    )


def _otherwise(cause: Cause) -> str:
    moved = """coalesce(p.customer_key in (select customer_key from movers),
        h.customer in (select customer from movers))"""
    return f"when not {moved} then '{cause}'"


def _find_movers(work: Workspace, before: Past) -> None:
    work.con.execute(
        """create or replace table movers as
        select customer_key, alias_of(customer_key) as customer from (
            select customer_key from pub.main.segment_periods
            where entered_on > $day or exited_on > $day
            union select customer_key from pub.main.customers where last_order_on > $day
        )""",
        {"day": before.day},
    )


def _earlier(spec: AnySpec, shape: Shape, work: Workspace, before: Past) -> dict[str, Any]:
    earlier = past.earlier_spec(spec, before)
    unknown = {"before": "cast(0 as ubigint)"}
    if earlier is None or isinstance(earlier, AudienceSpec):
        return unknown
    try:
        check_names(earlier, work)
    except PublishedDataError:
        return unknown
    properties = properties_of(earlier, shape, work)
    return {
        "before": f"marked({properties.refilled} || {properties.empty})",
        "flags": properties.flags,
    }
