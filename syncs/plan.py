"""The plan: published ⟂ ledger, set-based, before the first request and without one.

``build`` leaves the temp table ``planned`` behind, one row for each person or event to send, and
returns the counts. What a customer's row becomes, in order: member of the audience → may be
contacted on the channel → has a valid identifier → has something to say → differs from what the
destination acknowledged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date

from syncs.destinations.base import tightest
from syncs.guards import judge
from syncs.ledger import FOLD
from syncs.records import Plan, Shape
from syncs.spec import AnySpec, AudienceSpec, EventSpec, ProfileSpec
from syncs.sql import literal
from syncs.wanted import Properties, check_names, properties_of, wanted_sql
from syncs.workspace import Workspace

# A refused row is tried again when it changes, and else once a week.
RETRY_REFUSED_DAYS = 7


def build(spec: AnySpec, shape: Shape, work: Workspace, *, today: date) -> Plan:
    """Compute the plan of one sync. Needs ``pub`` and ``ledger`` attached; sends nothing.

    Args:
        spec: the sync.
        shape: how its destination wants rows.
        work: the workspace; temp tables of an earlier plan are replaced.
        today: decides which refused rows are due again.

    Raises:
        PublishedDataError: a segment or column that the spec names is unknown or unavailable.
    """
    check_names(spec, work)
    con = work.con
    con.execute(f"create or replace temp view known as {KNOWN}")
    properties = properties_of(spec, shape, work)
    con.execute(
        f"create or replace temp table wanted as {wanted_sql(spec, shape, properties, work)}"
    )
    if isinstance(spec, EventSpec):
        con.execute(f"create or replace temp table planned as {_EVENT_DIFF}", {"sync": spec.name})
        return _summary(spec, shape, work)
    due = date.fromordinal(today.toordinal() - RETRY_REFUSED_DAYS + 1)
    given = {"sync": spec.name, "due": due, "keeps": shape.keeps_identifier}
    con.execute(f"create or replace temp table planned as {_STATE_DIFF}", given)
    if isinstance(spec, AudienceSpec):
        _add_sharers_again(spec, work)
    elif _tells_leavers(spec, properties):
        _find_leavers(spec, shape, properties, work)
    else:
        con.execute("delete from planned where operation = 'remove'")
    return _summary(spec, shape, work)


KNOWN = f"""
with folded as ({FOLD})
select sync, row_key, customer, subject, operation, state, delivered, attempted, vendor_row,
    has_left, updated_at, run_id in (select run_id from ledger.runs where status = 'stopped')
        as run_was_stopped
from ledger.rows as r
where not exists (from folded as f where f.sync = r.sync and f.row_key = r.row_key)
union all by name
select sync, row_key, customer, subject, operation, state, delivered, attempted, vendor_row,
    has_left, updated_at, false as run_was_stopped
from folded
where not (has_left and vendor_row is not null and state in ('accepted', 'confirmed'))
"""

_STATE_DIFF = """
with held as (select * from known where sync = $sync),
compared as (
    select
        coalesce(w.row_key, h.row_key) as row_key,
        coalesce(w.customer, h.customer) as customer,
        case when w.row_key is null then 'remove' else 'upsert' end as operation,
        case
            when w.row_key is null then
                case when h.delivered is null or h.has_left then null
                    when h.operation = 'remove' and h.state in ('rejected', 'unknown') then 'retry'
                    else 'left' end
            when h.row_key is null then 'new'
            when h.delivered = w.fingerprint and not h.has_left then null
            when h.state = 'skipped' then 'recheck'
            when h.state = 'rejected' and h.attempted = w.fingerprint and h.updated_at > $due
                and not h.run_was_stopped then null
            when h.state in ('rejected', 'unknown', 'held') and h.attempted = w.fingerprint
                then 'retry'
            when h.delivered is null then 'new'
            else 'changed'
        end as cause,
        coalesce(w.fingerprint, 'left') as fingerprint,
        coalesce(w.identifier, h.vendor_row) as identifier,
        w.properties, w.unset
    from (from wanted where left_out is null) as w
    full outer join held as h on h.row_key = w.row_key
)
select row_key, customer, cast(null as varchar) as subject, operation, cause, fingerprint,
    identifier, coalesce(properties, '{}') as properties, coalesce(unset, '[]') as unset,
    cast(null as varchar) as segment, cast(null as date) as happened_on, false as is_history,
    case when $keeps then identifier end as vendor_row, cast(null as integer) as aside
from compared where cause is not null
"""

_EVENT_DIFF = """
-- Unanswered and uncertain is sent again: the destination drops what it already has. Unanswered
-- and nothing delivered means it promises no such thing, and a person decides.
with held as (
    select *,
        state in ('accepted', 'confirmed') or (state = 'unknown' and delivered is null) as done
    from known where sync = $sync
),
by_key as (select row_key, any_value(state) as state from held where not done group by all),
-- The same entry of the same customer under another address, or of two customers who turned out
-- to be one, is still the same entry.
done_keys as (select row_key from held where done),
done_customers as (select distinct customer, subject from held where done),
aliases as (
    select distinct w.row_key from wanted as w
    join pub.main.customer_identities as i using (customer_key)
    where keyed(i.id_value || '|' || w.subject) in (select row_key from done_keys)
)
select w.row_key, w.customer, w.subject, 'event' as operation,
    case when k.row_key is null then 'new' when k.state = 'skipped' then 'recheck'
        else 'retry' end as cause,
    w.fingerprint, w.identifier, w.properties, w.unset, w.segment, w.happened_on, w.is_history,
    cast(null as varchar) as vendor_row, cast(null as integer) as aside
from wanted as w
left join by_key as k using (row_key)
left join done_customers as c on c.customer = w.customer and c.subject = w.subject
where w.left_out is null and c.customer is null
    and w.row_key not in (select row_key from done_keys union all select row_key from aliases)
"""


def _tells_leavers(spec: AnySpec, properties: Properties) -> bool:
    if isinstance(spec, ProfileSpec):
        says_something = (properties.left_filled, properties.left_empty) != ("{}", "[]")
        return spec.when_left != "keep" and says_something
    return True


def _find_leavers(spec: AnySpec, shape: Shape, properties: Properties, work: Workspace) -> None:
    """Give leavers their identifier back: the ledger has only its keyed hash.

    Every address a customer ever had is published, so a changed e-mail is found, too.
    """
    leavers = work.con.execute("select 1 from planned where operation = 'remove' limit 1")
    if leavers.fetchone() is None:
        return
    kind = "phone" if "phone" in next(iter(spec.identify_by)) else "email"
    old = shape.identifier.replace(shape.source, "c.id_value").replace("c.country", "null")
    work.con.execute(
        f"""update planned set identifier = i.identifier, properties = $filled, unset = $empty
        from (
            select identifier, keyed(identifier) as row_key from (
                select {shape.identifier} as identifier from pub.main.customers as c
                union
                select {old} from pub.main.customer_identities as c where c.id_type = $kind
            ) where identifier is not null
        ) as i
        where operation = 'remove' and planned.row_key = i.row_key""",
        {"filled": properties.left_filled, "empty": properties.left_empty, "kind": kind},
    )
    # Reported once; it stays open in the ledger and goes out when the identifier is known again.
    work.con.execute(
        "delete from planned where operation = 'remove' and identifier is null and row_key in "
        "(select row_key from known where sync = ? and state = 'held')",
        [spec.name],
    )


def _add_sharers_again(spec: AudienceSpec, work: Workspace) -> None:
    """Add whoever stays again after a removal of somebody with the same e-mail or phone.

    The destination finds a person by either, so the removal may have met the one who stays.
    """
    keys = list(spec.identify_by)
    strong = [keys.index(key) for key in ("EMAIL", "PHONE") if key in keys]
    shared = " or ".join(
        f"json_extract_string(w.identifier, '$[{i}]') in (select json_extract_string(identifier, "
        f"'$[{i}]') as cell from planned where operation = 'remove' and cell <> '')"
        for i in strong
    )
    work.con.execute(
        f"""insert into planned by name
        select row_key, customer, subject, 'upsert' as operation, 'shared' as cause, fingerprint,
            identifier, properties, unset, false as is_history, identifier as vendor_row
        from wanted as w
        where left_out is null and row_key not in (select row_key from planned) and ({shared})"""
    )


def _summary(spec: AnySpec, shape: Shape, work: Workspace) -> Plan:
    con = work.con
    counts = dict(
        con.execute(
            "select operation || ':' || cause, count(*) from planned group by all order by all"
        ).fetchall()
    )
    left_out = dict(
        con.execute(
            "select left_out, count(*) from wanted where left_out is not null "
            "group by all order by all"
        ).fetchall()
    )
    if isinstance(spec, EventSpec):
        left_out |= _too_old(spec, work)
    members, delivered, digest = con.execute(
        """select (select count(*) from wanted where left_out is null),
            (select count(*) from known where sync = $sync and delivered is not null
                and not has_left),
            (select coalesce(cast(bit_xor(md5_number(row_key || operation || cause || fingerprint))
                as varchar), '') from planned)""",
        {"sync": spec.name},
    ).fetchone() or (0, 0, "")
    batches = con.execute(
        f"select coalesce(sum(ceil(n / {shape.batch_rows}.0)), 0) from "
        "(select count(*) as n from planned where cause <> 'recheck' group by operation)"
    ).fetchone()
    requests = int(batches[0]) if batches else 0
    limit = tightest(shape.limits)
    material = json.dumps([spec.model_dump(mode="json"), counts, digest], sort_keys=True)
    plan = Plan(
        sync=spec.name,
        destination=spec.destination,
        plan_id=hashlib.sha256(material.encode()).hexdigest()[:16],
        as_of=work.publication.as_of,
        counts=counts,
        left_out=left_out,
        members=int(members),
        delivered=int(delivered),
        unchanged=0 if isinstance(spec, EventSpec) else _unchanged(counts, int(members)),
        requests=requests,
        seconds=round(requests * limit.seconds / limit.count, 1),
    )
    return judge(plan, spec, vanished=_vanished(spec, work) if delivered else ())


def _vanished(spec: AnySpec, work: Workspace) -> list[str]:
    """Properties that nobody in the audience has a value for."""
    if not isinstance(spec, ProfileSpec):
        return []
    checks = ", ".join(
        f"bool_and(contains(unset, {literal(json.dumps(name))}))" for name in spec.properties
    )
    row = work.con.execute(f"select {checks} from wanted where told_before").fetchone()
    return [name for name, gone in zip(spec.properties, row or (), strict=True) if gone]


def _unchanged(counts: Mapping[str, int], members: int) -> int:
    return members - sum(n for key, n in counts.items() if key.startswith("upsert:"))


def _too_old(spec: EventSpec, work: Workspace) -> dict[str, int]:
    edge = f"{spec.event.on}_on"
    names = ", ".join(f"'{name}'" for name in spec.entered)
    oldest = max(spec.event.max_age_days, spec.event.backfill_days or 0)
    row = work.con.execute(
        f"select count(*) from pub.main.segment_periods where segment in ({names}) "
        f"and date '{work.publication.as_of}' - {edge} > {oldest}"
    ).fetchone()
    return {"too_old": int(row[0])} if row and row[0] else {}
