"""Attentive's refusals: their form is undeclared, and like the vendor's they echo values."""

from syncs.sandbox.calls import (
    Call,
    JsonObject,
    RefusedError,
    json_reply,
    media_type_of,
    parse_json,
)


def refuse(status: int, message: str) -> RefusedError:
    """A refusal with a message."""
    return RefusedError(json_reply(status, {"message": message}))


def read_body(call: Call, required: frozenset[str], allowed: frozenset[str]) -> JsonObject:
    """The JSON object of a call, with these members and no others.

    Raises:
        RefusedError: It is not such an object.
    """
    if media_type_of(call.headers) != "application/json":
        raise refuse(415, "Content-Type must be application/json")
    try:
        parsed = parse_json(call.body)
    except (ValueError, RecursionError):
        raise refuse(400, "The body is not valid JSON") from None
    if not isinstance(parsed, dict):
        raise refuse(400, "An object is expected")
    missing, unknown = required - parsed.keys(), parsed.keys() - allowed
    if missing:
        raise refuse(400, f"Missing: {', '.join(sorted(missing))}")
    if unknown:
        raise refuse(400, f"Unrecognized field: {', '.join(sorted(unknown))}")
    return parsed
