"""Attentive's deletion requests: accepted at once, carried out later, asked after by id."""

import math
import uuid
from datetime import UTC, datetime

from syncs.sandbox.attentive.people import User, find_person, is_email, is_phone
from syncs.sandbox.attentive.problems import read_body
from syncs.sandbox.calls import Call, RefusedError, Reply, json_reply
from syncs.sandbox.config import Settings
from syncs.sandbox.store import Store

_SUBJECTS = frozenset({"subjectEmail", "subjectPhone", "clientUserId"})


class Privacy:
    """The account's deletion requests."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._next_due = 0.0

    def forget(self) -> None:
        """Looks for due requests at the next call."""
        self._next_due = 0.0

    def request(self, call: Call) -> Reply:
        """Takes a request to erase one person."""
        body = read_body(call, frozenset(), _SUBJECTS | {"requestMsg"})
        email, phone = body.get("subjectEmail"), body.get("subjectPhone")
        client = body.get("clientUserId")
        if (
            not body.keys() & _SUBJECTS
            or (email is not None and not is_email(email))
            or (phone is not None and not is_phone(phone))
            or (client is not None and not isinstance(client, str))
        ):
            raise _refuse(400, "Must provide one valid subjectEmail, subjectPhone or clientUserId")
        key = str(uuid.uuid4())
        finishes = call.now + self._settings.config.attentive_delete_seconds
        connection = self._store.connection
        person = find_person(connection, User(phone, email, client, ()))
        connection.execute(
            "insert into attentive_deletions (id, person, requested, finishes) values (?, ?, ?, ?)",
            (key, person, call.now, finishes),
        )
        self._next_due = min(self._next_due, finishes)
        return json_reply(200, {"id": key}, rows=1)

    def show(self, call: Call) -> Reply:
        """How far a request is."""
        row = self._store.connection.execute(
            "select requested, finishes, done from attentive_deletions where id = ?",
            (call.params["id"],),
        ).fetchone()
        if row is None:
            raise _refuse(404, "No such request")
        requested, finishes, done = row
        content = {
            "processed": bool(done),
            "processingStartDateTime": _iso(requested),
            "processingEndDateTime": _iso(finishes) if done else None,
        }
        return json_reply(200, content)

    def settle(self, now: float) -> None:
        """Erases the people whose requests are due."""
        if now < self._next_due:
            return
        with self._store.transaction() as connection:
            due = "done = 0 and finishes <= :now"
            gone = f"(select person from attentive_deletions where {due} and person is not null)"
            for table, column in (
                ("attentive_attributes", "person"),
                ("attentive_events", "person"),
                ("attentive_custom_ids", "person"),
                ("attentive_people", "id"),
            ):
                connection.execute(f"delete from {table} where {column} in {gone}", {"now": now})
            connection.execute(
                f"update attentive_deletions set done = 1, person = null where {due}",
                {"now": now},
            )
            (following,) = connection.execute(
                "select min(finishes) from attentive_deletions where done = 0"
            ).fetchone()
        self._next_due = math.inf if following is None else following


def _refuse(status: int, message: str) -> RefusedError:
    return RefusedError(json_reply(status, {"error": message}))


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
