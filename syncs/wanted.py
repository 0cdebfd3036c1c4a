"""Who a sync wants at its destination, and with what: the published half of a plan, as SQL.

One row for each person of the audience (or each entry, for events), and where they are not sent,
the reason: ``left_out``. A row refers to its customer by ``ref`` and carries hashes only; texts are
made when they are sent, so a plan of millions stays small.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from syncs.errors import PublishedDataError
from syncs.records import Shape
from syncs.spec import AnySpec, Audience, AudienceSpec, Constant, EventSpec, ProfileSpec, nearest
from syncs.sql import literal
from syncs.workspace import Workspace


@dataclass(frozen=True)
class Properties:
    """A spec's properties as SQL over a published customer ``c`` with its ``flags``.

    Attributes:
        filled: JSON object of the properties that have a value.
        refilled: the same for somebody who was told something before: where the destination
            cannot unset, a value that is gone becomes false or "none".
        empty: JSON list of the names that have none.
        absent: for each property, whether it has no value.
        left_filled: the constant object for somebody who left.
        left_empty: the constant list of names to unset for somebody who left.
        flags: memberships among the values, by the name of the column that holds them.
    """

    filled: str = "'{}'"
    refilled: str = "'{}'"
    empty: str = "'[]'"
    absent: dict[str, str] = field(default_factory=dict)
    left_filled: str = "{}"
    left_empty: str = "[]"
    flags: dict[str, str] = field(default_factory=dict)

    @property
    def flag_columns(self) -> str:
        """The flags by name, to carry from one table to the next; starts with a comma."""
        return "".join(f', "{name}"' for name in self.flags)


def check_names(spec: AnySpec, work: Workspace) -> None:
    """See that every segment and column a spec names is published.

    Raises:
        PublishedDataError: one is unknown (with the nearest known word) or unavailable.
    """
    words = _words(spec)
    named = set(spec.segments)
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


def censored(spec: AnySpec, work: Workspace) -> dict[str, list[str]]:
    """The left-censored segments that a spec names, also as a property, by the reason."""
    found: dict[str, list[str]] = {}
    for name in sorted({*spec.segments, *_words(spec)} & work.censored.keys()):
        found.setdefault(work.censored[name], []).append(name)
    return found


def _words(spec: AnySpec) -> list[str]:
    """The columns and segments that the properties of a spec name."""
    if isinstance(spec, AudienceSpec):
        return []
    return [value for value in spec.properties.values() if isinstance(value, str)]


def _check_columns(names: Sequence[str], work: Workspace) -> None:
    for name in names:
        if name not in work.columns:
            known = [*work.columns, *work.segments]
            message = f"no published column {name!r}{nearest(name, known)}"
            raise PublishedDataError(message)


def members_sql(audience: str | Audience) -> str:
    """SQL of the customer keys in an audience, each once."""
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
        return Properties()
    filled, refilled, empty = [], [], []
    absences: dict[str, str] = {}
    flags: dict[str, str] = {}
    left_filled: dict[str, object] = {}
    left_empty: list[str] = []
    for name, source in spec.properties.items():
        value, kind = _value(source, work, flags)
        key = json.dumps(name)
        absent = {"BOOLEAN": "false", "VARCHAR": "'none'"}.get(kind)
        again = f"coalesce({value}, {absent})" if absent and not shape.can_unset else value
        filled.append(f"{literal(key + ':')} || cast(to_json({value}) as varchar)")
        refilled.append(f"{literal(key + ':')} || cast(to_json({again}) as varchar)")
        empty.append(f"case when {value} is null then {literal(key)} end")
        absences[name] = f"{value} is null"
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
        absent=absences,
        left_filled=json.dumps(left_filled, separators=(",", ":")),
        left_empty=json.dumps(left_empty, separators=(",", ":")),
        flags=flags,
    )


def _value(source: str | Constant, work: Workspace, flags: dict[str, str]) -> tuple[str, str]:
    """SQL of a property over ``c``, and its type; adds what it needs to ``flags``."""
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
    flags[f"in {source}"] = (
        "customer_key in (from pub.main.segment_members select customer_key "
        f"where segment = '{source}')"
    )
    return f'"in {source}"', "BOOLEAN"


def people_sql(
    spec: AnySpec,
    shape: Shape,
    properties: Properties,
    before: str,
    flags_before: Mapping[str, str],
    *,
    among: str = "true",
) -> str:
    """SQL of everybody in the audience of a state sync, with the reason why not where there is one.

    ``silent`` marks people of whom there is nothing to say; ``told`` is the fingerprint to compare
    with when they were told something before; ``before`` is what an earlier mapping says of them.
    ``among``, over a published customer ``c``, leaves out people who are not of interest.
    """
    flags = _flags({**flags_before, **properties.flags})
    silent = "filled = '{}'" if isinstance(spec, ProfileSpec) else "false"
    everyone = not isinstance(spec.audience, Audience)
    members = "" if everyone else f"and customer_key in ({members_sql(spec.audience)})"
    told = "fingerprint" if properties.refilled == properties.filled else "marked(refilled || gone)"
    return f"""
    select ref, row_key, fingerprint, {told} as told, {before} as before, bytes, silent,
        customer_key, case {_reasons(spec, shape)} end as left_out{properties.flag_columns}
    from (
        select *, keyed(key) as row_key, marked(filled || gone) as fingerprint, {silent} as silent,
            cast(strlen(filled) + strlen(gone) + strlen(key) as integer) as bytes
        from (
            select c.*, {shape.key} as key, {properties.filled} as filled,
                {properties.refilled} as refilled, {properties.empty} as gone
            from (
                select rowid as ref, *{flags} from pub.main.customers as c
                where {among} {members}
            ) as c
        ) as c
    ) as c"""


def _flags(flags: Mapping[str, str]) -> str:
    return "".join(f', {sql} as "{name}"' for name, sql in flags.items())


def _reasons(spec: AnySpec, shape: Shape) -> str:
    consent = {"email": "c.email_consent", "sms": "c.sms_consent"}.get(spec.requires_consent)
    suppressed = {shape.channel, spec.requires_consent} & {"email", "sms", "ads"}
    flags = " or ".join(f"c.{channel}_suppressed" for channel in sorted(suppressed))
    reasons = [f"when {flags} then 'suppressed'"]
    if consent:
        reasons.append(f"when {consent} is distinct from 'subscribed' then 'no_consent'")
    reasons += [
        f"when key is null and {shape.source} is null then 'no_identifier'",
        "when key is null then 'invalid_identifier'",
    ]
    return " ".join(reasons)


def entries_sql(spec: EventSpec, shape: Shape, properties: Properties, work: Workspace) -> str:
    """SQL of the period edges that are young enough to be events, and of those too old by now.

    Too old are edges younger than ``$since`` (the first run of the sync): nobody ran it in time.
    """
    edge = f"{spec.event.on}_on"
    names = ", ".join(f"'{name}'" for name in spec.entered)
    oldest = spec.event.horizon
    as_of = f"date '{work.publication.as_of}'"
    out = spec.audience.none_of if isinstance(spec.audience, Audience) else ()
    out_names = ", ".join(f"'{name}'" for name in out) or "null"
    mark = "" if spec.event.on == "entered" else " || '#exited'"
    flags = _flags(properties.flags)
    return f"""
    with entries as (
        select customer_key, segment, {edge} as happened_on,
            {as_of} - {edge} > {spec.event.max_age_days} as is_history,
            {as_of} - {edge} > {oldest} as is_too_old,
            segment || '@' || cast({edge} as varchar){mark} as subject
        from pub.main.segment_periods
        where segment in ({names}) and {edge} <= {as_of}
            and ({as_of} - {edge} <= {oldest} or {edge} >= $since)
            and customer_key not in (
                select customer_key from pub.main.segment_members where segment in ({out_names}))
    ),
    named as (
        select c.*, p.* exclude (customer_key), {shape.key} as key
        from entries as p
        join (select rowid as ref, *{flags} from pub.main.customers) as c using (customer_key)
    ),
    judged as (
        select *, keyed(key || '|' || subject) as row_key, case {_reasons(spec, shape)} end
            as left_out
        from named as c
    )
    select ref, row_key, customer_key, alias_of(customer_key) as customer, subject, segment,
        happened_on, is_history, is_too_old{properties.flag_columns},
        marked({properties.filled} || {properties.empty}) as fingerprint,
        cast(strlen({properties.filled}) + strlen(key) as integer) as bytes,
        case when left_out is null and row_number() over (
            partition by key, subject, left_out is null
            order by last_order_on desc nulls last, customer_key
        ) > 1 then 'duplicate_identifier' else left_out end as left_out
    from judged as c"""
