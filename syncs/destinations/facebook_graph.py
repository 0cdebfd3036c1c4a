"""Facebook's Graph API: signed and weighed calls, and what its error codes mean.

Throttling arrives as HTTP 400 or 403 with a code in the body; a 200 may hold an error; HTML pages
come with oversized requests and on bad days. Decide on codes only: texts change.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from syncs.errors import StoppedError
from syncs.records import Limit
from syncs.transport import Fate, Judge, Response, Transport, Verdict

HOST: Final = "https://graph.facebook.com"
VERSION: Final = "v26.0"

# A read scores 1, a write 3. Until the usage header says otherwise an app has the Limited tier.
READ, WRITE = 1, 3
LIMITED: Final = (Limit(60, 300),)
FULL: Final = (Limit(9_000, 300),)
LIMITS: Final[Mapping[str, Sequence[Limit]]] = {"limited": LIMITED, "full": FULL}

# Codes: what a person must mend, what passes, what is over the account's budget.
_THROTTLES: Final = {4, 17, 32, 341, 613, *range(80_000, 80_015)}
_TRANSIENT: Final = {1, 2, 5000}
SIZE_FLOOR: Final = (200, 1870047)
BUSY: Final = (2650, 1870145)
FLAGGED: Final = (100, 1713230)
_OURS: Final = {100, 105, 194, 2650}
_WAIT: Final = {BUSY, (2650, 1870148)}
_STOPS: Final = {10, 102, 104, 190, 270, 294, 368, 2635, 2655, 2656, 2663, 2664, 2654,
                 1487301, 1487366, 1404078, 2859015, 1870092}  # fmt: skip
_STOP_SUBCODES: Final = {(100, 33), (100, 1713228), FLAGGED, (100, 1713231)}
# Longer ones are none of Facebook's, but could be somebody's phone number.
_MOST: Final = 10**9
# What a person has to do about the commonest stops.
_WHY: Final = {
    (190, 0): "the access token is no longer valid",
    (200, 1870034): "the Custom Audience terms are not accepted",
    (200, 1870090): "the Custom Audience terms are not accepted",
    (200, 1870050): "the ad account is not linked to a business",
    (2635, 0): "this version of the Marketing API is retired",
    (100, 33): "the system user is no admin of the ad account, or the audience is gone",
    FLAGGED: "Facebook flagged the audience for policy; a person must look at its name",
    (1487366, 0): "the audience was deleted",
}


def headers(token: str) -> dict[str, str]:
    """Headers of every request; a token in the URL would reach proxy logs."""
    return {"authorization": f"Bearer {token}", "accept": "application/json"}


class Graph:
    """Calls to one ad account, signed, and weighed as its score counts them."""

    def __init__(
        self, transport: Transport, *, account_id: str, token: str, app_secret: str | None
    ) -> None:
        self.account = f"/act_{account_id}"
        self._transport = transport
        self._tier = "limited"
        self._proof = {}
        if app_secret:
            digest = hmac.new(app_secret.encode(), token.encode(), hashlib.sha256)
            self._proof = {"appsecret_proof": digest.hexdigest()}

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        idempotent: bool = True,
        judge: Judge | None = None,
    ) -> Response:
        """One call; what ``judge`` lets pass is an answer, refusals among them.

        Raises:
            StoppedError: a person must act; the code says on what.
            UnreachableError: throttled, or the audience is busy.
            AnswerLostError: no answer, or none that is JSON.
        """
        response = await self._transport.request(
            method,
            f"/{VERSION}{path}",
            operation=self._tier,
            judge=judge or judged,
            body=body,
            params={**(params or {}), **self._proof} or None,
            idempotent=idempotent,
            weight=READ if method == "GET" else WRITE,
        )
        usage = response.headers.get("x-ad-account-usage", "")
        if '"standard_access"' in usage:
            self._tier = "full"
        return response

    async def read(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """The object a read answers with.

        Raises:
            StoppedError: it answered anything else.
        """
        response = await self.call("GET", path, params=params)
        data = response.json()
        error = error_of(response)
        if response.status != 200 or not isinstance(data, dict) or error:
            message = f"Facebook answered a read with HTTP {response.status}"
            raise StoppedError(message, code=named(error) if error else str(response.status))
        return data


def named(error: tuple[int, int]) -> str:
    """Code and subcode as text."""
    code, subcode = error
    return f"{code}/{subcode}" if subcode else str(code)


def error_of(response: Response) -> tuple[int, int] | None:
    """Code and subcode of an error object; a 200 may hold one, too."""
    data = response.json()
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return None
    return number(error.get("code")), number(error.get("error_subcode"))


def judged(response: Response) -> Verdict:
    """Decide on codes only: texts change."""
    error = error_of(response)
    return _judge_status(response) if error is None else _judge_error(response, error)


def _judge_status(response: Response) -> Verdict:
    if response.status >= 500 or response.json() is None:
        # HTML pages come with oversized requests and on bad days.
        return Verdict(Fate.RETRY, f"HTTP {response.status} without JSON", str(response.status))
    if response.status in (401, 403):
        return Verdict(Fate.STOP, "authentication refused", str(response.status))
    return Verdict(Fate.DONE)


def _judge_error(response: Response, error: tuple[int, int]) -> Verdict:
    code, _ = error
    name = named(error)
    if code in _THROTTLES:
        return Verdict(Fate.THROTTLED, f"throttled ({name})", name, _regain(response))
    if error in _WAIT or code == 803:
        return Verdict(Fate.THROTTLED, f"busy with an earlier change ({name})", name)
    data = response.json()
    if code in _TRANSIENT or data["error"].get("is_transient") is True or response.status >= 500:
        return Verdict(Fate.RETRY, f"transient error {name}", name)
    stops = code in _STOPS or error in _STOP_SUBCODES or 200 <= code <= 299
    if code not in _OURS and not stops:
        return Verdict(Fate.RETRY, f"unknown error {name}", name)
    if stops and error != SIZE_FLOOR:
        return Verdict(
            Fate.STOP, f"{_WHY.get(error, _WHY.get((code, 0), 'Facebook refuses'))} ({name})", name
        )
    return Verdict(Fate.DONE)


def _regain(response: Response) -> float | None:
    """Seconds until the account may call again: the longest the usage headers ask for."""
    waits = []
    for name, value in response.headers.items():
        if not name.startswith(("x-business-use-case", "x-ad-account-usage")):
            continue
        try:
            usage = json.loads(value)
        except (ValueError, RecursionError):
            continue
        if name.startswith("x-ad-account") and isinstance(usage, dict):
            waits.append(float(number(usage.get("reset_time_duration"))))
        for entries in usage.values() if isinstance(usage, dict) else ():
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict):
                    minutes = number(entry.get("estimated_time_to_regain_access"))
                    waits.append(60.0 * minutes)
    return min(max(waits), 300.0) if waits and max(waits) > 0 else None


def number(value: object) -> int:
    """A whole number as Facebook's codes and counts are, or 0 where there is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if abs(value) < _MOST else 0
