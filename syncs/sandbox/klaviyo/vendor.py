"""Klaviyo's front door: key, revision, media type and rate limits, then the operation."""

import gzip
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import replace

from syncs.sandbox.calls import (
    JSON_MEDIA_TYPE,
    Call,
    JsonObject,
    Operation,
    RefusedError,
    Reply,
    first_match,
    media_type_of,
)
from syncs.sandbox.config import Settings
from syncs.sandbox.klaviyo.events import Events
from syncs.sandbox.klaviyo.imports import Imports
from syncs.sandbox.klaviyo.people import People
from syncs.sandbox.klaviyo.problems import (
    MAX_BODY_BYTES,
    MEDIA_TYPE,
    document,
    missing,
    problem,
    refuse,
    too_large,
)
from syncs.sandbox.limits import TwoWindows
from syncs.sandbox.store import Store

REVISIONS = frozenset(
    {
        "2025-01-15", "2025-04-15", "2025-07-15", "2025-10-15",
        "2026-01-15", "2026-04-15", "2026-07-15", "2026-10-15",
    },
)  # fmt: skip
_REVISION = re.compile(r"(\d{4}-\d{2}-\d{2})(\.\w+)?")
_KEY = re.compile(r"Klaviyo-API-Key (pk_\w+)")
# Calls per second and per minute, by operation (Klaviyo: API reference, rate limits).
LIMITS: Mapping[str, tuple[int, int]] = {
    "get_accounts": (1, 15),
    "bulk_import_profiles": (10, 150),
    "get_bulk_import_profiles_job": (10, 150),
    "get_bulk_import_profiles_jobs": (10, 150),
    "get_errors_for_bulk_import_profiles_job": (10, 150),
    "get_profiles": (75, 750),
    "create_profile": (75, 750),
    "update_profile": (75, 750),
    "create_or_update_profile": (75, 750),
    "create_event": (350, 3_500),
    "get_events": (350, 3_500),
    "bulk_create_events": (10, 150),
    "get_metrics": (10, 150),
    "request_profile_deletion": (3, 60),
}
_CODES = {
    400: "invalid",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    409: "duplicate_profile",
    410: "gone",
    429: "throttled",
}


class Klaviyo:
    """The whole stand-in; its limits are per account, whatever the key."""

    name = "klaviyo"

    def __init__(self, store: Store, settings: Settings) -> None:
        self._settings = settings
        self._imports = Imports(store, settings)
        self._people = People(store, settings)
        self._limiters: dict[tuple[str, int, int], TwoWindows] = {}
        accounts = Operation(
            "get_accounts", "GET", re.compile("/api/accounts/?"), False, self._accounts
        )
        self._operations = (
            accounts,
            *self._imports.operations(),
            *self._people.operations(),
            *Events(store, settings).operations(),
        )

    def find(self, method: str, path: str) -> tuple[Operation, Mapping[str, str]] | None:
        """The operation behind a path; a trailing slash makes no difference."""
        return first_match(self._operations, method, path)

    def settle(self, now: float) -> None:
        """Applies import jobs and deletions that are due."""
        self._imports.settle(now)
        self._people.settle(now)

    def forget(self) -> None:
        """Fresh windows."""
        self._limiters.clear()
        self._imports.forget()
        self._people.forget()

    def answer(self, operation: Operation | None, call: Call) -> Reply:
        """Checks the call, then does it."""
        _check_key(call)
        _check_revision(call)
        if operation is None:
            known = {o.method for o in self._operations if o.path.fullmatch(call.path)}
            if known:
                detail = f'Method "{call.method}" not allowed.'
                raise refuse(
                    [problem(detail, status=405, code="method_not_allowed", title="Not allowed.")]
                )
            detail = "The path does not exist."
            raise missing(detail)
        limiter = self._limiter(operation)
        if limiter is not None:
            admission = limiter.admit(call.now)
            if not admission.admitted:
                raise RefusedError(self._throttled(math.ceil(admission.wait_seconds)))
        if call.method in {"POST", "PATCH"}:
            call = replace(call, body=_body(call))
        try:
            reply = operation.handle(call)
        except RefusedError as refused:
            reply = refused.reply
            raise RefusedError(reply.adding(_headers(limiter, call.now))) from None
        return reply.adding(_headers(limiter, call.now))

    def failure(self, status: int, detail: str) -> Reply:
        """An error document of any status."""
        if status == 429:
            return self._throttled(1)
        return document(
            status,
            {
                "errors": [
                    problem(
                        detail,
                        status=status,
                        code=_CODES.get(status, "error"),
                        title="Error.",
                        pointer="/data",
                    ),
                ],
            },
        )

    def _throttled(self, seconds: int) -> Reply:
        detail = f"Request was throttled. Expected available in {seconds} second(s)."
        errors = [
            problem(
                detail, status=429, code="throttled", title="Request was throttled.",
                pointer="/data",
            ),
        ]  # fmt: skip
        return document(429, {"errors": errors}, throttled=True).adding(
            {"Retry-After": str(seconds)}
        )

    def _limiter(self, operation: Operation) -> TwoWindows | None:
        config = self._settings.config
        if not config.limits:
            return None
        numbers = config.klaviyo_limits.get(operation.name, LIMITS[operation.name])
        return self._limiters.setdefault((operation.name, *numbers), TwoWindows(*numbers))

    def _accounts(self, call: Call) -> Reply:
        account: JsonObject = {
            "type": "account",
            "id": "SANDBX",
            "attributes": {
                "test_account": True,
                "contact_information": {
                    "default_sender_name": "Sandbox",
                    "default_sender_email": "shop@example.com",
                    "organization_name": "Sandbox",
                },
                "industry": None,
                "timezone": "America/New_York",
                "preferred_currency": "USD",
                "public_api_key": "SANDBX",
                "locale": "en-US",
            },
            "links": {"self": f"{call.base}/api/accounts/SANDBX/"},
        }
        links = {"self": f"{call.base}/api/accounts/", "next": None, "prev": None}
        return document(200, {"data": [account], "links": links})


def _check_key(call: Call) -> None:
    given = call.headers.get("authorization")
    if given is None:
        detail = "Authentication credentials were not provided."
        code = "not_authenticated"
    elif not _KEY.fullmatch(given):
        detail, code = "Incorrect authentication credentials.", "authentication_failed"
    else:
        return
    raise refuse([problem(detail, pointer="/data/", status=401, code=code, title=detail)])


def _check_revision(call: Call) -> None:
    given = call.headers.get("revision", "")
    match = _REVISION.fullmatch(given)
    if match is None or match[1] > max(REVISIONS):
        detail = "A valid revision header is required."
        raise refuse([problem(detail, parameter="revision")])
    if match[1] in REVISIONS:
        return
    # Without the opt-out an old revision is served as the oldest living one.
    if call.headers.get("x-klaviyo-revision-fall-forward-opt-out") == "1":
        detail = "This revision is retired."
        raise refuse([problem(detail, status=410, code="gone", title="Gone.")])


def _body(call: Call) -> bytes:
    if media_type_of(call.headers) not in {MEDIA_TYPE, JSON_MEDIA_TYPE}:
        raise refuse(
            [problem("Unsupported media type.", status=415, code="unsupported_media_type")]
        )
    body = call.body
    if call.headers.get("content-encoding", "").lower() == "gzip":
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            raise refuse([problem("The body is not valid gzip.", pointer="/")]) from None
    if len(body) > MAX_BODY_BYTES:
        raise too_large()
    return body


def _headers(limiter: TwoWindows | None, now: float) -> dict[str, str]:
    """The headers of an answer that was not throttled; they describe the burst window."""
    if limiter is None:
        return {}
    burst, steady = limiter.burst, limiter.steady
    return {
        "RateLimit-Limit": f"{burst.limit}, {burst.limit};w=1, {steady.limit};w=60",
        "RateLimit-Remaining": str(burst.remaining(now)),
        "RateLimit-Reset": "0",
    }
