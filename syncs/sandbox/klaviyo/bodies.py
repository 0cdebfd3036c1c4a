"""Reading a JSON:API document out of a request."""

from syncs.sandbox.calls import Call, JsonObject, parse_json
from syncs.sandbox.klaviyo.problems import problem, refuse


def read_data(call: Call, kind: str) -> JsonObject:
    """The `data` member of the body, a single object of the expected type.

    Raises:
        RefusedError: The body is not JSON, or not one such object.
    """
    try:
        parsed = parse_json(call.body)
    except (ValueError, RecursionError):
        raise refuse([problem("The body is not valid JSON.", pointer="/")]) from None
    data = parsed.get("data") if isinstance(parsed, dict) else None
    if not isinstance(data, dict):
        raise refuse([problem("One resource object is expected.", pointer="/data")])
    if data.get("type") != kind:
        raise refuse([problem(f"'type' must be '{kind}'.", pointer="/data/type")])
    return data


def read_document(call: Call, kind: str) -> JsonObject:
    """The attributes of a job document, which refers to no list this account does not have.

    Raises:
        RefusedError: As `read_data`, or there are no attributes, or a list is named.
    """
    data = read_data(call, kind)
    attributes = data.get("attributes")
    if not isinstance(attributes, dict):
        raise refuse([problem("An object is expected here.", pointer="/data/attributes")])
    lists = (data.get("relationships") or {}).get("lists") or {}
    if lists.get("data"):
        # The account of the stand-in has no lists, so every list id is a wrong one.
        raise refuse([problem("List ID does not exist.", pointer="/data")])
    return attributes
