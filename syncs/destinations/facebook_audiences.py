"""Facebook's audiences as objects: how one is doing, and what it is called."""

from __future__ import annotations

import json
from typing import Any, Final

from syncs.destinations.facebook_graph import Graph, error_of, named
from syncs.destinations.people import AudienceState
from syncs.errors import StoppedError

_FIELDS: Final = (
    "name,operation_status,delivery_status,"
    "approximate_count_lower_bound,approximate_count_upper_bound"
)
# Not there, or not ours to see; deleted.
_GONE: Final = {"100/33", "1487366"}


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
