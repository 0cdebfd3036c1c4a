"""Klaviyo about single people: read profiles back, delete them for good.

Facts this module rests on: a look-up takes 100 identifiers; addresses come back in the case they
were stored in; a deletion job takes exactly one identifier, answers 202 and works later, and 404
when nobody has it; a later write under the same address makes a new profile.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from syncs.destinations.klaviyo_pages import any_of, dig, pages
from syncs.destinations.people import NOBODY_NAMED, Erasure, ErasureState, Identifiers, Kind
from syncs.transport import Response, Transport

_FIELDS: Final[Mapping[Kind, str]] = {"email": "email", "phone": "phone_number"}
_MEDIA_TYPE: Final = "application/vnd.api+json"
_PAGE: Final = 100


class KlaviyoPeople:
    """The profiles of one Klaviyo account, one person at a time."""

    lookup_rows = _PAGE

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def held(
        self, kind: Kind, identifiers: Sequence[str], names: Sequence[str]
    ) -> dict[str, dict[str, object]]:
        """The profiles among ``identifiers``; a property that is null counts as not set.

        Several profiles of one phone number are read as one: the first that has a property.
        """
        field = _FIELDS[kind]
        wanted = dict.fromkeys(identifiers)
        asked = list(wanted)
        found: dict[str, dict[str, object]] = {}
        for start in range(0, len(asked), _PAGE):
            params = {
                "filter": any_of(field, asked[start : start + _PAGE]),
                "fields[profile]": f"{field},properties" if names else field,
                "page[size]": str(_PAGE),
            }
            async for page in pages(
                self._transport, "/api/profiles", operation="profiles", params=params
            ):
                for item in page:
                    key = str(dig(item, "attributes", field)).lower()
                    if key not in wanted:
                        continue
                    held = found.setdefault(key, {})
                    for name in names:
                        value = dig(item, "attributes", "properties", name)
                        if value is not None:
                            held.setdefault(name, value)
        return found

    async def erase(self, person: Identifiers) -> Erasure:
        """One deletion job for each identifier.

        Nobody having any of them is done only when a look-up finds nobody, either: a wrong address
        of the API answers 404, too.
        """
        accepted = False
        refused: Erasure | None = None
        for kind, value in person.each():
            response = await self._delete(kind, value)
            if 200 <= response.status < 300:
                accepted = True
            elif response.status != 404:
                refused = _refused(response)
        if refused is not None or not person.each():
            return refused or NOBODY_NAMED
        if accepted:
            return Erasure(ErasureState.ACCEPTED)
        if await self.erased("", person):
            return Erasure(ErasureState.DONE)
        reason = "Klaviyo knows nothing to delete, yet finds a profile"
        return Erasure(ErasureState.OPEN, code="404", reason=reason)

    async def erased(self, _reference: str, person: Identifiers) -> bool:
        """True when no profile has any of the identifiers."""
        return not (
            await self.held("email", person.emails, ())
            or await self.held("phone", person.phones, ())
        )

    async def _delete(self, kind: Kind, value: str) -> Response:
        profile = {"data": {"type": "profile", "attributes": {_FIELDS[kind]: value}}}
        document = {
            "data": {"type": "data-privacy-deletion-job", "attributes": {"profile": profile}}
        }
        return await self._transport.request(
            "POST",
            "/api/data-privacy-deletion-jobs",
            operation="deletion",
            body=json.dumps(document).encode(),
            content_type=_MEDIA_TYPE,
        )


def _refused(response: Response) -> Erasure:
    """Only the code: titles and details may echo whom it is about."""
    errors = dig(response.json(), "errors")
    code = dig(errors[0], "code") if isinstance(errors, list) and errors else None
    clean = isinstance(code, str) and re.fullmatch(r"[a-z_]{1,80}", code)
    return Erasure(
        ErasureState.OPEN,
        code=str(code) if clean else str(response.status),
        reason=f"Klaviyo refuses the deletion (HTTP {response.status})",
    )
