"""What a plan reads of the publication, as numbers: has it changed, does it still say something?"""

from __future__ import annotations

from datetime import datetime

import duckdb

from syncs.spec import AnySpec, Audience, AudienceSpec, EventSpec
from syncs.wanted import Properties
from syncs.workspace import Workspace

_ALWAYS = ("customer_key", "country", "last_order_on", "email_consent", "sms_consent",
           "email_suppressed", "sms_suppressed", "ads_suppressed")  # fmt: skip


def digest(spec: AnySpec, work: Workspace, recipe: int) -> str:
    """One text for everything that decides what a state sync wants; empty for events.

    Equal texts mean equal wishes. It is a sum of hashes over all rows: a scan, no comparison.
    """
    if isinstance(spec, EventSpec):
        return ""
    words: list[object] = list(spec.identify_by.values())
    if not isinstance(spec, AudienceSpec):
        words += list(spec.properties.values())
    named = [word for word in words if isinstance(word, str)]
    columns = [name for name in (*_ALWAYS, *named) if name in work.columns]
    segments = {*spec.segments, *(word for word in named if word not in work.columns)}
    listed = ", ".join(f"'{name}'" for name in sorted(segments)) or "null"
    quoted = ", ".join(f'"{name}"' for name in dict.fromkeys(columns))
    row = work.con.execute(
        f"""select
            (select sum(cast(hash({quoted}) as hugeint)) from pub.main.customers),
            (select count(*) from pub.main.customers),
            (select sum(cast(hash(segment, customer_key) as hugeint)) from pub.main.segment_members
                where segment in ({listed}))"""
    ).fetchone()
    # The hash is DuckDB's own and may be another one in another version.
    return "/".join(map(str, (duckdb.__version__, recipe, *(row or ()))))


def spoken(spec: AnySpec, properties: Properties, work: Workspace) -> tuple[str, ...]:
    """The properties that at least one published customer has a value for."""
    if isinstance(spec, AudienceSpec) or not properties.absent:
        return ()
    flags = "".join(f', {sql} as "{name}"' for name, sql in properties.flags.items())
    checks = ", ".join(f"not bool_and({sql})" for sql in properties.absent.values())
    row = work.con.execute(
        f"select {checks} from (select *{flags} from pub.main.customers) as c"
    ).fetchone()
    return tuple(name for name, has in zip(properties.absent, row or (), strict=True) if has)


def jumps(spec: AnySpec, work: Workspace) -> list[tuple[str, int, int, int]]:
    """How far each segment of an audience moved on the last day, beside its own history.

    Returns:
        For each segment with at least 28 days of history: name, people who entered or left on the
        as-of date, the most on any of the 90 days before, members.
    """
    if not isinstance(spec.audience, Audience) or "segment_sizes" not in work.tables:
        return []
    names = ", ".join(f"'{name}'" for name in spec.segments)
    as_of = f"date '{work.publication.as_of}'"
    rows = work.con.execute(
        f"""select segment, coalesce(max(moved) filter (where day = {as_of}), 0),
            coalesce(max(moved) filter (where day < {as_of}), 0),
            coalesce(max(members) filter (where day = {as_of}), 0)
        from (select *, greatest(entered, exited) as moved from pub.main.segment_sizes)
        where segment in ({names}) and day > {as_of} - 91 and day <= {as_of}
        group by segment having count(*) > 28 order by segment"""
    ).fetchall()
    return [(str(segment), int(today), int(most), int(size)) for segment, today, most, size in rows]


def term_sizes(spec: AnySpec, work: Workspace) -> dict[str, int]:
    """Members of each segment that an audience names."""
    names = ", ".join(f"'{name}'" for name in spec.segments)
    if not names:
        return {}
    found = dict(
        work.con.execute(
            f"select segment, count(*) from pub.main.segment_members where segment in ({names}) "
            "group by segment"
        ).fetchall()
    )
    return {name: int(found.get(name, 0)) for name in dict.fromkeys(spec.segments)}


def entries_too_old(spec: EventSpec, work: Workspace) -> int:
    """Edges of an event's segments that are too old to be sent."""
    names = ", ".join(f"'{name}'" for name in spec.entered)
    row = work.con.execute(
        f"select count(*) from pub.main.segment_periods where segment in ({names}) "
        f"and date '{work.publication.as_of}' - {spec.event.on}_on > {spec.event.horizon}"
    ).fetchone()
    return int(row[0]) if row else 0


def customers(work: Workspace) -> int:
    """How many customers are published."""
    row = work.con.execute("select count(*) from pub.main.customers").fetchone()
    return int(row[0]) if row else 0


def age_hours(work: Workspace, now: datetime) -> float:
    """Hours since the publication was made."""
    return (now - work.publication.published_at).total_seconds() / 3600
