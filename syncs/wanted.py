"""Who a sync wants at its destination, and with what: the published half of a plan, as SQL.

One row for each person of the audience (or each entry, for events) with identifier, properties and,
where they are not sent, the reason: ``left_out``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from syncs.errors import PublishedDataError
from syncs.records import Shape
from syncs.spec import AnySpec, Audience, AudienceSpec, Constant, EventSpec, ProfileSpec, nearest
from syncs.sql import literal
from syncs.workspace import Workspace


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


def check_names(spec: AnySpec, work: Workspace) -> None:
    """See that every segment and column a spec names is published.

    Raises:
        PublishedDataError: one is unknown (with the nearest known word) or unavailable.
    """
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


def properties_of(spec: AnySpec, shape: Shape, work: Workspace) -> Properties:
    """The properties of a spec as SQL over a published customer ``c``."""
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
        filled.append(f"{literal(key + ':')} || cast(to_json({value}) as varchar)")
        refilled.append(f"{literal(key + ':')} || cast(to_json({again}) as varchar)")
        empty.append(f"case when {value} is null then {literal(key)} end")
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
            return literal(source.value), "VARCHAR"
        return json.dumps(source.value), "BOOLEAN" if isinstance(source.value, bool) else "DOUBLE"
    if source in work.columns:
        kind = work.columns[source]
        column = f'c."{source}"'
        if kind in ("DOUBLE", "FLOAT"):
            column = f"case when isfinite({column}) then {column} end"
        return column, kind
    member = f"(c.customer_key in (from pub.main.segment_members select customer_key where segment = '{source}'))"  # noqa: E501
    return member, "BOOLEAN"


def wanted_sql(spec: AnySpec, shape: Shape, properties: Properties, work: Workspace) -> str:
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
