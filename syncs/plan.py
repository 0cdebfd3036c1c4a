"""The plan: published ⟂ ledger, set-based, before the first request and without one.

``build`` leaves the table ``planned`` behind, one row for each person or event to send, and returns
the counts. What a customer's row becomes, in order: member of the audience → may be contacted on
the channel → has a valid identifier → has something to say → differs from what the destination
acknowledged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncs import diff, inputs, past
from syncs.causes import why
from syncs.destinations.base import tightest
from syncs.guards import Facts, judge
from syncs.ledger import Ledger
from syncs.ledger_layout import UNCERTAIN
from syncs.past import Past
from syncs.records import LOOKED_AT, Cause, Plan, Shape
from syncs.spec import AnySpec, AudienceSpec, EventSpec, ProfileSpec
from syncs.wanted import Properties, censored, check_names, properties_of
from syncs.workspace import Workspace


@dataclass(frozen=True)
class Built:
    """A plan with what is needed to carry it out.

    Attributes:
        plan: the counts; the rows are in the table ``planned``.
        properties: SQL of what is said.
        recipe: how rows are made now.
        past: what to remember once the plan is carried out.
    """

    plan: Plan
    properties: Properties
    recipe: int
    past: Past


def build(spec: AnySpec, shape: Shape, work: Workspace, ledger: Ledger, *, now: datetime) -> Built:
    """Compute the plan of one sync. Needs ``pub`` and ``ledger`` attached; sends nothing.

    Args:
        spec: the sync.
        shape: how its destination wants rows.
        work: the workspace; tables of an earlier plan are replaced.
        ledger: what the destination account acknowledged.
        now: UTC; decides which refused rows are due again and how old the publication is.

    Raises:
        PublishedDataError: a segment or column that the spec names is unknown or unavailable.
    """
    check_names(spec, work)
    if spec.renamed_from:
        ledger.adopt(spec.renamed_from, spec.name)
    ledger.know()
    before = past.read(ledger.objects(spec.name).get(past.NAME))
    mapping = past.mapping_of(spec)
    recipe = past.recipe_of(mapping, shape)
    properties = properties_of(spec, shape, work)
    today = work.publication.as_of.isoformat()
    after = Past(
        mapping=mapping,
        rules=work.publication.rules,
        as_of=today,
        first_as_of=before.first_as_of if before else today,
        spoken=inputs.spoken(spec, properties, work),
        digest=inputs.digest(spec, work, recipe),
    )
    deferred: Mapping[str, int] = {}
    if before and after.digest and before.digest == after.digest and not _open(spec, work, now):
        # Nothing that is read differs and nothing is owed: there is nothing to compare.
        diff.nothing(work)
        after = replace(after, members=before.members, left_out=before.left_out)
    else:
        if isinstance(spec, EventSpec):
            diff.events(spec, shape, properties, before, work)
        else:
            reasons = why(spec, shape, work, before, recipe)
            diff.state(spec, shape, properties, reasons, work, recipe=recipe, now=now)
            if isinstance(spec, AudienceSpec):
                diff.add_sharers_again(shape, work)
            elif _tells_leavers(spec, properties):
                diff.find_leavers(spec, shape, work)
            else:
                work.con.execute("delete from planned where operation = 'remove'")
        deferred = _pace(spec, work)
        members, left_out = _audience(spec, work)
        after = replace(after, members=members, left_out=left_out)
    if deferred and before:
        # Until the last row is through, what is new is still new.
        after = replace(after, mapping=before.mapping, rules=before.rules, digest="")
    plan = _counted(spec, shape, work, after, deferred)
    facts = Facts(
        customers=inputs.customers(work),
        age_hours=inputs.age_hours(work, now),
        vanished=_vanished(spec, before, after),
        jumps=inputs.jumps(spec, work),
    )
    return Built(judge(plan, spec, facts), properties, recipe, after)


def _open(spec: AnySpec, work: Workspace, now: datetime) -> bool:
    """Whether a row of the sync waits for anything but a change of its inputs."""
    due = now - timedelta(days=spec.reconcile.refresh_days or 100_000)
    row = work.con.execute(
        f"""select exists (from known where sync = $sync and (
            state not in ('accepted', 'confirmed') or delivered = {UNCERTAIN}
            or updated_at < $due))""",
        {"sync": spec.name, "due": due},
    ).fetchone()
    return bool(row and row[0])


def _tells_leavers(spec: ProfileSpec, properties: Properties) -> bool:
    says_something = (properties.left_filled, properties.left_empty) != ("{}", "[]")
    return spec.when_left != "keep" and says_something


def _pace(spec: AnySpec, work: Workspace) -> dict[str, int]:
    """Leave what exceeds the spec's pace for later runs; returns how much of what."""
    if spec.pace is None:
        return {}
    con = work.con
    con.execute(
        f"""create or replace table later as
        select row_key, change, cause from planned where cause in ('{Cause.MAPPING}',
            '{Cause.RULE}') and operation <> 'event' order by row_key offset {spec.pace}"""
    )
    con.execute("delete from planned where row_key in (select row_key from later)")
    return _by_cause(work, "later")


def _by_cause(work: Workspace, table: str) -> dict[str, int]:
    return dict(
        work.con.execute(
            f"select change || ':' || cause, count(*) from {table} group by all order by all"
        ).fetchall()
    )


def _audience(spec: AnySpec, work: Workspace) -> tuple[int, dict[str, int]]:
    """Who can be sent, and who cannot, by reason."""
    where = "not is_too_old" if isinstance(spec, EventSpec) else "ref is not null"
    rows = work.con.execute(
        f"select left_out, count(*) from wanted where {where} group by all order by all"
    ).fetchall()
    left_out = {str(reason): int(n) for reason, n in rows if reason is not None}
    if isinstance(spec, EventSpec) and (too_old := inputs.entries_too_old(spec, work)):
        left_out["too_old"] = too_old
    return sum(int(n) for reason, n in rows if reason is None), left_out


def _counted(
    spec: AnySpec,
    shape: Shape,
    work: Workspace,
    after: Past,
    deferred: Mapping[str, int],
) -> Plan:
    con = work.con
    counts = _by_cause(work, "planned")
    delivered, digest = con.execute(
        """select (select count(*) from known where sync = $sync and delivered is not null
                and not has_left),
            (select coalesce(sum(cast(hash(row_key, operation, cause, fingerprint) as hugeint)), 0)
                from planned)""",
        {"sync": spec.name},
    ).fetchone() or (0, 0)
    sent = con.execute(
        "select coalesce(sum(ceil(n / $rows)), 0) from (select count(*) as n from planned "
        "where cause not in (select unnest($looked_at)) group by operation)",
        {"rows": float(shape.batch_rows), "looked_at": list(LOOKED_AT)},
    ).fetchone()
    requests = int(sent[0]) if sent else 0
    limit = tightest(shape.limits)
    material = json.dumps(
        [spec.model_dump(mode="json"), counts, str(digest), dict(deferred)], sort_keys=True
    )
    touched = sum(n for key, n in (*counts.items(), *deferred.items()) if _stays(key))
    return Plan(
        sync=spec.name,
        destination=spec.destination,
        plan_id=hashlib.sha256(material.encode()).hexdigest()[:16],
        as_of=work.publication.as_of,
        counts=counts,
        left_out=after.left_out,
        members=after.members,
        delivered=int(delivered),
        unchanged=0 if isinstance(spec, EventSpec) else after.members - touched,
        requests=requests,
        seconds=round(requests * limit.seconds / limit.count, 1),
        deferred=deferred,
        terms=inputs.term_sizes(spec, work),
        censored=censored(spec, work),
    )


def _stays(key: str) -> bool:
    return key.split(":", maxsplit=1)[0] in ("add", "update")


def _vanished(spec: AnySpec, before: Past | None, after: Past) -> Sequence[str]:
    """Properties that had a value for somebody at the last complete run and have none now."""
    if before is None or not isinstance(spec, ProfileSpec):
        return ()
    return [
        name
        for name, source in before.mapping.get("properties", {}).items()
        if name in before.spoken
        and name not in after.spoken
        and after.mapping["properties"].get(name) == source
    ]
