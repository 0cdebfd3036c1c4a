"""Upload sessions: batches counted from 1, for at most 90 minutes, with one schema."""

import json
import secrets
from dataclasses import dataclass

from syncs.sandbox.calls import Call, Reply, json_reply
from syncs.sandbox.facebook.parameters import truth, whole_number
from syncs.sandbox.facebook.payload import Upload
from syncs.sandbox.facebook.problems import refuse
from syncs.sandbox.store import Store

SESSION_SECONDS = 90 * 60
MAX_SESSION_ID = 2**63 - 1
REPLACE = "replace"
_MEMBERS = frozenset({"session_id", "batch_seq", "last_batch_flag", "estimated_num_total"})


@dataclass(frozen=True, slots=True)
class Batch:
    """Where a batch stands in its session.

    Attributes:
        session_id: Chosen by the caller, or by us when the call names no session.
        sequence: Number of the batch, from 1.
        last: Whether the caller says no batch follows.
        started: When the session's first batch came, seconds since the epoch.
        received: Rows of the session so far, this batch included.
        dropped: Whether the session is too old: the batch is answered and thrown away.
    """

    session_id: str
    sequence: int
    last: bool
    started: float
    received: int
    dropped: bool


class Sessions:
    """The upload sessions of every ad account."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(
        self, call: Call, given: object, upload: Upload, *, account: str, target: str, kind: str
    ) -> Batch:
        """Books one batch into its session, beginning the session with batch 1.

        Args:
            call: The request.
            given: The `session` parameter; None is a session of one batch.
            upload: The batch.
            account: Ad account; session ids are unique in it.
            target: The audience, or the account for a call on all audiences.
            kind: `add`, `remove`, `replace` or `remove_everywhere`.

        Raises:
            RefusedError: Malformed, out of sequence, of another audience or another schema,
                or already finished.
        """
        session_id, sequence, last = _read_session(given)
        connection = self._store.connection
        row = connection.execute(
            "select target, kind, schema, started, batch_seq, finished, received"
            " from facebook_sessions where account = ? and session_id = ?",
            (account, session_id),
        ).fetchone()
        schema = json.dumps(upload.keys)
        if row is None:
            if sequence != 1:
                _refuse_sequence(kind)
            row = (target, kind, schema, call.now, 0, 0, 0)
        known_target, known_kind, known_schema, started, previous, finished, received = row
        if (known_target, known_kind) != (target, kind):
            raise refuse(100, "(#100) The session belongs to another upload")
        if known_schema != schema:
            raise refuse(100, "(#100) The schema must not change in a session")
        # The same batch may come again when its answer was lost; membership is a set.
        again = sequence == previous
        if finished and not again:
            raise refuse(2650, "The session is already finished", subcode=1870159)
        if kind != REPLACE and not again and sequence != previous + 1:
            _refuse_sequence(kind)
        expired = call.now > started + SESSION_SECONDS
        if expired and kind == REPLACE:
            raise refuse(2650, "The session is over 90 minutes old", subcode=1870158)
        total = received if expired else received + upload.received
        connection.execute(
            "insert or replace into facebook_sessions (account, session_id, target, kind, schema,"
            " started, last_at, batch_seq, finished, received, invalid)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                account, session_id, target, kind, schema, started, call.now, sequence,
                last or bool(finished), total, upload.invalid,
            ),
        )  # fmt: skip
        return Batch(session_id, sequence, last, started, total, expired)

    def listing(self, call: Call) -> Reply:
        """The sessions of an audience, or the one asked for."""
        wanted = call.query.get("session_id")
        rows = self._store.connection.execute(
            "select session_id, started, last_at, finished, received, invalid"
            " from facebook_sessions where target = ? and ? in ('', session_id)"
            " order by started",
            (call.params["audience"], wanted or ""),
        ).fetchall()
        data = [
            {
                "session_id": session_id,
                "stage": "complete" if finished else "uploading",
                "progress": "100" if finished else "0",
                "num_received": str(received),
                "num_matched": "0",
                "num_invalid_entries": str(invalid),
                "start_time": str(int(started)),
                "end_time": str(int(last_at)),
            }
            for session_id, started, last_at, finished, received, invalid in rows
        ]
        return json_reply(200, {"data": data}, target=call.params["audience"])


def _read_session(given: object) -> tuple[str, int, bool]:
    if given is None:
        return str(secrets.randbelow(MAX_SESSION_ID) + 1), 1, True
    if not isinstance(given, dict) or not given.keys() <= _MEMBERS:
        raise refuse(100, "(#100) Param session is malformed")
    session_id = whole_number(given.get("session_id"))
    sequence = whole_number(given.get("batch_seq"))
    last = truth(given.get("last_batch_flag", False))
    if (
        session_id is None
        or not 0 < session_id <= MAX_SESSION_ID
        or not sequence
        or sequence < 0
        or last is None
    ):
        raise refuse(100, "(#100) Param session is malformed")
    return str(session_id), sequence, last


def _refuse_sequence(kind: str) -> None:
    if kind == REPLACE:
        raise refuse(2650, "The first batch is missing", subcode=1870147)
    raise refuse(100, "(#100) batch_seq must begin at 1 and be consecutive")
