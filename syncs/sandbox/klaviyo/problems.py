"""Klaviyo's way of saying no, and the form of its documents."""

import uuid
from datetime import UTC, datetime

from syncs.sandbox.calls import JsonObject, RefusedError, Reply, json_reply

MEDIA_TYPE = "application/vnd.api+json"
MAX_BODY_BYTES = 5_000_000
MAX_PROFILE_BYTES = 100_000


def problem(
    detail: str,
    *,
    pointer: str | None = None,
    parameter: str | None = None,
    status: int = 400,
    code: str = "invalid",
    title: str = "Invalid input.",
    meta: JsonObject | None = None,
) -> JsonObject:
    """One entry of an error document."""
    source: JsonObject = {}
    if pointer is not None:
        source["pointer"] = pointer
    if parameter is not None:
        source["parameter"] = parameter
    return {
        "id": str(uuid.uuid4()),
        "status": status,
        "code": code,
        "title": title,
        "detail": detail,
        "source": source,
        "links": {},
        "meta": meta or {},
    }


def document(status: int, content: JsonObject, *, rows: int = 0, throttled: bool = False) -> Reply:
    """An answer in JSON:API form."""
    return json_reply(status, content, media_type=MEDIA_TYPE, rows=rows, throttled=throttled)


def refuse(problems: list[JsonObject]) -> RefusedError:
    """The refusal that lists these problems; its status is that of the first."""
    return RefusedError(document(int(problems[0]["status"]), {"errors": problems}))


def missing(detail: str) -> RefusedError:
    """The refusal of something that is not there."""
    return refuse(
        [problem(detail, pointer="/data/", status=404, code="not_found", title="Not found.")]
    )


def too_large() -> RefusedError:
    """The refusal of a body over 5 MB; it comes from the proxy before the API, as plain text."""
    return RefusedError(Reply(413, b"Request Entity Too Large", "text/plain"))


def timestamp(at: float) -> str:
    """An instant as Klaviyo writes it: ISO 8601 in UTC with an offset, whole seconds."""
    return datetime.fromtimestamp(int(at), UTC).isoformat()
