"""Who is in a custom audience: add, remove, replace, remove everywhere."""

import sqlite3
from collections.abc import Iterable

from syncs.sandbox.calls import Call, JsonObject, Reply, json_reply
from syncs.sandbox.config import Settings
from syncs.sandbox.facebook.payload import Member, Upload, read_payload
from syncs.sandbox.facebook.problems import refuse, refuse_html
from syncs.sandbox.facebook.sessions import REPLACE, SESSION_SECONDS, Batch, Sessions
from syncs.sandbox.facebook.standing import REPLACING, Standings, refusal
from syncs.sandbox.store import Store


class Members:
    """The members of every audience; nobody can read them back."""

    def __init__(self, store: Store, settings: Settings, sessions: Sessions) -> None:
        self._store = store
        self._settings = settings
        self._sessions = sessions
        self._standings = Standings(store.connection, settings)

    def add_or_method(self, call: Call) -> Reply:
        """Adds, unless the caller spells a removal as a POST with `method=DELETE`."""
        if str(call.parameters.get("method", "")).upper() == "DELETE":
            return self.remove(call)
        return self._change(call, "add")

    def remove(self, call: Call) -> Reply:
        """Removes; refused as a whole when too few would be left."""
        return self._change(call, "remove")

    def _change(self, call: Call, kind: str) -> Reply:
        key = call.params["audience"]
        audience = self._audience(call, key)
        given = call.parameters
        upload = read_payload(given.get("payload"), value_based=bool(audience["is_value_based"]))
        if call.now < audience["replacing_until"]:
            raise refuse(2650, "A replacement is in progress", subcode=1870145)
        if kind == "remove":
            self._check_size(upload)
        self._keep_style(key, audience["style"], upload)
        batch = self._sessions.open(
            call, given.get("session"), upload, account=audience["account"], target=key, kind=kind
        )
        if not batch.dropped and kind == "add":
            self._insert(key, upload.members)
        elif not batch.dropped:
            self._delete_checked(key, upload.members)
        self._touch(key, call.now)
        return _answer({"audience_id": key}, upload, batch)

    def replace(self, call: Call) -> Reply:
        """Empties the audience with batch 1 of a session, then fills it batch by batch."""
        key = call.params["audience"]
        audience = self._audience(call, key)
        given = call.parameters
        upload = read_payload(given.get("payload"), value_based=bool(audience["is_value_based"]))
        session = given.get("session")
        if not isinstance(session, dict):
            raise refuse(100, "(#100) Missing parameter(s): session")
        busy = call.now < audience["replacing_until"]
        if busy and audience["replacing_session"] != str(session.get("session_id")):
            raise refuse(2650, "A replacement is in progress", subcode=1870145)
        batch = self._sessions.open(
            call, session, upload, account=audience["account"], target=key, kind=REPLACE
        )
        connection = self._store.connection
        if batch.sequence == 1:
            connection.execute("delete from facebook_members where audience_id = ?", (key,))
        self._keep_style(key, audience["style"], upload)
        self._insert(key, upload.members)
        until = batch.started + SESSION_SECONDS
        if batch.last:
            until = call.now + self._settings.config.facebook_replace_seconds
        connection.execute(
            "update facebook_audiences set replacing_until = ?, replacing_session = ? where id = ?",
            (until, batch.session_id, key),
        )
        self._touch(key, call.now)
        return _answer({"account_id": audience["account"]}, upload, batch)

    def remove_everywhere(self, call: Call) -> Reply:
        """Removes people from every audience of the account: the call for an opt-out.

        One audience that holds some of them and takes no change refuses the whole call.
        """
        account = call.params["account"]
        given = call.parameters
        upload = read_payload(given.get("payload"), value_based=False)
        self._check_size(upload)
        batch = self._sessions.open(
            call,
            given.get("session"),
            upload,
            account=account,
            target=f"act_{account}",
            kind="remove_everywhere",
        )
        audiences = self._store.connection.execute(
            "select id, replacing_until > ? from facebook_audiences where account = ?",
            (call.now, account),
        ).fetchall()
        for key, replacing in audiences:
            code = self._standings.forced(key, call.now) or (REPLACING if replacing else None)
            refused = refusal(code)
            if self._delete_checked(key, upload.members) and refused:
                raise refused
        return _answer({"account_id": account}, upload, batch)

    def _audience(self, call: Call, key: str) -> JsonObject:
        row = self._store.connection.execute(
            "select account, style, is_value_based, replacing_until, replacing_session"
            " from facebook_audiences where id = ?",
            (key,),
        ).fetchone()
        if row is None:
            raise refuse(100, f"Unsupported {call.method.lower()} request", subcode=33)
        refused = refusal(self._standings.forced(key, call.now))
        if refused:
            raise refused
        names = ("account", "style", "is_value_based", "replacing_until", "replacing_session")
        return dict(zip(names, row, strict=True))

    def _keep_style(self, key: str, style: str | None, upload: Upload) -> None:
        if style not in {None, upload.style}:
            message = f"(#2650) The audience holds {style}, the upload is {upload.style}"
            raise refuse(2650, message)
        self._store.connection.execute(
            "update facebook_audiences set style = ? where id = ?", (upload.style, key)
        )

    def _insert(self, key: str, members: Iterable[Member]) -> None:
        self._store.connection.executemany(
            "insert into facebook_members (audience_id, key, email, phone, extern_id, madid)"
            " values (?, ?, ?, ?, ?, ?) on conflict (audience_id, key)"
            " do update set extern_id = excluded.extern_id",
            [(key, m.key, m.email, m.phone, m.extern_id, m.madid) for m in members],
        )

    def _check_size(self, upload: Upload) -> None:
        most = self._settings.config.facebook_most_removed_rows
        if most is not None and upload.received > most:
            raise refuse_html()

    def _delete_checked(self, key: str, members: Iterable[Member]) -> int:
        connection = self._store.connection
        before = _count(connection, key)
        for column, rows in _grouped(members).items():
            connection.executemany(
                f"delete from facebook_members where audience_id = ? and {column} = ?",
                [(key, value) for value in rows],
            )
        after = _count(connection, key)
        if after < before and after < self._settings.config.facebook_minimum_members:
            message = "The audience would become too small"
            raise refuse(200, message, subcode=1870047, status=403)
        return before - after

    def _touch(self, key: str, now: float) -> None:
        self._store.connection.execute(
            "update facebook_audiences set updated = ? where id = ?", (now, key)
        )


def _grouped(members: Iterable[Member]) -> dict[str, list[str | bytes]]:
    """What to look for in which column: the e-mail, else the phone, else what there is."""
    found: dict[str, list[str | bytes]] = {}
    for member in members:
        for column in ("email", "phone", "extern_id", "madid", "key"):
            value = getattr(member, column)
            if value:
                found.setdefault(column, []).append(value)
                break
    return found


def _count(connection: sqlite3.Connection, key: str) -> int:
    (held,) = connection.execute(
        "select count(*) from facebook_members where audience_id = ?", (key,)
    ).fetchone()
    return int(held)


def _answer(subject: JsonObject, upload: Upload, batch: Batch) -> Reply:
    content = {
        **subject,
        "session_id": batch.session_id,
        "num_received": batch.received,
        "num_invalid_entries": upload.invalid,
        "invalid_entry_samples": upload.samples,
    }
    target = str(subject.get("audience_id", subject.get("account_id", "")))
    return json_reply(200, content, rows=upload.received, target=target)
