"""The control calls of the sandbox: look inside, change numbers, order faults, start afresh."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncs.sandbox.by_hand import ByHand
from syncs.sandbox.calls import Vendor
from syncs.sandbox.config import Config, Settings
from syncs.sandbox.faults import Faults, Rule
from syncs.sandbox.gate import parse_object
from syncs.sandbox.klaviyo.checks import is_email
from syncs.sandbox.klaviyo.profiles import Roster
from syncs.sandbox.state import EventCount, RequestCount, SandboxState, Values, read_state
from syncs.sandbox.store import Store

_RULES = TypeAdapter(list[Rule])


class Control:
    """The control calls, all below `/_sandbox`."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        faults: Faults,
        vendors: Sequence[Vendor],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._settings = settings
        self._faults = faults
        self._vendors = vendors
        self._clock = clock

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/state", self.state, methods=["GET"]),
            Route("/requests", self.requests, methods=["GET"]),
            Route("/faults", self.add_faults, methods=["POST"]),
            Route("/faults", self.clear_faults, methods=["DELETE"]),
            Route("/config", self.config, methods=["GET", "POST"]),
            Route("/reset", self.reset, methods=["POST"]),
            Route("/klaviyo/profiles", self.klaviyo_profiles, methods=["POST"]),
            Route("/attentive/people", self.attentive_people, methods=["POST"]),
            Route("/attentive/events", self.attentive_events, methods=["GET"]),
            Route("/facebook/contains", self.facebook_contains, methods=["POST"]),
            *ByHand(self._store, self._clock).routes(),
        ]

    async def health(self, request: Request) -> Response:
        """Says that the sandbox answers, and which one it is."""
        return JSONResponse(
            {"ok": True, "pid": os.getpid(), "instance": request.app.state.instance}
        )

    async def state(self, request: Request) -> Response:
        """What each vendor holds, after everything that is due was applied."""
        del request
        for vendor in self._vendors:
            vendor.settle(self._clock())
        return JSONResponse(as_json(read_state(self._store.connection)))

    async def requests(self, request: Request) -> Response:
        """The request log, oldest first; `vendor` and `since` (an id) narrow it."""
        cursor = self._store.connection.execute(
            "select id, at, seconds, vendor, operation, method, writes, status,"
            " row_count as rows, target, throttled, fault from requests"
            " where ? in ('', vendor) and id > ? order by id",
            (request.query_params.get("vendor", ""), request.query_params.get("since", "0")),
        )
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        flags = ("writes", "throttled")
        return JSONResponse([{**row, **{f: bool(row[f]) for f in flags}} for row in rows])

    async def add_faults(self, request: Request) -> Response:
        """Orders faults: a list of rules."""
        try:
            rules = _RULES.validate_json(await request.body())
        except ValidationError as invalid:
            return JSONResponse({"error": str(invalid)}, 400)
        self._faults.add(rules)
        return JSONResponse({"added": len(rules)})

    async def clear_faults(self, request: Request) -> Response:
        """Calls all faults off."""
        del request
        self._faults.clear()
        return JSONResponse({"cleared": True})

    async def config(self, request: Request) -> Response:
        """Shows or changes the configuration; it survives a restart."""
        if request.method == "POST":
            try:
                changed = self._settings.change(parse_object(await request.body()))
            except ValueError as invalid:
                return JSONResponse({"error": str(invalid)}, 400)
            with self._store.transaction() as connection:
                connection.execute("delete from settings")
                connection.execute(
                    "insert into settings (config) values (?)", (changed.model_dump_json(),)
                )
        return JSONResponse(self._settings.config.model_dump())

    async def reset(self, request: Request) -> Response:
        """Empties everything and goes back to the vendors' documented numbers."""
        del request
        self._store.empty()
        self._faults.clear()
        self._settings.config = Config()
        for vendor in self._vendors:
            vendor.forget()
        return JSONResponse({"reset": True})

    async def klaviyo_profiles(self, request: Request) -> Response:
        """Lets Klaviyo know people already: `{"emails": […]}`."""
        body = parse_object(await request.body())
        emails = body.get("emails")
        if not isinstance(emails, list) or not all(is_email(email) for email in emails):
            return JSONResponse({"error": "emails must be a list of e-mail addresses"}, 400)
        rows = [{"type": "profile", "attributes": {"email": email}} for email in emails]
        with self._store.transaction() as connection:
            roster = Roster(connection, rows, self._clock())
            created = sum(roster.upsert(row, nulls_clear=False)[1] for row in rows)
            roster.save()
        return JSONResponse({"created": created})

    async def attentive_people(self, request: Request) -> Response:
        """Subscribes people at Attentive: `{"phones": […], "emails": […]}`."""
        body = parse_object(await request.body())
        with self._store.transaction() as connection:
            for name, column, flag in (
                ("phones", "phone", "subscribed_text"),
                ("emails", "email", "subscribed_email"),
            ):
                values = body.get(name, [])
                if not isinstance(values, list):
                    return JSONResponse({"error": f"{name} must be a list"}, 400)
                connection.executemany(
                    f"insert into attentive_people ({column}, {flag}) values (?, 1)"
                    f" on conflict ({column}) do update set {flag} = 1",
                    [(str(value).lower(),) for value in values],
                )
        return JSONResponse({"subscribed": True})

    async def attentive_events(self, request: Request) -> Response:
        """The stored events without their people: sending one twice shows here."""
        del request
        cursor = self._store.connection.execute(
            "select type, external_id, occurred_at, received_at, starts_journey"
            " from attentive_events order by id"
        )
        names = [column[0] for column in cursor.description]
        return JSONResponse([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])

    async def facebook_contains(self, request: Request) -> Response:
        """How many of some cells belong to members: `{"audience_id": …, "cells": […]}`."""
        body: dict[str, Any] = await request.json()
        found = sum(
            self._store.connection.execute(
                "select exists (select 1 from facebook_members where audience_id = ?"
                " and ? in (email, phone, extern_id, madid))",
                (str(body["audience_id"]), cell),
            ).fetchone()[0]
            for cell in body["cells"]
        )
        return JSONResponse({"found": found})


def as_json(state: SandboxState) -> dict[str, Any]:
    """The state with names as keys, the form tests and scripts read."""
    klaviyo, attentive = state.klaviyo, state.attentive
    return {
        "klaviyo": {
            **asdict(klaviyo),
            "properties": _values(klaviyo.properties),
            "events": {
                event.name: {"total": event.total, "backfill": event.quiet}
                for event in klaviyo.events
            },
        },
        "attentive": {
            **asdict(attentive),
            "attributes": _values(attentive.attributes),
            "events": _journeys(attentive.events),
        },
        "facebook": asdict(state.facebook),
        "requests": {
            name: _requests(count for count in state.requests if count.vendor == name)
            for name in ("klaviyo", "attentive", "facebook")
        },
    }


def _values(rows: Iterable[Values]) -> dict[str, Any]:
    return {row.name: {"set": row.people, "values": dict(row.values)} for row in rows}


def _journeys(rows: Iterable[EventCount]) -> dict[str, Any]:
    return {row.name: {"total": row.total, "starts_journey": row.total - row.quiet} for row in rows}


def _requests(rows: Iterable[RequestCount]) -> dict[str, Any]:
    counts = list(rows)
    kinds: Counter[bool] = Counter()
    for row in counts:
        kinds[row.writes] += row.count
    return {
        "reads": kinds[False],
        "writes": kinds[True],
        "throttled": sum(row.count for row in counts if row.throttled),
        "by_operation": [asdict(row) for row in counts],
    }
