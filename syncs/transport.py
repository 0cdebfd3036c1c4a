"""The only importer of httpx: one request with its limit, its retries and its deadline.

What a status means is the vendor's business: a destination passes a ``Judge``. What to do about it
is decided here once for all three.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, Self

import httpx

from syncs.errors import AnswerLostError, StoppedError, UnreachableError
from syncs.ratelimit import MAX_PAUSE, RateLimiter, Sleep, Slot

MAX_ATTEMPTS = 6
FIRST_BACKOFF = 0.5
MAX_BACKOFF = 30.0
# Longer than this and the run is better ended cleanly and resumed by the next one.
MAX_RETRY_AFTER = MAX_PAUSE
# An answer is read to its end within this many seconds, and is not longer than this many bytes.
ANSWER_SECONDS = 120.0
ANSWER_BYTES = 64 * 1024 * 1024
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
# It notes each URL, and a look-up has addresses in its query.
logging.getLogger("httpx").setLevel(logging.WARNING)
# One connection a client: a pool looks at all of its connections for each request.
_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1)


@dataclass(frozen=True)
class Response:
    """An answer, read to its end. ``body`` may echo personal data: never log it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The parsed body, or None when it is not JSON (HTML, truncated, empty, binary)."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class Fate(Enum):
    """What a response means for its request."""

    DONE = "done"  # an answer the destination module reads, success or refusal
    RETRY = "retry"  # carried out or not, unknown: a server error
    THROTTLED = "throttled"  # not carried out, the vendor is busy with us
    STOP = "stop"  # nothing further can succeed until a person acts


@dataclass(frozen=True)
class Verdict:
    """A fate with its reason, the vendor's code, and the wait it asks for in seconds."""

    fate: Fate
    reason: str = ""
    code: str = ""
    wait: float | None = None


Judge = Callable[[Response], Verdict]


def judge_by_status(response: Response) -> Verdict:
    """The common reading of HTTP: Klaviyo and Attentive follow it."""
    status = response.status
    if status in (401, 403):
        what = "authentication refused" if status == 401 else "permission refused"
        return Verdict(Fate.STOP, what, str(status))
    if status == 410:
        return Verdict(Fate.STOP, "this version of the vendor's API is retired", "410")
    if status in (429, 503):
        return Verdict(Fate.THROTTLED, f"HTTP {status}", str(status), retry_after(response))
    if status >= 500 or status == 408:
        return Verdict(Fate.RETRY, f"HTTP {status}", str(status), retry_after(response))
    return Verdict(Fate.DONE)


def retry_after(response: Response) -> float | None:
    """Seconds of a Retry-After header, or None; a date or a word is no number we trust."""
    value = response.headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


@dataclass
class Traffic:
    """Requests of one sync run, counted where they leave."""

    requests: int = 0
    writes: int = 0
    retries: int = 0


@cache
def _trusted() -> ssl.SSLContext:
    """Whom we trust; reading all those certificates takes 23 ms, so once a process."""
    return httpx.create_ssl_context(trust_env=False)


class Transport:
    """Sends requests to one vendor host.

    Args:
        base_url: scheme and host, maybe a path prefix.
        headers: sent with every request (credentials among them; never logged).
        limiters: one per vendor operation.
        sleep: waits between attempts; injected.
        jitter: a number in [0, 1); injected.
        connections: requests on their way at the same time, the others wait.
        answer_seconds: how long one attempt may take in all.
        answer_bytes: how long an answer may be.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        limiters: Callable[[str], RateLimiter],
        *,
        sleep: Sleep = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        connections: int = 64,
        answer_seconds: float = ANSWER_SECONDS,
        answer_bytes: int = ANSWER_BYTES,
    ) -> None:
        self._base = base_url
        self._limiter = limiters
        self._sleep = sleep
        self._jitter = jitter
        self.traffic = Traffic()
        self._answer_seconds = answer_seconds
        self._answer_bytes = answer_bytes
        self._headers = dict(headers)
        self._builder = self._new_client()
        self._idle = [self._builder]
        self._room = asyncio.Semaphore(connections)

    def _new_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            headers=self._headers,
            verify=_trusted(),
            timeout=_TIMEOUT,
            limits=_ONE,
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._idle:
            await client.aclose()
        self._idle.clear()

    async def request(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        judge: Judge = judge_by_status,
        body: bytes | None = None,
        content_type: str = "application/json",
        params: Mapping[str, str] | None = None,
        idempotent: bool = True,
        weight: int = 1,
    ) -> Response:
        """One answered request, retried as far as that is safe.

        Args:
            method: HTTP method; anything but GET counts as a write.
            path: appended to the base URL.
            operation: the vendor operation whose rate limit it falls under.
            judge: what a response means at this vendor.
            body: the bytes to send.
            content_type: media type of ``body``.
            params: query parameters, encoded here.
            idempotent: sending it twice equals sending it once.
            weight: cost in units of the rate limit.

        Raises:
            StoppedError: nothing further can succeed until a person acts.
            UnreachableError: surely not carried out: never answered, or told to wait too long.
            AnswerLostError: perhaps carried out, and not to be repeated blindly.
        """
        limiter = self._limiter(operation)
        media = {"content-type": content_type} if body is not None else None
        call = self._build(method, path, content=body, params=params, headers=media)
        maybe_applied = False
        verdict = Verdict(Fate.RETRY)
        attempts = 0
        while attempts < MAX_ATTEMPTS and (verdict.wait or 0) <= MAX_RETRY_AFTER:
            if attempts:
                self.traffic.retries += 1
                await self._sleep(self._pause(attempts, verdict.wait))
            attempts += 1
            async with self._connection() as client:
                # Counted when the connection is there, right before the bytes leave.
                slot = await limiter.acquire(weight)
                self.traffic.requests += 1
                self.traffic.writes += method != "GET"
                response, verdict = await self._attempt(client, call, limiter, slot, judge)
            if response is not None and verdict.fate is Fate.DONE:
                return response
            if verdict.fate is Fate.STOP:
                stopped = StoppedError(verdict.reason, code=verdict.code)
                stopped.applied = maybe_applied
                raise stopped
            if verdict.fate is Fate.THROTTLED and verdict.wait is not None:
                limiter.pause(verdict.wait)
            # A gateway may answer 503 after it passed the request on.
            if verdict.fate is Fate.RETRY or (not idempotent and verdict.code == "503"):
                maybe_applied = True
                if not idempotent:
                    message = f"{method} {operation}: {verdict.reason}; not repeated"
                    raise AnswerLostError(message)
        message = f"{method} {operation}: {verdict.reason} after {attempts} attempts"
        raise AnswerLostError(message) if maybe_applied else UnreachableError(message)

    def _build(self, method: str, path: str, **parts: Any) -> httpx.Request:
        try:
            return self._builder.build_request(method, f"{self._base}{path}", **parts)
        except (httpx.InvalidURL, UnicodeError):
            # An identifier in an earlier answer can be anything, and became part of the path.
            message = f"{method}: base URL and path make no address"
            raise StoppedError(message, code="url") from None

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[httpx.AsyncClient]:
        """A connection of one's own for the time of a request, the last used one first."""
        async with self._room:
            client = self._idle.pop() if self._idle else self._new_client()
            try:
                yield client
            finally:
                self._idle.append(client)

    async def _attempt(
        self,
        client: httpx.AsyncClient,
        call: httpx.Request,
        limiter: RateLimiter,
        slot: Slot,
        judge: Judge,
    ) -> tuple[Response | None, Verdict]:
        try:
            async with asyncio.timeout(self._answer_seconds):
                reply = await client.send(call, stream=True)
                limiter.answered(slot)
                body = await self._read(reply)
        except TimeoutError:
            return None, Verdict(Fate.RETRY, f"no whole answer in {self._answer_seconds:.0f} s")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return None, Verdict(Fate.THROTTLED, type(error).__name__)
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            # A base URL without a scheme, a line end in a key: nothing left this machine.
            return None, Verdict(Fate.STOP, f"{type(error).__name__}: check base URL and key")
        except httpx.HTTPError as error:
            # The exception's text holds the URL with its query: keep the type only.
            return None, Verdict(Fate.RETRY, type(error).__name__)
        if body is None:
            return None, Verdict(Fate.RETRY, f"an answer of over {self._answer_bytes:,} bytes")
        headers = {name.lower(): value for name, value in reply.headers.items()}
        response = Response(reply.status_code, headers, body)
        return response, judge(response)

    async def _read(self, reply: httpx.Response) -> bytes | None:
        """The whole body, or None when it is too long; the connection is free afterwards."""
        body = bytearray()
        try:
            async for chunk in reply.aiter_bytes():
                body += chunk
                if len(body) > self._answer_bytes:
                    return None
        finally:
            await reply.aclose()
        return bytes(body)

    def _pause(self, attempt: int, asked: float | None) -> float:
        """Full jitter on a doubling ceiling, never shorter than the vendor asked for."""
        ceiling = min(FIRST_BACKOFF * 2 ** (attempt - 1), MAX_BACKOFF)
        backoff = float(ceiling * (0.5 + self._jitter() / 2))
        return max(backoff, asked or 0.0)
