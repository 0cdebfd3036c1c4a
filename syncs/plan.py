"""The plan: published ⟂ ledger, set-based, before the first request and without one.

``build`` leaves the temp table ``planned`` behind, one row for each person or event to send, and
returns the counts. What a customer's row becomes, in order: member of the audience → may be
contacted on the channel → has a valid identifier → has something to say → differs from what the
destination acknowledged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from syncs.destinations.base import tightest
from syncs.errors import PublishedDataError
from syncs.guards import judge
from syncs.ledger import FOLD
from syncs.records import Plan, Shape
from syncs.spec import (
    AnySpec,
    Audience,
    AudienceSpec,
    Constant,
    EventSpec,
    ProfileSpec,
    nearest,
)
from syncs.workspace import Workspace

# A refused row is tried again when it changes, and else once a week.
RETRY_REFUSED_DAYS = 7

# JSON around one row, in bytes, on top of its identifier and properties.
_ROW_OVERHEAD = 256


@dataclass(frozen=True)
class Properties:
    """A spec's properties as SQL.

    Attributes:
        filled: JSON object of the properties that have a value, over a customer ``c``.
        refilled: the same for somebody who was told something before: where the destination
            cannot unset, a value that is gone becomes false or "none".
        empty: JSON list of the names that have none.
        left_filled: the constant object for somebody who left.
        left_empty: the constant list of names to unset for somebody who left.
    """

    filled: str
    refilled: str
    empty: str
    left_filled: str
    left_empty: str


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
    _check_segments(spec, work)
    con = work.con
    con.execute(f"create or replace temp view known as {KNOWN}")
    properties = _properties(spec, shape, work)
    con.execute(f"create or replace temp table wanted as {_wanted(spec, shape, properties, work)}")
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


def assign_batches(shape: Shape, work: Workspace) -> int:
    """Make ``plan_rows``: ``planned`` with batch numbers from 1; returns how many batches.

    Rows that were set aside (column ``aside``) keep their number below 1.
    """
    requests = max(1, shape.ledger_rows // shape.batch_rows)
    most_bytes = shape.batch_bytes * requests
    # Rows of like size fill a batch evenly; one that still is too large is cut by its own bytes.
    work.con.execute(
        f"""create or replace temp table plan_rows as
        with sized as (
            select *, {_OPERATION_ORDER} as rank,
                strlen(identifier) + strlen(properties) + strlen(unset) + {_ROW_OVERHEAD} as bytes,
                row_number() over (partition by operation order by is_history, row_key) as position
            from planned where aside is null
        ),
        chunked as (
            select *, (position - 1) // (
                select least({shape.ledger_rows}, greatest(1, cast(0.95 * {most_bytes} / avg(bytes)
                    as bigint))) from sized) as chunk
            from sized
        ),
        cut as (
            select *, sum(bytes) over (
                partition by operation, chunk order by position rows unbounded preceding
            ) // {most_bytes} as part
            from chunked
        )
        select * exclude (rank, bytes, position, chunk, part),
            cast(dense_rank() over (order by rank, chunk, part) as integer) as batch
        from cut
        union all by name
        select *, aside as batch from planned where aside is not null
        order by batch, row_key"""
    )
    row = work.con.execute("select coalesce(max(batch), 0) from plan_rows").fetchone()
    return max(0, int(row[0])) if row else 0


_OPERATION_ORDER = "case operation when 'remove' then 0 when 'upsert' then 1 else 2 end"

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


def _check_segments(spec: AnySpec, work: Workspace) -> None:
    named = set(spec.segments)
    if not isinstance(spec, AudienceSpec):
        words = [v for v in spec.properties.values() if isinstance(v, str)]
        named |= {word for word in words if word not in work.columns and word in work.segments}
        _check_columns([w for w in words if w not in work.segments], work)
    _check_columns(list(spec.identify_by.values()), work)
    for segment in sorted(named):
        if segment not in work.segments:
            message = f"no segment {segment!r}{nearest(segment, work.segments)}"
            raise PublishedDataError(message)
        if segment in work.unavailable:
            message = (
                f"segment {segment!r} is unavailable ({work.unavailable[segment]}); "
                "the destination is left as it is"
            )
            raise PublishedDataError(message)


def _check_columns(names: Sequence[str], work: Workspace) -> None:
    for name in names:
        if name not in work.columns:
            known = [*work.columns, *work.segments]
            message = f"no published column {name!r}{nearest(name, known)}"
            raise PublishedDataError(message)


def _members(audience: str | Audience) -> str:
    """SQL of the customer keys in an audience."""
    if not isinstance(audience, Audience):
        return "select customer_key from pub.main.customers"

    def of(segments: Sequence[str]) -> str:
        names = ", ".join(f"'{name}'" for name in segments)
        return f"from pub.main.segment_members where segment in ({names})"

    terms = []
    if audience.any_of:
        terms.append(f"select distinct customer_key {of(audience.any_of)}")
    if audience.all_of:
        terms.append(
            f"select customer_key {of(audience.all_of)} group by customer_key "
            f"having count(distinct segment) = {len(set(audience.all_of))}"
        )
    members = " intersect ".join(f"({term})" for term in terms)
    if audience.none_of:
        members += f" except (select customer_key {of(audience.none_of)})"
    return members


def _properties(spec: AnySpec, shape: Shape, work: Workspace) -> Properties:
    if isinstance(spec, AudienceSpec):
        return Properties("'{}'", "'{}'", "'[]'", "{}", "[]")
    filled, refilled, empty = [], [], []
    left_filled: dict[str, object] = {}
    left_empty: list[str] = []
    for name, source in spec.properties.items():
        value, kind = _value(source, work)
        key = json.dumps(name)
        absent = {"BOOLEAN": "false", "VARCHAR": "'none'"}.get(kind)
        again = f"coalesce({value}, {absent})" if absent and not shape.can_unset else value
        filled.append(f"{_text(key + ':')} || cast(to_json({value}) as varchar)")
        refilled.append(f"{_text(key + ':')} || cast(to_json({again}) as varchar)")
        empty.append(f"case when {value} is null then {_text(key)} end")
        if isinstance(spec, ProfileSpec) and spec.when_left == "set_false" and kind == "BOOLEAN":
            left_filled[name] = False
        elif shape.can_unset:
            left_empty.append(name)
        elif kind == "VARCHAR":
            left_filled[name] = "none"
    return Properties(
        filled=f"'{{' || concat_ws(',', {', '.join(filled)}) || '}}'",
        refilled=f"'{{' || concat_ws(',', {', '.join(refilled)}) || '}}'",
        empty=f"'[' || concat_ws(',', {', '.join(empty)}) || ']'",
        left_filled=json.dumps(left_filled, separators=(",", ":")),
        left_empty=json.dumps(left_empty, separators=(",", ":")),
    )


def _value(source: str | Constant, work: Workspace) -> tuple[str, str]:
    """SQL of a property over ``c``, and its type."""
    if isinstance(source, Constant):
        if isinstance(source.value, str):
            return _text(source.value), "VARCHAR"
        return json.dumps(source.value), "BOOLEAN" if isinstance(source.value, bool) else "DOUBLE"
    if source in work.columns:
        kind = work.columns[source]
        column = f'c."{source}"'
        if kind in ("DOUBLE", "FLOAT"):
            column = f"case when isfinite({column}) then {column} end"
        return column, kind
    member = f"(c.customer_key in (from pub.main.segment_members select customer_key where segment = '{source}'))"  # noqa: E501
    return member, "BOOLEAN"


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


def _wanted(spec: AnySpec, shape: Shape, properties: Properties, work: Workspace) -> str:
    """SQL of everybody in the audience, with the reason why not where there is one."""
    consent = {"email": "c.email_consent", "sms": "c.sms_consent"}.get(spec.requires_consent)
    suppressed = {shape.channel, spec.requires_consent} & {"email", "sms", "ads"}
    flags = " or ".join(f"c.{channel}_suppressed" for channel in sorted(suppressed))
    reasons = [f"when {flags} then 'suppressed'"]
    if consent:
        reasons.append(f"when {consent} is distinct from 'subscribed' then 'no_consent'")
    reasons += [
        f"when identifier is null and {shape.source} is null then 'no_identifier'",
        "when identifier is null then 'invalid_identifier'",
    ]
    if isinstance(spec, ProfileSpec):
        # Whoever was told something before must hear that it is gone.
        reasons.append("when properties = '{}' and not told_before then 'nothing_to_say'")
    subject = _subject(spec) if isinstance(spec, EventSpec) else "cast(null as varchar)"
    key = "identifier || '|' || subject" if isinstance(spec, EventSpec) else "identifier"
    return f"""
    with people as ({_entries(spec, work) if isinstance(spec, EventSpec) else _members(spec.audience)}),
    named as (
        select c.*, p.* exclude (customer_key), {subject} as subject,
            {shape.identifier} as identifier
        from people as p join pub.main.customers as c using (customer_key)
    ),
    identified as (select *, keyed({key}) as row_key from named),
    shaped as (
        select c.*, t.row_key is not null as told_before, {properties.empty} as unset,
            case when t.row_key is null then {properties.filled} else {properties.refilled} end
                as properties
        from identified as c
        left join (select distinct row_key from known where sync = '{spec.name}'
            and delivered is not null and not has_left) as t on t.row_key = c.row_key
    ),
    judged as (select *, case {" ".join(reasons)} end as left_out from shaped as c),
    ranked as (
        select *, row_number() over (
            partition by identifier, subject, left_out is null
            order by last_order_on desc nulls last, customer_key
        ) as rank
        from judged
    )
    select row_key, customer_key, told_before, keyed(customer_key) as customer, subject,
        keyed(properties || unset) as fingerprint, identifier, properties, unset,
        {"segment, happened_on, is_history," if isinstance(spec, EventSpec) else ""}
        case when left_out is null and rank > 1 then 'duplicate_identifier' else left_out end
            as left_out
    from ranked"""  # noqa: E501


def _subject(spec: EventSpec) -> str:
    edge = "" if spec.event.on == "entered" else " || '#exited'"
    return f"p.segment || '@' || cast(p.happened_on as varchar){edge}"


def _entries(spec: EventSpec, work: Workspace) -> str:
    """SQL of the period edges that are young enough to be events."""
    edge = f"{spec.event.on}_on"
    names = ", ".join(f"'{name}'" for name in spec.entered)
    oldest = max(spec.event.max_age_days, spec.event.backfill_days or 0)
    as_of = f"date '{work.publication.as_of}'"
    out = spec.audience.none_of if isinstance(spec.audience, Audience) else ()
    out_names = ", ".join(f"'{name}'" for name in out) or "null"
    return f"""
        select customer_key, segment, {edge} as happened_on,
            {as_of} - {edge} > {spec.event.max_age_days} as is_history
        from pub.main.segment_periods
        where segment in ({names}) and {edge} <= {as_of} and {as_of} - {edge} <= {oldest}
            and customer_key not in (
                select customer_key from pub.main.segment_members where segment in ({out_names}))"""


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
        f"bool_and(contains(unset, {_text(json.dumps(name))}))" for name in spec.properties
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


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
