"""Facebook: customer-list audiences mirrored by adds and removes.

Facts this module rests on: members are rows of hashed cells in one fixed schema per audience,
10,000 a request; DELETE carries a body; removes go before adds and only one stream writes an
audience; re-adding or re-removing is harmless; members cannot be read back. Throttling arrives as
HTTP 400 or 403 with a code in the body. A refused removal (200/1870047) stays a refused removal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from typing import Final

from syncs.destinations.facebook_audiences import find, is_id, rename, status_code
from syncs.destinations.facebook_graph import (
    LIMITED,
    SIZE_FLOOR,
    VERSION,
    WRITE,
    Graph,
    error_of,
    named,
    number,
)
from syncs.destinations.facebook_sessions import UploadSessions
from syncs.errors import AnswerLostError, StoppedError
from syncs.identity import facebook_cell
from syncs.records import (
    Accepted,
    Answer,
    Batch,
    Limit,
    Operation,
    Refused,
    Rejection,
    Shape,
    TooLarge,
)
from syncs.spec import AudienceSpec
from syncs.transport import Response, Transport

_AUDIENCE: Final = "audience_id"
_SCHEMA: Final = "schema"
_REPLACING, _FLAGGED = 414, 471
# Large requests, removals above all, end in a web page or in nothing. One of at most this many rows
# does not fail for its size.
_SMALL: Final = 250


def shape(spec: AudienceSpec, country: str) -> Shape:
    """Rows of cells in the order of ``identify_by``; without e-mail and phone there is no row."""
    where = f"coalesce(c.country, '{country}')"
    cells = {
        key: facebook_cell(key, f'cast(c."{column}" as varchar)', where)
        for key, column in spec.identify_by.items()
    }
    strong = [key for key in ("EMAIL", "PHONE") if key in cells]
    found = {
        "EMAIL": "email_of({})",
        "PHONE": f"phone_of({{}}, {where})",
    }
    known = [found[key].format(f'cast(c."{spec.identify_by[key]}" as varchar)') for key in strong]
    # What tells rows from each other need not be hashed for Facebook: eight hashes a row are dear.
    # Our own id of somebody is no part of who they are there: with another one they stay.
    parts = [f"coalesce(cast(c.\"{column}\" as varchar), '')" for key, column in
             spec.identify_by.items() if key != "EXTERN_ID"]  # fmt: skip
    sources = [f'c."{spec.identify_by[key]}"' for key in ("EMAIL", "PHONE") if key in cells]
    return Shape(
        channel="ads",
        source=f"coalesce({', '.join(sources)})",
        key=(
            f"case when coalesce({', '.join(known)}) is not null "
            f"then concat_ws(chr(31), {where}, {', '.join(parts)}) end"
        ),
        identifier=f"cast(to_json([{', '.join(cells.values())}]) as varchar)",
        payload="identifier",
        batch_rows=10_000,
        batch_bytes=20_000_000,
        ledger_rows=10_000,
        idempotent=True,
        limits=(Limit(LIMITED[0].count // WRITE, LIMITED[0].seconds),),
        revision=VERSION,
        keeps_identifier=True,
        shared=[(list(cells).index(key), cells[key]) for key in strong],
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
        self._graph = Graph(transport, account_id=account_id, token=token, app_secret=app_secret)
        self._run_id = run_id
        self._audience = ""
        self._sessions = UploadSessions(run_id, "", {})
        self._most = dict.fromkeys(Operation, self.shape.batch_rows)
        self._size_matters = True

    async def prepare(
        self, rows: Mapping[Operation, int], objects: MutableMapping[str, str]
    ) -> None:
        """Check the terms, find or make the audience, and see that it takes changes.

        Raises:
            StoppedError: terms not accepted, several audiences of this name, or one that is busy
                or flagged: a person must look.
        """
        account = await self._graph.read(self._graph.account, {"fields": "tos_accepted"})
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
        self._audience = (
            objects.get(_AUDIENCE)
            or await find(self._graph, self._spec.audience_name)
            or await self._made()
        )
        objects.update({_AUDIENCE: self._audience, _SCHEMA: schema})
        self._sessions = UploadSessions(self._run_id, self._audience, rows)
        await self._ready()

    async def send(self, batch: Batch) -> Answer:
        """One batch of a session; a session holds removes, or adds, of one run.

        What was left unanswered may have been carried out. Adding and removing again is harmless,
        so a large batch is then tried in smaller ones before it counts as lost.
        """
        operation = batch.operation
        if batch.rows > self._most[operation]:
            return TooLarge()
        session = json.dumps(self._sessions.batch(operation, batch.rows))
        # The schema must stay the same for the life of an audience, the order of keys with it.
        document = (
            f'{{"payload":{{"schema":{json.dumps(list(self._spec.identify_by))},"is_raw":true,'
            f'"data":[{batch.body}]}},"session":{session}}}'
        )
        method = "DELETE" if operation is Operation.REMOVE else "POST"
        try:
            response = await self._graph.call(
                method, f"/{self._audience}/users", body=document.encode()
            )
        except AnswerLostError:
            self._sessions.lost(operation)
            if self._may_be_size(batch):
                return TooLarge()
            raise
        try:
            answer = _read_answer(response, batch.rows)
        except AnswerLostError:
            self._sessions.lost(operation)
            raise
        if isinstance(answer, Accepted):
            self._sessions.taken(operation, batch.rows)
        else:
            self._sessions.refused(operation, batch.rows)
        return answer

    def _may_be_size(self, batch: Batch) -> bool:
        """Whether smaller batches are worth a try; from now on they are the largest, if so."""
        if batch.rows <= _SMALL:
            self._size_matters = False
        if self._size_matters:
            # A quarter: every size that is still too large costs all the attempts of a request.
            self._most[batch.operation] = max(batch.rows // 4, _SMALL)
        else:
            self._most = dict.fromkeys(Operation, self.shape.batch_rows)
        return self._size_matters

    async def _made(self) -> str:
        document = {
            "name": self._spec.audience_name,
            "description": self._spec.audience_description,
            "subtype": "CUSTOM",
            # Mandatory in practice, though the reference calls it optional.
            "customer_file_source": "USER_PROVIDED_ONLY",
        }
        response = await self._graph.call(
            "POST",
            f"{self._graph.account}/customaudiences",
            body=json.dumps(document).encode(),
            idempotent=False,
        )
        data = response.json()
        audience = data.get("id") if isinstance(data, dict) else None
        if response.status != 200 or not is_id(audience):
            error = error_of(response)
            message = "the audience could not be created"
            raise StoppedError(message, code=named(error) if error else str(response.status))
        return str(audience)

    async def _ready(self) -> None:
        data = await self._graph.read(f"/{self._audience}", {"fields": "name,operation_status"})
        if data.get("name", self._spec.audience_name) != self._spec.audience_name:
            await rename(
                self._graph,
                self._audience,
                self._spec.audience_name,
                self._spec.audience_description,
            )
        code = status_code(data.get("operation_status"))
        if code == _REPLACING:
            message = "the audience is busy with an earlier change; the next run goes on"
            raise StoppedError(message, code="414")
        if code == _FLAGGED:
            message = "Facebook flagged the audience for policy; a person must look at its name"
            raise StoppedError(message, code="471")


def _read_answer(response: Response, rows: int) -> Answer:
    error = error_of(response)
    if error == SIZE_FLOOR:
        reason = "removal refused: the audience would become too small"
        # It is the whole removal that is refused: halving it would only ask more often.
        return Refused(dict.fromkeys(range(rows), Rejection(reason, named(error))))
    if error is not None:
        # Rows are nothing but hashes: what is refused is our request, not a row in it.
        message = f"Facebook refuses the request ({named(error)})"
        raise StoppedError(message, code=named(error))
    data = response.json()
    if response.status != 200 or not isinstance(data, dict) or "num_received" not in data:
        message = f"Facebook answered HTTP {response.status} without a result"
        raise AnswerLostError(message)
    if number(data.get("num_invalid_entries")):
        # Rows are counted, not named, and the count is approximate.
        message = f"Facebook counted {number(data['num_invalid_entries'])} rows as malformed"
        raise AnswerLostError(message)
    if number(data["num_received"]) < rows:
        # The count is of the whole session: too few means that it was over before this batch.
        message = f"Facebook counted {number(data['num_received'])} rows of {rows} sent"
        raise AnswerLostError(message)
    return Accepted(reference=str(data.get("session_id", "")))
