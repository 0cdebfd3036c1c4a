"""Facebook about single people: out of every customer-list audience of the ad account at once.

Facts this module rests on: members cannot be read back, so a removal that was taken is all there is
to know; the payload travels in the body of the DELETE, hashed; one refused audience (too small,
being replaced, flagged) refuses the whole request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Final

from syncs.destinations.facebook_audiences import describe
from syncs.destinations.facebook_graph import (
    BUSY,
    FLAGGED,
    SIZE_FLOOR,
    Graph,
    error_of,
    judged,
    named,
    number,
)
from syncs.destinations.people import (
    NOBODY_NAMED,
    AudienceState,
    Erasure,
    ErasureState,
    Identifiers,
)
from syncs.errors import AnswerLostError, StoppedError
from syncs.transport import Fate, Response, Verdict

Cells = tuple[str, str]

# 10,000 are allowed; large removals are what times out, and everybody here can wait.
_ROWS: Final = 1_000
_PARTLY: Final = (2650, 1870148)
_OPEN: Final = {
    SIZE_FLOOR: "an audience would become too small",
    BUSY: "an audience is being replaced",
    _PARTLY: "an audience was changed in part",
    FLAGGED: "an audience was flagged for policy",
}


class FacebookPeople:
    """The people in the audiences of one ad account, and the audiences themselves.

    Args:
        graph: the ad account.
        run_id: unique for ever; upload sessions are numbered from it.
    """

    def __init__(self, graph: Graph, *, run_id: str) -> None:
        self._graph = graph
        self._run_id = run_id
        self._session = 0

    async def describe(self, object_id: str) -> AudienceState:
        """How one audience is doing."""
        return await describe(self._graph, object_id)

    async def erase(self, person: Identifiers) -> Erasure:
        """Remove the person from all audiences of the account; done once it was taken.

        Each identifier is a row of its own: an e-mail in a row hides the phone beside it. Somebody
        else who shares an identifier leaves with them and has to be added again.
        """
        return await self.remove(cells_of(person))

    async def remove(self, cells: Sequence[Cells]) -> Erasure:
        """Remove hashed ``(EMAIL, PHONE)`` rows, of which each has one empty cell.

        For those of whom nothing but the hashes is left. Stops at the first refusal; asking again
        for what was already removed is harmless.
        """
        erasure = NOBODY_NAMED
        for start in range(0, len(cells), _ROWS):
            erasure = await self._remove(cells[start : start + _ROWS])
            if erasure.state is ErasureState.OPEN:
                break
        return erasure

    async def erased(self, reference: str, _person: Identifiers) -> bool:
        """True when the removal was taken, within 24 hours of which Facebook carries it out."""
        return bool(reference)

    async def _remove(self, cells: Sequence[Cells]) -> Erasure:
        self._session += 1
        text = f"{self._run_id}|{self._graph.account}|everywhere|{self._session}"
        session = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
        document = {
            "payload": {"schema": ["EMAIL", "PHONE"], "is_raw": True, "data": cells},
            "session": {
                "session_id": session,
                "batch_seq": 1,
                "last_batch_flag": True,
                "estimated_num_total": len(cells),
            },
        }
        response = await self._graph.call(
            "DELETE",
            f"{self._graph.account}/usersofanyaudience",
            body=json.dumps(document).encode(),
            judge=_judged,
        )
        return _read(response, len(cells), str(session))


def cells_of(person: Identifiers) -> list[Cells]:
    """One row for each identifier, as Facebook hashes it: SHA-256, a phone without its plus."""
    return [
        *((_hashed(email), "") for email in person.emails),
        *(("", _hashed(phone.removeprefix("+"))) for phone in person.phones),
    ]


def _hashed(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _judged(response: Response) -> Verdict:
    """A refusal because of one audience is an answer: the request stays open, others go on."""
    return Verdict(Fate.DONE) if error_of(response) in _OPEN else judged(response)


def _read(response: Response, rows: int, reference: str) -> Erasure:
    error = error_of(response)
    if error in _OPEN:
        reason = f"removal refused: {_OPEN[error]}"
        return Erasure(ErasureState.OPEN, code=named(error), reason=reason)
    if error is not None:
        message = f"Facebook refuses the removal ({named(error)})"
        raise StoppedError(message, code=named(error))
    data = response.json()
    if response.status != 200 or not isinstance(data, dict) or "num_received" not in data:
        message = f"Facebook answered HTTP {response.status} without a result"
        raise AnswerLostError(message)
    if number(data["num_received"]) < rows:
        reason = "Facebook counted fewer rows than were sent"
        return Erasure(ErasureState.OPEN, code="missing_rows", reason=reason)
    if number(data.get("num_invalid_entries")):
        reason = "Facebook counted rows as malformed"
        return Erasure(ErasureState.OPEN, code="invalid_entries", reason=reason)
    return Erasure(ErasureState.DONE, reference=reference)
