"""Attentive: custom attributes and custom events, V1 only.

V1 because its scopes cannot opt anybody in to texts; no call here can start a subscription. One
user per call, 150 calls a second. Attributes overwrite, so repeating one is harmless; no dedupe is
promised for events, so an event whose answer was lost is never sent again by itself. An event older
than twelve hours starts no journey: ``occurredAt`` is the moment of sending, the day of entry
travels as the property ``entered_on``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Final

from syncs.destinations.base import event_name_sql
from syncs.records import Accepted, Answer, Batch, Limit, Operation, Rejection, Shape
from syncs.spec import EventSpec, ProfileSpec
from syncs.sql import literal
from syncs.transport import Response, Transport

HOST: Final = "https://api.attentivemobile.com"

_EACH: Final = (Limit(150, 1),)
LIMITS: Final[Mapping[str, Sequence[Limit]]] = {
    "attributes": _EACH,
    "attribute_reads": _EACH,
    "events": _EACH,
    "privacy": _EACH,
    "privacy_status": _EACH,
}

# No size is documented for V1; a row of ours is some hundred bytes.
_MAX_BYTES: Final = 256 * 1024


def headers(token: str) -> dict[str, str]:
    """Headers of every request."""
    return {"authorization": f"Bearer {token}", "accept": "application/json"}


def attribute_shape(spec: ProfileSpec, country: str) -> Shape:
    """One user with all attributes; nulls are never sent, they cannot clear anything."""
    user, source, identifier = _identify(spec, country)
    return Shape(
        channel="sms",
        source=source,
        key=identifier,
        identifier=identifier,
        payload=f"""'{{"user":{user},"properties":' || properties || '}}'""",
        batch_rows=1,
        batch_bytes=_MAX_BYTES,
        # Recorded together: about four seconds' worth, so that waiting for the last of one batch
        # before the first of the next costs little of the rate.
        ledger_rows=600,
        idempotent=True,
        limits=LIMITS["attributes"],
        revision="v1",
    )


def event_shape(spec: EventSpec, country: str) -> Shape:
    """One event; ``externalEventId`` is the same whenever and however often it is built."""
    user, source, identifier = _identify(spec, country)
    name = event_name_sql(spec)
    return Shape(
        channel="sms",
        source=source,
        key=identifier,
        identifier=identifier,
        payload=f"""'{{"type":' || to_json({name}) || ',"user":{user},"properties":'
            || json_merge_patch(properties,
                json_object('segment', segment, 'entered_on', happened_on))
            || ',"externalEventId":"'
            || cast(cast(md5({literal(spec.name)} || '|' || identifier || '|' || subject)
                as uuid) as varchar) || '"}}'""",
        batch_rows=1,
        batch_bytes=_MAX_BYTES,
        # Each event is recorded before and after its request: what is in flight when the power
        # goes is what a person has to look at.
        ledger_rows=1,
        idempotent=False,
        limits=LIMITS["events"],
        revision="v1",
    )


def _identify(spec: ProfileSpec | EventSpec, country: str) -> tuple[str, str, str]:
    kind, column = next(iter(spec.identify_by.items()))
    source = f'c."{column}"'
    if kind == "email":
        identifier = f"email_of({source})"
    else:
        kind, identifier = "phone", f"phone_of({source}, coalesce(c.country, '{country}'))"
    return f"""{{"{kind}":' || cast(to_json(identifier) as varchar) || '}}""", source, identifier


class _Attentive:
    # Enough for 150 calls a second at 200 ms each; the pool below costs more the wider it is.
    concurrency = 32

    def __init__(self, shape: Shape, transport: Transport) -> None:
        self.shape = shape
        self._transport = transport

    async def prepare(
        self, rows: Mapping[Operation, int], objects: MutableMapping[str, str]
    ) -> None:
        """Nothing to set up: the first request shows whether the key is good."""


class AttentiveAttributes(_Attentive):
    """Custom attributes of one person a call."""

    def __init__(self, spec: ProfileSpec, country: str, transport: Transport) -> None:
        super().__init__(attribute_shape(spec, country), transport)

    async def send(self, batch: Batch) -> Answer:
        """One person. Leavers travel the same way, with their attributes reset."""
        response = await self._transport.request(
            "POST",
            "/v1/attributes/custom",
            operation="attributes",
            body=batch.body.encode(),
        )
        return _read(response)


class AttentiveEvents(_Attentive):
    """Custom events, one a call, never repeated when the answer was lost."""

    def __init__(
        self,
        spec: EventSpec,
        country: str,
        transport: Transport,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(event_shape(spec, country), transport)
        self._clock = clock

    async def send(self, batch: Batch) -> Answer:
        """One event, stamped with the moment of sending."""
        now = self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        payload = f'{batch.body[:-1]},"occurredAt":"{now}"}}'
        response = await self._transport.request(
            "POST",
            "/v1/events/custom",
            operation="events",
            body=payload.encode(),
            idempotent=False,
        )
        return _read(response)


def _read(response: Response) -> Answer:
    """Any 2xx is acceptance. No error body is documented and one may echo values: status only."""
    if 200 <= response.status < 300:
        return Accepted()
    if response.status == 413:
        return Accepted({0: Rejection("the row is too large", "413")})
    return Accepted({0: Rejection("refused by Attentive", str(response.status))})
