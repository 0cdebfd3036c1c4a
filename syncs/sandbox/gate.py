"""What every vendor call passes: faults, the vendor itself, one transaction, the request log."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from syncs.sandbox.calls import Call, Operation, RefusedError, Reply, Vendor, json_reply
from syncs.sandbox.config import Settings
from syncs.sandbox.connections import hang_up
from syncs.sandbox.faults import Faults, Rule
from syncs.sandbox.store import Store

UNKNOWN = "unknown"
_CHALLENGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head>"
    b"<body>Checking your browser.</body></html>"
)
_UNAPPLIED = frozenset({"status", "html", "timeout", "reset"})


class Gate:
    """One vendor as an ASGI application.

    Args:
        vendor: The stand-in behind the gate.
        store: Where calls are logged and what each call's transaction is about.
        settings: The configuration in force.
        faults: The faults still to come.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        vendor: Vendor,
        store: Store,
        settings: Settings,
        faults: Faults,
        clock: Callable[[], float],
    ) -> None:
        self._vendor = vendor
        self._store = store
        self._settings = settings
        self._faults = faults
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        request = Request(scope, receive)
        began = perf_counter()
        call, operation = await self._read(request)
        name = operation.name if operation else UNKNOWN
        rule = self._faults.take(self._vendor.name, name, call.method, call.path, call.body)
        wait = self._settings.config.latency_seconds + (rule.delay if rule else 0.0)
        if wait:
            await asyncio.sleep(wait)
        call = replace(call, now=self._clock(), rule=rule)
        self._vendor.settle(call.now)
        reply = self._serve(operation, call)
        self._log(operation, call, reply, perf_counter() - began)
        if rule is not None and rule.action in {"timeout", "reset", "drop-after-apply"}:
            hang_up(scope, reset=rule.action == "reset")
            await receive()
            return
        body = reply.body
        if rule is not None and rule.action == "truncated-json":
            body = body[: len(body) // 2]
        response = Response(body, reply.status, dict(reply.headers), reply.media_type)
        await response(scope, receive, send)

    async def _read(self, request: Request) -> tuple[Call, Operation | None]:
        root = request.scope.get("root_path", "")
        path = request.scope["path"].removeprefix(root)
        found = self._vendor.find(request.method, path)
        call = Call(
            method=request.method,
            path=path,
            query=dict(request.query_params),
            headers=dict(request.headers),
            body=await request.body(),
            base=f"{request.url.scheme}://{request.url.netloc}{root}",
            now=self._clock(),
            params=found[1] if found else {},
        )
        return call, found[0] if found else None

    def _serve(self, operation: Operation | None, call: Call) -> Reply:
        if call.rule is not None and call.rule.action in _UNAPPLIED:
            return self._fault_reply(call.rule)
        try:
            with self._store.transaction():
                return self._vendor.answer(operation, call)
        except RefusedError as refused:
            return refused.reply

    def _fault_reply(self, rule: Rule) -> Reply:
        if rule.action == "html":
            reply = Reply(rule.status or 403, _CHALLENGE, "text/html")
        elif isinstance(rule.body, dict):
            reply = json_reply(rule.status or 500, rule.body)
        elif isinstance(rule.body, str):
            reply = Reply(rule.status or 500, rule.body.encode(), "text/plain")
        else:
            reply = self._vendor.failure(rule.status or 500, "A server error occurred.")
        return reply.adding(rule.headers)

    def _log(self, operation: Operation | None, call: Call, reply: Reply, seconds: float) -> None:
        """Notes the call without anything that was in it."""
        unanswered = call.rule is not None and call.rule.action in {
            "timeout",
            "reset",
            "drop-after-apply",
        }
        self._store.connection.execute(
            "insert into requests (at, seconds, vendor, operation, method, writes, status,"
            " row_count, target, throttled, fault) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                call.now,
                seconds,
                self._vendor.name,
                operation.name if operation else UNKNOWN,
                call.method,
                operation.writes if operation else call.method not in {"GET", "HEAD"},
                None if unanswered else reply.status,
                reply.rows,
                reply.target,
                reply.throttled,
                call.rule.action if call.rule else None,
            ),
        )


def parse_object(raw: bytes) -> dict[str, object]:
    """The JSON object of a control call; an empty body is an empty object.

    Raises:
        ValueError: It is not one.
    """
    parsed = json.loads(raw) if raw else {}
    if not isinstance(parsed, dict):
        message = "an object is expected"
        raise ValueError(message)  # noqa: TRY004  # like every other flaw of a body
    return parsed
