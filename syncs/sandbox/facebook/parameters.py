"""Parameters of a Graph call: query, form body or JSON body, read as one."""

from urllib.parse import parse_qsl

from syncs.sandbox.calls import Call, JsonObject, media_type_of, parse_json
from syncs.sandbox.facebook.problems import refuse, refuse_html

_STRUCTURED = frozenset({"payload", "session", "audience_labels"})


def read_parameters(call: Call) -> JsonObject:
    """Everything the call was given, with JSON text in form fields parsed.

    Raises:
        RefusedError: A body that is no form and no JSON object, or a payload in the query: the
            web server cuts such addresses off with an HTML page.
    """
    if "payload" in call.query:
        raise refuse_html()
    return {**call.query, **_read_body(call)}


def _read_body(call: Call) -> JsonObject:
    if not call.body:
        return {}
    kind = media_type_of(call.headers)
    if kind == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(call.body.decode(), keep_blank_values=True, strict_parsing=True)
        except ValueError:
            raise refuse(100, "(#100) The body is not a form") from None
        return {name: _parsed(value) if name in _STRUCTURED else value for name, value in pairs}
    if kind != "application/json":
        raise refuse(100, "(#100) The body must be a form or JSON")
    body = _parsed(call.body)
    if not isinstance(body, dict):
        raise refuse(100, "(#100) The body must be a JSON object")
    return body


def _parsed(text: bytes | str) -> object:
    try:
        return parse_json(text)
    except (ValueError, RecursionError):
        raise refuse(100, "(#100) Invalid JSON") from None


def whole_number(value: object) -> int | None:
    """A number given as such or, in a form, as text; None if it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return None


def truth(value: object) -> bool | None:
    """A boolean given as such or, in a form, as text; None if it is neither."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None
