"""Klaviyo's events and metrics: taken in one by one or in bulk, deduplicated, read back."""

import json
import re
import secrets
import uuid

from syncs.sandbox.calls import Call, JsonObject, Operation, Reply
from syncs.sandbox.config import Settings
from syncs.sandbox.klaviyo import queries
from syncs.sandbox.klaviyo.bodies import read_document
from syncs.sandbox.klaviyo.checks import as_object, instant
from syncs.sandbox.klaviyo.event_checks import Event, read_event, read_profile
from syncs.sandbox.klaviyo.problems import document, problem, refuse, timestamp
from syncs.sandbox.klaviyo.profiles import IdentityConflictError, Roster, UnknownProfileError
from syncs.sandbox.store import Store

MAX_EVENTS = 1_000
_BLOCKS = "/data/attributes/events-bulk-create/data"
_TEST_DOMAINS = ("@example.com", "@test.com")
_EQUALS = frozenset({"equals"})
_COMPARISONS = {
    "greater-than": ">",
    "greater-or-equal": ">=",
    "less-than": "<",
    "less-or-equal": "<=",
}


class Events:
    """The account's events and metrics."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def operations(self) -> tuple[Operation, ...]:
        """The endpoints of events and metrics."""
        events = re.compile("/api/events/?")
        bulk = re.compile("/api/event-bulk-create-jobs/?")
        metrics = re.compile("/api/metrics/?")
        return (
            Operation("create_event", "POST", events, True, self.create),
            Operation("bulk_create_events", "POST", bulk, True, self.create_many),
            Operation("get_events", "GET", events, False, self.listing),
            Operation("get_metrics", "GET", metrics, False, self.metrics),
        )

    def create(self, call: Call) -> Reply:
        """One event; a repeated unique_id is accepted and ignored."""
        read = read_event(
            read_document(call, "event"),
            "/data/attributes",
            profile=None,
            backfill=False,
            now=call.now,
        )
        if isinstance(read, list):
            raise refuse(read)
        self._record([read], call.now)
        return Reply(202, rows=1)

    def create_many(self, call: Call) -> Reply:
        """Up to 1,000 events, all or none, answered by 202 without a body or a job."""
        attributes = read_document(call, "event-bulk-create-job")
        holder = as_object(
            attributes.get("events-bulk-create"), "/data/attributes/events-bulk-create"
        )
        if isinstance(holder, list):
            raise refuse(holder)
        blocks = holder.get("data")
        if not isinstance(blocks, list) or not blocks:
            raise refuse([problem("At least one event is required.", pointer=_BLOCKS)])
        events: list[Event] = []
        problems: list[JsonObject] = []
        for index, block in enumerate(blocks):
            read, found = _read_block(block, f"{_BLOCKS}/{index}", call.now)
            events += read
            problems += found
            rejected = call.rule is not None and any(call.rule.rejects(e.email) for e in read)
            if rejected and call.rule is not None:
                pointer = f"{_BLOCKS}/{index}/attributes/profile/data/attributes/email"
                named = call.rule.form == "pointer"
                problems.append(
                    problem("Invalid email address", pointer=pointer if named else None)
                )
        if len(events) > MAX_EVENTS:
            problems = [problem(f"At most {MAX_EVENTS} events.", pointer=_BLOCKS)]
        if not problems:
            problems = self._repeated(events, call.now)
        if problems:
            raise refuse(problems)
        self._record(events, call.now)
        return Reply(202, rows=len(events))

    def _repeated(self, events: list[Event], now: float) -> list[JsonObject]:
        """A unique_id given twice for one profile and metric fails the whole request."""
        roster = Roster(self._store.connection, [e.profile for e in events], now)
        seen: set[tuple[str, str, str]] = set()
        for event in events:
            try:
                profile, _ = roster.upsert(event.profile, nulls_clear=False)
            except (IdentityConflictError, UnknownProfileError):
                continue
            key = (profile.id, event.metric, event.unique_id)
            if key in seen:
                return [problem("unique_id is repeated in this request.", pointer=_BLOCKS)]
            seen.add(key)
        return []

    def _record(self, events: list[Event], now: float) -> None:
        if self._settings.config.klaviyo_drop_test_domains:
            events = [e for e in events if not e.email.lower().endswith(_TEST_DOMAINS)]
        connection = self._store.connection
        roster = Roster(connection, [e.profile for e in events], now)
        metrics = self._metric_ids({e.metric for e in events}, now)
        rows = []
        for event in events:
            try:
                profile, _ = roster.upsert(event.profile, nulls_clear=False)
            except (IdentityConflictError, UnknownProfileError):
                # Validation is over: what cannot be placed is lost without a word.
                continue
            profile.last_event = max(profile.last_event or 0.0, event.at)
            rows.append(
                (
                    str(uuid.uuid4()), profile.id, metrics[event.metric], event.unique_id,
                    event.at, event.value, event.currency, json.dumps(event.properties),
                    event.backfill,
                ),
            )  # fmt: skip
        roster.save()
        connection.executemany(
            "insert into klaviyo_events (id, profile_id, metric_id, unique_id, at, value,"
            " currency, properties, backfill) values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " on conflict (profile_id, metric_id, unique_id) do nothing",
            rows,
        )

    def _metric_ids(self, names: set[str], now: float) -> dict[str, str]:
        connection = self._store.connection
        connection.executemany(
            "insert into klaviyo_metrics (id, name, created) values (?, ?, ?)"
            " on conflict (name) do nothing",
            [(secrets.token_hex(3), name, now) for name in sorted(names)],
        )
        found = connection.execute(
            "select name, id from klaviyo_metrics where name in (select value from json_each(?))",
            (json.dumps(sorted(names)),),
        )
        return dict(found.fetchall())

    def listing(self, call: Call) -> Reply:
        """Events, newest first, of one metric or one profile or since a time."""
        queries.check_parameters(call, frozenset({"filter", "page[size]", "page[cursor]"}))
        wanted = queries.parse_filter(
            call,
            {
                "metric_id": _EQUALS,
                "profile_id": _EQUALS,
                "datetime": frozenset(_COMPARISONS),
            },
        )
        where, values = "true", []
        if wanted is not None and wanted.field == "datetime":
            at = instant(wanted.values[0])
            if at is None:
                raise refuse([problem("Invalid filter provided.", parameter="filter")])
            where, values = f"at {_COMPARISONS[wanted.operator]} ?", [str(at)]
            where = where.replace("?", "cast(? as real)")
        elif wanted is not None:
            where, values = f"{wanted.field} = ?", [wanted.values[0]]
        size, offset = queries.page_size(call, 200, 1_000), queries.page_offset(call)
        connection = self._store.connection
        (total,) = connection.execute(
            f"select count(*) from klaviyo_events where {where}", values
        ).fetchone()
        rows = connection.execute(
            "select id, profile_id, metric_id, unique_id, at, value, properties"
            f" from klaviyo_events where {where} order by at desc, number limit ? offset ?",
            (*values, size, offset),
        ).fetchall()
        data = [_event_resource(call, row) for row in rows]
        links = queries.page_links(call, offset, len(data), total)
        return document(200, {"data": data, "links": links}, rows=len(data))

    def metrics(self, call: Call) -> Reply:
        """Every metric, 200 a page; there is no filter by name."""
        queries.check_parameters(call, frozenset({"page[cursor]"}))
        offset = queries.page_offset(call)
        connection = self._store.connection
        (total,) = connection.execute("select count(*) from klaviyo_metrics").fetchone()
        rows = connection.execute(
            "select id, name, created from klaviyo_metrics order by number limit 200 offset ?",
            (offset,),
        ).fetchall()
        data = [
            {
                "type": "metric",
                "id": key,
                "attributes": {
                    "name": name,
                    "created": timestamp(created),
                    "updated": timestamp(created),
                    "integration": {"object": "integration", "name": "API", "category": "API"},
                },
                "links": {"self": f"{call.base}/api/metrics/{key}/"},
            }
            for key, name, created in rows
        ]
        links = queries.page_links(call, offset, len(data), total)
        return document(200, {"data": data, "links": links})


def _read_block(block: object, pointer: str, now: float) -> tuple[list[Event], list[JsonObject]]:
    if not isinstance(block, dict) or block.get("type") != "event-bulk-create":
        return [], [problem("'type' must be 'event-bulk-create'.", pointer=f"{pointer}/type")]
    at = f"{pointer}/attributes"
    attributes = as_object(block.get("attributes"), at)
    if isinstance(attributes, list):
        return [], attributes
    found = [
        problem(f"'{name}' is not allowed here.", pointer=f"{at}/{name}")
        for name in attributes.keys() - {"profile", "events", "backfill"}
    ]
    profile = read_profile(attributes.get("profile"), f"{at}/profile")
    if isinstance(profile, list):
        return [], found + profile
    holder = attributes.get("events")
    items = holder.get("data") if isinstance(holder, dict) else None
    if not isinstance(items, list) or not items:
        return [], [*found, problem("At least one event.", pointer=f"{at}/events/data")]
    events: list[Event] = []
    for index, item in enumerate(items):
        place = f"{at}/events/data/{index}"
        if not isinstance(item, dict) or item.get("type") != "event":
            found.append(problem("'type' must be 'event'.", pointer=f"{place}/type"))
            continue
        read = read_event(
            item.get("attributes"),
            f"{place}/attributes",
            profile=profile,
            backfill=attributes.get("backfill") is True,
            now=now,
        )
        if isinstance(read, list):
            found += read
        else:
            events.append(read)
    return events, found


def _event_resource(
    call: Call, row: tuple[str, str, str, str, int, float | None, str]
) -> JsonObject:
    key, profile_id, metric_id, unique_id, at, value, properties = row
    shown = {"$event_id": unique_id, **json.loads(properties)}
    if value is not None:
        shown["$value"] = value
    return {
        "type": "event",
        "id": key,
        "attributes": {
            "timestamp": at,
            "datetime": timestamp(at),
            "uuid": key,
            "event_properties": shown,
        },
        "relationships": {
            "profile": {"data": {"type": "profile", "id": profile_id}},
            "metric": {"data": {"type": "metric", "id": metric_id}},
        },
        "links": {"self": f"{call.base}/api/events/{key}/"},
    }
