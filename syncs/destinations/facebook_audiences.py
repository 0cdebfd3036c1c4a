"""Facebook's audiences as objects: how one is doing, and what it is called."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from syncs.destinations.facebook_graph import Graph, error_of, named
from syncs.destinations.people import AudienceState
from syncs.errors import StoppedError

_FIELDS: Final = (
    "name,operation_status,delivery_status,"
    "approximate_count_lower_bound,approximate_count_upper_bound"
)
_PAGE: Final = 20
# More than an ad account may have audiences.
_MOST_PAGES: Final = 500
# Not there, or not ours to see; deleted.
_GONE: Final = {"100/33", "1487366"}


def is_id(value: object) -> bool:
    """Whether a value can be the id of an audience: it becomes part of a path."""
    return re.fullmatch(r"[0-9]{1,30}", str(value)) is not None


async def find(graph: Graph, name: str) -> str | None:
    """The audience of this name; names are not unique and cannot be searched for.

    Raises:
        StoppedError: several have it, or the list of audiences has no end: a person must look.
    """
    params = {"fields": "id,name,subtype", "limit": str(_PAGE)}
    ids: list[str] = []
    for _ in range(_MOST_PAGES):
        page = await graph.read(f"{graph.account}/customaudiences", params)
        data = page.get("data")
        items = [
            item for item in (data if isinstance(data, list) else ()) if isinstance(item, dict)
        ]
        ids += [str(item.get("id")) for item in items if item.get("name") == name]
        paging = page.get("paging")
        cursors = paging.get("cursors") if isinstance(paging, dict) else None
        after = cursors.get("after") if isinstance(cursors, dict) else None
        if not (isinstance(paging, dict) and paging.get("next") and after):
            break
        if str(after) == params.get("after"):
            # The same page again would be asked for without an end.
            break
        params = {**params, "after": str(after)}
    else:
        message = "the list of audiences has no end"
        raise StoppedError(message, code="endless_list")
    if len(ids) > 1:
        message = f"{len(ids)} audiences are named {name!r}: rename all but one"
        raise StoppedError(message, code="ambiguous_audience")
    if ids and not is_id(ids[0]):
        message = f"the audience named {name!r} has an id that is none"
        raise StoppedError(message, code="id")
    return ids[0] if ids else None


async def describe(graph: Graph, audience_id: str) -> AudienceState:
    """What Facebook says of one audience.

    A lost permission looks like a lost audience, so an audience only counts as gone while its ad
    account can be read.

    Raises:
        StoppedError: a person must act; the ad account cannot be read, perhaps.
        UnreachableError: throttled past the deadline.
        AnswerLostError: no answer that can be read.
    """
    try:
        data = await graph.read(f"/{audience_id}", {"fields": _FIELDS})
    except StoppedError as stopped:
        if stopped.code not in _GONE:
            raise
        await graph.read(graph.account, {"fields": "id"})
        return AudienceState(exists=False)
    return AudienceState(
        exists=True,
        name=str(data.get("name", "")),
        operation_code=status_code(data.get("operation_status")),
        delivery_code=status_code(data.get("delivery_status")),
        lowest=_count(data.get("approximate_count_lower_bound")),
        highest=_count(data.get("approximate_count_upper_bound")),
    )


async def rename(graph: Graph, audience_id: str, name: str, description: str) -> None:
    """Give an audience another name and description; its members stay.

    Raises:
        StoppedError: Facebook refuses the name, or the audience is gone.
        UnreachableError: throttled past the deadline; nothing was changed.
        AnswerLostError: perhaps renamed; renaming again is harmless.
    """
    body = json.dumps({"name": name, "description": description}).encode()
    response = await graph.call("POST", f"/{audience_id}", body=body)
    error = error_of(response)
    data = response.json()
    if error or not isinstance(data, dict) or data.get("success") is not True:
        code = named(error) if error else str(response.status)
        message = f"Facebook does not rename the audience ({code})"
        raise StoppedError(message, code=code)


def status_code(status: Any) -> int | None:
    """The code of a status object; one of the two reference pages calls it ``status``."""
    code = status.get("code", status.get("status")) if isinstance(status, dict) else None
    return _count(code)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
