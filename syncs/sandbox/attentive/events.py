"""Attentive's custom events: every accepted call is one event, however often it is sent."""

import json
import re
from datetime import datetime

from syncs.sandbox.attentive.people import know_person, read_user
from syncs.sandbox.attentive.problems import read_body, refuse
from syncs.sandbox.calls import Call, Reply
from syncs.sandbox.store import Store

JOURNEY_SECONDS = 12 * 3_600
_FORBIDDEN_IN_TYPE = re.compile(r"[\"'(){}\[\]\\|,]")
_FORBIDDEN_IN_KEYS = re.compile(r"[\"{}\[\]\\|]")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Events:
    """The account's custom events."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, call: Call) -> Reply:
        """Stores one event; it starts journeys unless it is more than 12 hours old."""
        body = read_body(
            call,
            frozenset({"type", "user"}),
            frozenset({"type", "user", "properties", "externalEventId", "occurredAt"}),
        )
        kind = body["type"]
        if not isinstance(kind, str) or not kind or _FORBIDDEN_IN_TYPE.search(kind):
            raise refuse(400, f"Invalid event type: {kind}")
        properties = body.get("properties", {})
        if not isinstance(properties, dict):
            raise refuse(400, "properties must be an object")
        bad = [key for key in properties if not key or _FORBIDDEN_IN_KEYS.search(key)]
        if bad:
            raise refuse(400, f"Invalid property name: {bad[0]}")
        external_id = body.get("externalEventId")
        if "externalEventId" in body and (not isinstance(external_id, str) or not external_id):
            raise refuse(400, "Invalid externalEventId")
        occurred_at = _occurred_at(body["occurredAt"]) if "occurredAt" in body else call.now
        connection = self._store.connection
        person = know_person(connection, read_user(body["user"]))
        connection.execute(
            "insert into attentive_events (person, type, external_id, occurred_at, received_at,"
            " starts_journey, properties) values (?, ?, ?, ?, ?, ?, ?)",
            (
                person,
                kind,
                external_id,
                occurred_at,
                call.now,
                call.now - occurred_at <= JOURNEY_SECONDS,
                json.dumps(properties),
            ),
        )
        return Reply(200, rows=1)


def _occurred_at(value: object) -> float:
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            pass
    raise refuse(400, f"occurredAt must be RFC 3339 with an offset: {value}")
