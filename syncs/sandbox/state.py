"""What each vendor now holds, in numbers and never in people."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from syncs.sandbox.attentive.vendor import TEXTING
from syncs.sandbox.store import SCHEMA, state_file

# A property with more values than this is no flag and no short list: its values stay unnamed.
MAX_NAMED_VALUES = 12
MAX_VALUE_LENGTH = 40
_ADDRESS = re.compile(r"@|\d{7,}")


@dataclass(frozen=True, slots=True)
class Values:
    """How often a property or attribute is set.

    Attributes:
        name: Its name at the vendor.
        people: People who have it.
        values: How many people have which value, the most frequent first; empty when there are
            many values, or when one of them might be an address.
    """

    name: str
    people: int
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class EventCount:
    """Events of one metric or type; `quiet` ones can start no flow or journey."""

    name: str
    total: int
    quiet: int


@dataclass(frozen=True, slots=True)
class KlaviyoState:
    """Klaviyo: `pending_jobs` are imports that were accepted and are not applied yet."""

    profiles: int
    properties: tuple[Values, ...]
    events: tuple[EventCount, ...]
    jobs: int
    pending_jobs: int
    failed_rows: int


@dataclass(frozen=True, slots=True)
class AttentiveState:
    """Attentive: `texting_calls` counts calls that could have sent a text and must be 0."""

    people: int
    attributes: tuple[Values, ...]
    events: tuple[EventCount, ...]
    texting_calls: int


@dataclass(frozen=True, slots=True)
class Audience:
    """A Facebook audience and its members."""

    id: str
    name: str
    members: int


@dataclass(frozen=True, slots=True)
class FacebookState:
    """Facebook."""

    audiences: tuple[Audience, ...]


@dataclass(frozen=True, slots=True)
class RequestCount:
    """Calls of one operation with one status; None is a call that got no answer."""

    vendor: str
    operation: str
    method: str
    writes: bool
    status: int | None
    throttled: bool
    count: int


@dataclass(frozen=True, slots=True)
class SandboxState:
    """All three vendors and the calls they served."""

    klaviyo: KlaviyoState
    attentive: AttentiveState
    facebook: FacebookState
    requests: tuple[RequestCount, ...]


def describe(home: Path) -> SandboxState:
    """Reads what the vendors of a home folder hold; the server may run or not.

    Imports that were accepted but are not due yet count as pending, not as profiles.

    Args:
        home: Folder of the deployment.
    """
    path = state_file(home)
    if not path.exists():
        with closing(sqlite3.connect(":memory:")) as empty:
            empty.executescript(SCHEMA)
            return read_state(empty)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
        return read_state(connection)


def read_state(connection: sqlite3.Connection) -> SandboxState:
    """What the vendors hold, from a connection to their state."""
    return SandboxState(
        klaviyo=_klaviyo(connection),
        attentive=_attentive(connection),
        facebook=_facebook(connection),
        requests=_requests(connection),
    )


def _one(connection: sqlite3.Connection, sql: str, *values: object) -> int:
    (count,) = connection.execute(sql, values).fetchone()
    return int(count)


def _requests(connection: sqlite3.Connection) -> tuple[RequestCount, ...]:
    columns = "vendor, operation, method, writes, status, throttled"
    rows = connection.execute(
        f"select {columns}, count(*) from requests group by {columns} order by {columns}"
    ).fetchall()
    return tuple(
        RequestCount(vendor, operation, method, bool(writes), status, bool(throttled), count)
        for vendor, operation, method, writes, status, throttled, count in rows
    )


def _klaviyo(connection: sqlite3.Connection) -> KlaviyoState:
    return KlaviyoState(
        profiles=_one(connection, "select count(*) from klaviyo_profiles"),
        properties=_values(
            connection,
            "select key as name, type as kind, value from klaviyo_profiles,"
            " json_each(klaviyo_profiles.properties)",
        ),
        events=tuple(
            EventCount(name, total, quiet)
            for name, total, quiet in connection.execute(
                "select m.name, count(*), sum(e.backfill) from klaviyo_events e"
                " join klaviyo_metrics m on m.id = e.metric_id group by m.name order by m.name"
            ).fetchall()
        ),
        jobs=_one(connection, "select count(*) from klaviyo_jobs"),
        pending_jobs=_one(connection, "select count(*) from klaviyo_jobs where done is null"),
        failed_rows=_one(connection, "select coalesce(sum(failed), 0) from klaviyo_jobs"),
    )


def _attentive(connection: sqlite3.Connection) -> AttentiveState:
    return AttentiveState(
        people=_one(connection, "select count(*) from attentive_people"),
        attributes=_values(
            connection,
            "select name, json_type(attentive_attributes.value) as kind,"
            " json_extract(attentive_attributes.value, '$') as value from attentive_attributes",
        ),
        events=tuple(
            EventCount(name, total, quiet)
            for name, total, quiet in connection.execute(
                "select type, count(*), sum(not starts_journey) from attentive_events"
                " group by type order by type"
            ).fetchall()
        ),
        texting_calls=_one(
            connection,
            "select count(*) from requests where vendor = 'attentive' and operation = ?",
            TEXTING,
        ),
    )


def _facebook(connection: sqlite3.Connection) -> FacebookState:
    rows = connection.execute(
        "select a.id, a.name, (select count(*) from facebook_members m where m.audience_id = a.id)"
        " from facebook_audiences a order by a.name, a.number"
    ).fetchall()
    return FacebookState(tuple(Audience(*row) for row in rows))


def _values(connection: sqlite3.Connection, source: str) -> tuple[Values, ...]:
    """Counts by name, and by value where the values are few and short.

    Args:
        connection: To the state.
        source: Query of one row a person and name, with `name`, `kind` and `value`.
    """
    totals = connection.execute(
        f"with source as ({source}), named as (select name, case kind when 'true' then 'true'"
        " when 'false' then 'false' else cast(value as text) end as value from source),"
        " counted as (select name, value, count(*) as people,"
        " count(*) over (partition by name) as distinct_values,"
        " row_number() over (partition by name order by count(*) desc, value) as place"
        " from named group by name, value)"
        " select name, sum(people) over (partition by name), distinct_values, value, people, place"
        " from counted order by name, place"
    )
    found: dict[str, Values] = {}
    kept: dict[str, list[tuple[str, int]]] = {}
    for name, people, distinct, value, count, place in totals:
        if place == 1:
            found[name] = Values(name, people, ())
            kept[name] = []
        if distinct <= MAX_NAMED_VALUES:
            kept[name].append((value, count))
    return tuple(
        Values(name, held.people, tuple(kept[name]) if _nameable(kept[name]) else ())
        for name, held in found.items()
    )


def _nameable(values: list[tuple[str, int]]) -> bool:
    return all(len(value) <= MAX_VALUE_LENGTH and not _ADDRESS.search(value) for value, _ in values)
