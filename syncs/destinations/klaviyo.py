"""Klaviyo: profile properties by bulk import job, events by bulk create job.

Facts this module rests on: an import takes 10,000 profiles, 5 MB, 100 KB each; a malformed row
refuses the whole request with a pointer to it; 202 is acceptance, the job's counts and errors
are the result; bulk never writes null, only ``unset`` clears. An event request takes 1,000 events;
the first event of a ``unique_id`` for a profile and metric wins, so a re-sent event is no second
one. Bulk import creates profiles, so update-only looks them up first.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final

from syncs.destinations.base import event_name_sql
from syncs.destinations.klaviyo_pages import any_of, dig, pages
from syncs.errors import AnswerLostError, DeliveryError
from syncs.ratelimit import Sleep
from syncs.records import (
    Accepted,
    Answer,
    Batch,
    Limit,
    Operation,
    Refused,
    RefusedWhole,
    Rejection,
    Shape,
    Started,
    TooLarge,
)
from syncs.spec import EventSpec, ProfileSpec
from syncs.transport import Response, Transport

HOST: Final = "https://a.klaviyo.com"
REVISION: Final = "2026-07-15"

_BULK: Final = (Limit(10, 1), Limit(150, 60))
LIMITS: Final[Mapping[str, Sequence[Limit]]] = {
    "import": _BULK,
    "import_job": _BULK,
    "import_errors": _BULK,
    "profiles": (Limit(75, 1), Limit(750, 60)),
    "events": _BULK,
    "deletion": (Limit(3, 1), Limit(60, 60)),
}

_MEDIA_TYPE: Final = "application/vnd.api+json"
# 5 MB is the limit on a request; the rest is room for the envelope.
_MAX_BYTES: Final = 4_900_000
_LOOKUP: Final = 100
# Klaviyo works through 65 to 125 rows a second, so 10,000 rows take some minutes.
_JOB_DEADLINE: Final = 1800.0
# Opaque, and part of a path.
_JOB_ID: Final = re.compile(r"[A-Za-z0-9_=.:-]{1,200}")
# Halves of a character: JSON can spell them, nothing can store them, so no row of ours has any.
_HALVES: Final = re.compile("[\ud800-\udfff]")
_FIRST_POLL, _LAST_POLL = 0.1, 5.0

_IDENTIFIERS: Final = {
    "email": ("email", "email_of({source})"),
    "phone": ("phone_number", "phone_of({source}, coalesce(c.country, '{country}'))"),
    "phone_number": ("phone_number", "phone_of({source}, coalesce(c.country, '{country}'))"),
}


def headers(token: str) -> dict[str, str]:
    """Headers of every request. Opting out of fall-forward turns a silent change into a 410."""
    return {
        "authorization": f"Klaviyo-API-Key {token}",
        "revision": REVISION,
        "accept": _MEDIA_TYPE,
        "x-klaviyo-revision-fall-forward-opt-out": "1",
    }


def profile_shape(spec: ProfileSpec, country: str) -> Shape:
    """Rows of a bulk import job."""
    field, source, identifier = _identify(spec, country)
    return Shape(
        channel="email",
        source=source,
        key=identifier,
        identifier=identifier,
        payload=f"""'{{"type":"profile","attributes":{{"{field}":'
            || cast(to_json(identifier) as varchar) || ',"properties":' || properties || '}}'
            || case when unset = '[]' then ''
                else ',"meta":{{"patch_properties":{{"unset":' || unset || '}}}}' end
            || '}}'""",
        batch_rows=10_000,
        batch_bytes=_MAX_BYTES,
        ledger_rows=10_000,
        idempotent=True,
        limits=LIMITS["import"],
        revision=REVISION,
        can_unset=True,
    )


def event_shape(spec: EventSpec, country: str) -> Shape:
    """Rows of a bulk event request.

    ``unique_id`` is the segment and the day it was entered: Klaviyo compares it within one profile
    and metric, so it needs no person in it, and survives the loss of everything on our side. An
    entry is a day, not a moment: noon UTC is that same day from Los Angeles to Tokyo.
    """
    field, source, identifier = _identify(spec, country)
    name = event_name_sql(spec)
    return Shape(
        channel="email",
        source=source,
        key=identifier,
        identifier=identifier,
        payload=f"""'{{"type":"event-bulk-create","attributes":{{"backfill":'
            || case when is_history then 'true' else 'false' end
            || ',"profile":{{"data":{{"type":"profile","attributes":{{"{field}":'
            || cast(to_json(identifier) as varchar)
            || '}}}}}},"events":{{"data":[{{"type":"event","attributes":{{"properties":'
            || json_merge_patch(properties,
                json_object('segment', segment, 'entered_on', happened_on))
            || ',"time":"' || happened_on || 'T12:00:00+00:00","unique_id":"' || subject
            || '","metric":{{"data":{{"type":"metric","attributes":{{"name":' || to_json({name})
            || '}}}}}}}}}}]}}}}}}'""",
        batch_rows=1_000,
        batch_bytes=_MAX_BYTES,
        ledger_rows=1_000,
        idempotent=True,
        limits=LIMITS["events"],
        revision=REVISION,
    )


def _identify(spec: ProfileSpec | EventSpec, country: str) -> tuple[str, str, str]:
    kind, column = next(iter(spec.identify_by.items()))
    field, template = _IDENTIFIERS[kind]
    source = f'c."{column}"'
    return field, source, template.format(source=source, country=country)


class _Klaviyo:
    """What both kinds of rows share."""

    lookup_rows = _LOOKUP
    lookups = 8
    # One write after the other: a run that dies leaves one unanswered. Jobs are followed meanwhile.
    concurrency = 1

    def __init__(self, shape: Shape, transport: Transport, field: str) -> None:
        self.shape = shape
        self._transport = transport
        self._field = field

    async def prepare(
        self, rows: Mapping[Operation, int], objects: MutableMapping[str, str]
    ) -> None:
        """Nothing to set up: the first request shows whether the key is good."""

    async def existing(self, identifiers: Sequence[str]) -> set[str]:
        """The identifiers that have a profile, by look-ups of 100."""
        params = {
            "filter": any_of(self._field, identifiers),
            "fields[profile]": self._field,
            "page[size]": str(_LOOKUP),
        }
        asked, found = set(identifiers), set()
        async for page in pages(
            self._transport, "/api/profiles", operation="profiles", params=params
        ):
            for item in page:
                # Addresses come back in the case they were stored in.
                found.add(str(dig(item, "attributes", self._field)).lower())
        return asked & found

    async def _post(
        self, path: str, operation: str, head: str, tail: str, batch: Batch
    ) -> Response:
        return await self._transport.request(
            "POST",
            path,
            operation=operation,
            body=f"{head}{batch.body}{tail}".encode(),
            content_type=_MEDIA_TYPE,
        )


class KlaviyoProfiles(_Klaviyo):
    """Profile properties by bulk import, each job followed to its end."""

    def __init__(
        self,
        spec: ProfileSpec,
        country: str,
        transport: Transport,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        field, _, _ = _identify(spec, country)
        super().__init__(profile_shape(spec, country), transport, field)
        self._clock = clock
        self._sleep = sleep

    async def send(self, batch: Batch) -> Answer:
        """One import job. Leavers travel as profiles too, with their properties reset."""
        response = await self._post(
            "/api/profile-bulk-import-jobs",
            "import",
            '{"data":{"type":"profile-bulk-import-job","attributes":{"profiles":{"data":[',
            "]}}}}",
            batch,
        )
        if response.status != 202:
            return read_refusal(response, re.compile(r"/profiles/data/(\d+)(?:/|$)"), batch.rows)
        job = dig(response.json(), "data", "id")
        if not isinstance(job, str) or not _JOB_ID.fullmatch(job):
            # An empty id would poll the collection and read somebody else's job.
            message = "the import job was accepted without an id"
            raise AnswerLostError(message)
        return Started(job)

    async def follow(self, reference: str, rows: int) -> Accepted:
        """Wait for the end of an import job, and read what it says of each row."""
        try:
            return await self._result(reference, await self._followed(reference), rows)
        except DeliveryError as error:
            # Klaviyo works on the job whether or not we may look at it.
            error.applied = True
            raise

    async def _followed(self, job: str) -> dict[str, Any]:
        deadline = self._clock() + _JOB_DEADLINE
        pause = _FIRST_POLL
        while self._clock() < deadline:
            await self._sleep(pause)
            pause = min(pause * 2, _LAST_POLL)
            response = await self._transport.request(
                "GET", f"/api/profile-bulk-import-jobs/{job}", operation="import_job"
            )
            attributes = dig(response.json(), "data", "attributes")
            if response.status != 200 or not isinstance(attributes, dict):
                continue
            if attributes.get("status") == "complete":
                return attributes
            if attributes.get("status") == "cancelled":
                message = "the import job was cancelled at Klaviyo"
                raise AnswerLostError(message)
        message = f"the import job did not complete within {_JOB_DEADLINE / 60:.0f} minutes"
        raise AnswerLostError(message)

    async def _result(self, job: str, counts: dict[str, Any], rows: int) -> Accepted:
        failed, done, total = (
            _count(counts.get(f"{name}_count")) for name in ("failed", "completed", "total")
        )
        named = await self._import_errors(job) if failed else {}
        if len(named) < failed or (total and done + failed < rows):
            message = (
                f"the import job's counts do not add up: {rows} sent, {done} completed, "
                f"{failed} failed, {len(named)} named"
            )
            raise AnswerLostError(message)
        return Accepted(named=named, confirmed=True, reference=job)

    async def _import_errors(self, job: str) -> dict[str, Rejection]:
        """Every page of import errors, by the identifier they echo."""
        named: dict[str, Rejection] = {}
        path = f"/api/profile-bulk-import-jobs/{job}/import-errors"
        params = {"page[size]": "100"}
        async for page in pages(self._transport, path, operation="import_errors", params=params):
            for error in page:
                attributes = dig(error, "attributes")
                echoed = dig(attributes, "original_payload", self._field)
                if isinstance(echoed, str) and echoed and not _HALVES.search(echoed):
                    named[echoed.lower()] = _rejection(attributes)
        return named


class KlaviyoEvents(_Klaviyo):
    """Events by bulk create; the answer is the last that is heard of them."""

    def __init__(self, spec: EventSpec, country: str, transport: Transport) -> None:
        field, _, _ = _identify(spec, country)
        super().__init__(event_shape(spec, country), transport, field)

    async def send(self, batch: Batch) -> Answer:
        """One request of events."""
        response = await self._post(
            "/api/event-bulk-create-jobs",
            "events",
            '{"data":{"type":"event-bulk-create-job","attributes":{"events-bulk-create":{"data":[',
            "]}}}}",
            batch,
        )
        if response.status == 202:
            return Accepted()
        return read_refusal(
            response, re.compile(r"/events-bulk-create/data/(\d+)(?:/|$)"), batch.rows
        )


def read_refusal(response: Response, pointer: re.Pattern[str], count: int) -> Answer:
    """What a 4xx says: rows by pointer, or nothing that names one.

    Bodies may be HTML, empty or of another shape than documented; the texts in ``detail`` may echo
    people's data and may change, so only ``code`` and ``title`` are kept.
    """
    if response.status == 413:
        return TooLarge()
    rejected: dict[int, Rejection] = {}
    errors = dig(response.json(), "errors")
    listed = [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
    for error in listed:
        match = pointer.search(str(dig(error, "source", "pointer") or ""))
        if match and int(match[1]) < count:
            rejected[int(match[1])] = _rejection(error)
    if rejected:
        return Refused(rejected)
    first = _rejection(listed[0]) if listed else Rejection("refused", str(response.status))
    return RefusedWhole(first)


def _rejection(error: object) -> Rejection:
    code = _harmless(dig(error, "code"), 80)
    title = _harmless(dig(error, "title"), 120).rstrip(".")
    pointer = _harmless(dig(error, "source", "pointer"), 400)
    field = pointer.rsplit("/", 1)[-1] if pointer and not pointer[-1].isdigit() else ""
    return Rejection(f"{title or 'refused'} ({field})" if field else title or "refused",
                     code or "refused")  # fmt: skip


def _harmless(text: object, length: int) -> str:
    """The beginning of a text, or nothing where it is none or may name somebody."""
    if not isinstance(text, str) or not text.isprintable() or re.search(r"@|\d{6}", text):
        return ""
    return text[:length]


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
