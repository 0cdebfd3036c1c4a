"""Facebook: customer-list audiences mirrored by adds and removes.

Facts this module rests on: members are rows of hashed cells in one fixed schema per audience,
10,000 a request; DELETE carries a body; removes go before adds and only one stream writes an
audience; re-adding or re-removing is harmless; members cannot be read back. Throttling arrives as
HTTP 400 or 403 with a code in the body. A refused removal (200/1870047) stays a refused removal.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

from syncs.errors import AnswerLostError, StoppedError
from syncs.identity import facebook_cell
from syncs.records import (
    Accepted,
    Answer,
    Limit,
    Operation,
    OutRow,
    Refused,
    Rejection,
    Shape,
)
from syncs.spec import AudienceSpec
from syncs.transport import Fate, Response, Transport, Verdict

HOST: Final = "https://graph.facebook.com"
VERSION: Final = "v26.0"

# A read scores 1, a write 3. Until the usage header says otherwise an app has the Limited tier.
READ, WRITE = 1, 3
LIMITED: Final = (Limit(60, 300),)
FULL: Final = (Limit(9_000, 300),)
LIMITS: Final[Mapping[str, Sequence[Limit]]] = {"limited": LIMITED, "full": FULL}

_AUDIENCE: Final = "audience_id"
_SCHEMA: Final = "schema"
_PAGE: Final = 20

# Codes: what a person must mend, what passes, what is over the account's budget.
_THROTTLES: Final = {4, 17, 32, 341, 613, *range(80_000, 80_015)}
_TRANSIENT: Final = {1, 2, 5000}
_SIZE_FLOOR: Final = (200, 1870047)
_OURS: Final = {100, 105, 194, 2650}
_WAIT: Final = {(2650, 1870145), (2650, 1870148)}
_STOPS: Final = {10, 102, 104, 190, 270, 294, 368, 2635, 2655, 2656, 2663, 2664, 2654,
                 1487301, 1487366, 1404078, 2859015, 1870092}  # fmt: skip
_STOP_SUBCODES: Final = {(100, 33), (100, 1713228), (100, 1713230), (100, 1713231)}
_REPLACING, _FLAGGED = 414, 471
# What a person has to do about the commonest stops.
_WHY: Final = {
    (190, 0): "the access token is no longer valid",
    (200, 1870034): "the Custom Audience terms are not accepted",
    (200, 1870090): "the Custom Audience terms are not accepted",
    (200, 1870050): "the ad account is not linked to a business",
    (2635, 0): "this version of the Marketing API is retired",
    (100, 33): "the system user is no admin of the ad account, or the audience is gone",
    (1487366, 0): "the audience was deleted",
}


def headers(token: str) -> dict[str, str]:
    """Headers of every request; a token in the URL would reach proxy logs."""
    return {"authorization": f"Bearer {token}", "accept": "application/json"}


def shape(spec: AudienceSpec, country: str) -> Shape:
    """Rows of cells in the order of ``identify_by``; without e-mail and phone there is no row."""
    where = f"coalesce(c.country, '{country}')"
    cells = {
        key: facebook_cell(key, f'cast(c."{column}" as varchar)', where)
        for key, column in spec.identify_by.items()
    }
    found = [f"nullif({cells[key]}, '')" for key in ("EMAIL", "PHONE") if key in cells]
    sources = [f'c."{spec.identify_by[key]}"' for key in ("EMAIL", "PHONE") if key in cells]
    return Shape(
        channel="ads",
        source=f"coalesce({', '.join(sources)})",
        identifier=(
            f"case when coalesce({', '.join(found)}) is not null "
            f"then cast(to_json([{', '.join(cells.values())}]) as varchar) end"
        ),
        payload="identifier",
        batch_rows=10_000,
        batch_bytes=20_000_000,
        ledger_rows=10_000,
        idempotent=True,
        limits=(Limit(LIMITED[0].count // WRITE, LIMITED[0].seconds),),
        keeps_identifier=True,
    )


class FacebookAudience:
    """One customer-list audience of one ad account."""

    concurrency = 1

    def __init__(
        self,
        spec: AudienceSpec,
        country: str,
        transport: Transport,
        *,
        account_id: str,
        token: str,
        app_secret: str | None,
        run_id: str,
    ) -> None:
        self.shape = shape(spec, country)
        self._spec = spec
        self._transport = transport
        self._account = account_id
        self._run_id = run_id
        self._audience = ""
        self._tier = "limited"
        self._totals: Mapping[Operation, int] = {}
        self._sent: dict[Operation, int] = {}
        self._sequence: dict[Operation, int] = {}
        self._proof = {}
        if app_secret:
            digest = hmac.new(app_secret.encode(), token.encode(), hashlib.sha256)
            self._proof = {"appsecret_proof": digest.hexdigest()}

    async def prepare(
        self, rows: Mapping[Operation, int], objects: MutableMapping[str, str]
    ) -> None:
        """Check the terms, find or make the audience, and see that it takes changes.

        Raises:
            StoppedError: terms not accepted, several audiences of this name, or one that is busy
                or flagged: a person must look.
        """
        self._totals = rows
        account = await self._read(f"/act_{self._account}", {"fields": "tos_accepted"})
        terms = account.get("tos_accepted")
        if isinstance(terms, dict) and not terms.get("custom_audience_tos"):
            message = (
                "the Custom Audience terms are not accepted; a person must do it in Ads Manager"
            )
            raise StoppedError(message, code="terms")
        schema = json.dumps(list(self._spec.identify_by))
        if objects.get(_SCHEMA, schema) != schema:
            # Members can only be removed by the very cells they were added with.
            message = (
                f"identify_by changed from {objects[_SCHEMA]}: put it back, or make a new sync "
                "with a new audience_name"
            )
            raise StoppedError(message, code="schema")
        self._audience = objects.get(_AUDIENCE) or await self._found() or await self._made()
        objects.update({_AUDIENCE: self._audience, _SCHEMA: schema})
        await self._ready()

    async def send(self, operation: Operation, rows: Sequence[OutRow]) -> Answer:
        """One batch of a session; a session holds all removes, or all adds, of a run."""
        sequence = self._sequence.get(operation, 0) + 1
        total = self._totals.get(operation, len(rows))
        sent = self._sent.get(operation, 0) + len(rows)
        digest = hashlib.sha256(f"{self._run_id}|{self._audience}|{operation}".encode()).digest()
        # The schema must stay the same for the life of an audience, the order of keys with it.
        document = (
            f'{{"payload":{{"schema":{json.dumps(list(self._spec.identify_by))},"is_raw":true,'
            f'"data":[{",".join(row.payload for row in rows)}]}},"session":'
            + json.dumps(
                {
                    "session_id": int.from_bytes(digest[:8]) >> 1,
                    "batch_seq": sequence,
                    "last_batch_flag": sent >= total,
                    "estimated_num_total": total,
                }
            )
            + "}"
        )
        method = "DELETE" if operation is Operation.REMOVE else "POST"
        response = await self._call(method, f"/{self._audience}/users", body=document.encode())
        self._sent[operation] = sent
        answer = self._answer(response, len(rows))
        if isinstance(answer, Accepted):
            self._sequence[operation] = sequence
        else:
            self._sent[operation] = sent - len(rows)
        return answer

    @staticmethod
    def _answer(response: Response, count: int) -> Answer:
        error = error_of(response)
        if error is not None:
            code = f"{error[0]}/{error[1]}" if error[1] else str(error[0])
            if error == _SIZE_FLOOR:
                reason = "removal refused: the audience would become too small"
                # It is the whole removal that is refused: halving it would only ask more often.
                return Refused(dict.fromkeys(range(count), Rejection(reason, code)))
            # Rows are nothing but hashes: what is refused is our request, not a row in it.
            message = f"Facebook refuses the request ({code})"
            raise StoppedError(message, code=code)
        data = response.json()
        if response.status != 200 or not isinstance(data, dict):
            message = f"Facebook answered HTTP {response.status} without a result"
            raise AnswerLostError(message)
        if data.get("num_invalid_entries"):
            # Rows are counted, not named, and the count is approximate.
            message = f"Facebook counted {data['num_invalid_entries']} rows as malformed"
            raise AnswerLostError(message)
        return Accepted(reference=str(data.get("session_id", "")))

    async def _found(self) -> str | None:
        """The audience of this name; names are not unique and cannot be searched for."""
        path = f"/act_{self._account}/customaudiences"
        params = {"fields": "id,name,subtype", "limit": str(_PAGE)}
        ids: list[str] = []
        while params:
            page = await self._read(path, params)
            data = page.get("data")
            ids += [
                str(item.get("id"))
                for item in (data if isinstance(data, list) else ())
                if isinstance(item, dict) and item.get("name") == self._spec.audience_name
            ]
            paging = page.get("paging")
            cursors = paging.get("cursors") if isinstance(paging, dict) else None
            after = cursors.get("after") if isinstance(cursors, dict) else None
            more = isinstance(paging, dict) and paging.get("next")
            params = {**params, "after": str(after)} if after and more else {}
        if len(ids) > 1:
            message = (
                f"{len(ids)} audiences are named {self._spec.audience_name!r}: rename all but one"
            )
            raise StoppedError(message, code="ambiguous_audience")
        return ids[0] if ids else None

    async def _made(self) -> str:
        document = {
            "name": self._spec.audience_name,
            "description": self._spec.audience_description,
            "subtype": "CUSTOM",
            # Mandatory in practice, though the reference calls it optional.
            "customer_file_source": "USER_PROVIDED_ONLY",
        }
        response = await self._call(
            "POST",
            f"/act_{self._account}/customaudiences",
            body=json.dumps(document).encode(),
            idempotent=False,
        )
        data = response.json()
        audience = data.get("id") if isinstance(data, dict) else None
        if response.status != 200 or not audience:
            error = error_of(response)
            message = "the audience could not be created"
            raise StoppedError(message, code=str(error or response.status))
        return str(audience)

    async def _ready(self) -> None:
        data = await self._read(f"/{self._audience}", {"fields": "name,operation_status"})
        status = data.get("operation_status")
        code = status.get("code", status.get("status")) if isinstance(status, dict) else None
        if code == _REPLACING:
            message = "the audience is busy with an earlier change; the next run goes on"
            raise StoppedError(message, code="414")
        if code == _FLAGGED:
            message = "Facebook flagged the audience for policy; a person must look at its name"
            raise StoppedError(message, code="471")

    async def _read(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        response = await self._call("GET", path, params=params)
        data = response.json()
        if response.status != 200 or not isinstance(data, dict) or error_of(response):
            error = error_of(response)
            message = f"Facebook answered a read with HTTP {response.status}"
            raise StoppedError(message, code=str(error or response.status))
        return data

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        idempotent: bool = True,
    ) -> Response:
        response = await self._transport.request(
            method,
            f"/{VERSION}{path}",
            operation=self._tier,
            judge=judge,
            body=body,
            params={**(params or {}), **self._proof} or None,
            idempotent=idempotent,
            weight=READ if method == "GET" else WRITE,
        )
        usage = response.headers.get("x-ad-account-usage", "")
        if '"standard_access"' in usage:
            self._tier = "full"
        return response


def error_of(response: Response) -> tuple[int, int] | None:
    """Code and subcode of an error object; a 200 may hold one, too."""
    data = response.json()
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return None
    return _number(error.get("code")), _number(error.get("error_subcode"))


def judge(response: Response) -> Verdict:
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
    code, subcode = error
    name = f"{code}/{subcode}" if subcode else str(code)
    if code in _THROTTLES:
        return Verdict(Fate.THROTTLED, f"throttled ({name})", name, _regain(response))
    if error in _WAIT or code == 803:
        return Verdict(Fate.THROTTLED, f"not ready ({name})", name)
    data = response.json()
    if code in _TRANSIENT or data["error"].get("is_transient") is True or response.status >= 500:
        return Verdict(Fate.RETRY, f"transient error {name}", name)
    stops = code in _STOPS or error in _STOP_SUBCODES or 200 <= code <= 299
    if code not in _OURS and not stops:
        return Verdict(Fate.RETRY, f"unknown error {name}", name)
    if stops and error != _SIZE_FLOOR:
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
        except ValueError:
            continue
        if name.startswith("x-ad-account") and isinstance(usage, dict):
            waits.append(float(_number(usage.get("reset_time_duration"))))
        for entries in usage.values() if isinstance(usage, dict) else ():
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict):
                    minutes = _number(entry.get("estimated_time_to_regain_access"))
                    waits.append(60.0 * minutes)
    return min(max(waits), 300.0) if waits and max(waits) > 0 else None


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
