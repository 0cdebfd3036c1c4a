"""Facebook's error object."""

import secrets

from syncs.sandbox.calls import JsonObject, RefusedError, Reply, json_reply

# User, app, account and custom-audience limits; they come as HTTP 400, not 429.
THROTTLED = frozenset({4, 17, 32, 613, 80003})
HTML = b"<!DOCTYPE html><html><head><title>Error</title></head><body>Sorry.</body></html>"


def error(
    code: int,
    message: str,
    *,
    subcode: int | None = None,
    status: int = 400,
    transient: bool = False,
) -> Reply:
    """An error answer; clients decide on the codes, never on the message."""
    content: JsonObject = {
        "message": message,
        "type": "OAuthException",
        "code": code,
        "is_transient": transient,
        "fbtrace_id": secrets.token_urlsafe(9),
    }
    if subcode is not None:
        content["error_subcode"] = subcode
    return json_reply(status, {"error": content}, throttled=code in THROTTLED)


def refuse(
    code: int, message: str, *, subcode: int | None = None, status: int = 400
) -> RefusedError:
    """A refusal with this code."""
    return RefusedError(error(code, message, subcode=subcode, status=status))


def refuse_html() -> RefusedError:
    """The web server's refusal of a request the API never saw."""
    return RefusedError(Reply(400, HTML, "text/html"))
