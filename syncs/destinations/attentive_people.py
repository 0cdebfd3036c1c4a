"""Attentive about single people: read attributes back, request deletion.

Facts this module rests on: a look-up names one phone or one e-mail and answers a list of
attributes, each with ``name`` (the schema also says ``attribute``) and a value that may come back
as text; a deletion request is taken at once and carried out within 30 days; only its own status
tells when.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from syncs.destinations.people import NOBODY_NAMED, Erasure, ErasureState, Identifiers, Kind
from syncs.errors import AnswerLostError, StoppedError
from syncs.transport import Response, Transport

_REQUESTS: Final = "/v1/privacy/delete-request"
_SUBJECTS: Final[Mapping[Kind, str]] = {"email": "subjectEmail", "phone": "subjectPhone"}
# Enough for 150 look-ups a second at 200 ms each.
_AT_ONCE: Final = 32
# Opaque, and kept: it must not be an address.
_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,200}")


class AttentivePeople:
    """The people of one Attentive account, one at a time."""

    lookup_rows = 1

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def held(
        self, kind: Kind, identifiers: Sequence[str], names: Sequence[str]
    ) -> dict[str, dict[str, object]]:
        """The people among ``identifiers`` who have any attribute at all.

        Somebody without attributes looks like somebody unknown.
        """
        asked = list(dict.fromkeys(identifiers))
        found: dict[str, dict[str, object]] = {}
        for start in range(0, len(asked), _AT_ONCE):
            some = asked[start : start + _AT_ONCE]
            # All of them end before the first failure is raised: none is left running.
            answers = await asyncio.gather(
                *(self._attributes(kind, identifier) for identifier in some), return_exceptions=True
            )
            for identifier, answer in zip(some, answers, strict=True):
                if isinstance(answer, BaseException):
                    raise answer
                if answer:
                    found[identifier] = {
                        name: answer[name] for name in names if answer.get(name) is not None
                    }
        return found

    async def erase(self, person: Identifiers) -> Erasure:
        """One deletion request for each identifier; the reference lists their ids."""
        ids: list[str] = []
        refused: Erasure | None = None
        for kind, value in person.each():
            response = await self._transport.request(
                "POST",
                _REQUESTS,
                operation="privacy",
                body=json.dumps({_SUBJECTS[kind]: value}).encode(),
            )
            if 200 <= response.status < 300:
                ids.append(_id_of(response))
            else:
                refused = _refused(response)
        if refused is not None or not ids:
            return refused or NOBODY_NAMED
        return Erasure(ErasureState.ACCEPTED, reference=json.dumps(ids))

    async def erased(self, reference: str, _person: Identifiers) -> bool:
        """True when every deletion request says it was processed; accepted is not enough."""
        ids = json.loads(reference) if reference else []
        for key in ids:
            response = await self._transport.request(
                "GET", f"{_REQUESTS}/{quote(key, safe='')}", operation="privacy_status"
            )
            if response.status == 404:
                # A request they do not know was not carried out, as far as anybody can tell.
                return False
            answer = _json_of(response, "question after a deletion")
            if not isinstance(answer, dict) or answer.get("processed") is not True:
                return False
        return bool(ids)

    async def _attributes(self, kind: Kind, identifier: str) -> dict[str, object]:
        response = await self._transport.request(
            "GET",
            "/v1/attributes/custom",
            operation="attribute_reads",
            params={kind: identifier},
        )
        if response.status == 404:
            return {}
        answer = _json_of(response, "attribute look-up")
        if not isinstance(answer, list):
            message = "the attribute look-up answered without a list"
            raise AnswerLostError(message)
        return dict(_attribute(item) for item in answer if isinstance(item, dict))


def _attribute(item: Mapping[str, object]) -> tuple[str, object]:
    return str(item.get("name") or item.get("attribute") or ""), item.get("value")


def _json_of(response: Response, what: str) -> Any:
    """The body of a 2xx. Error bodies have no declared form and may echo values: status only."""
    if not 200 <= response.status < 300:
        message = f"Attentive refuses the {what} (HTTP {response.status})"
        raise StoppedError(message, code=str(response.status))
    return response.json()


def _id_of(response: Response) -> str:
    answer = response.json()
    key = answer.get("id") if isinstance(answer, dict) else None
    is_id = isinstance(key, str | int) and not isinstance(key, bool) and _ID.fullmatch(str(key))
    if not is_id:
        message = "the deletion request was accepted without an id"
        raise AnswerLostError(message)
    return str(key)


def _refused(response: Response) -> Erasure:
    return Erasure(
        ErasureState.OPEN,
        code=str(response.status),
        reason=f"Attentive refuses the deletion (HTTP {response.status})",
    )
