"""What a server can do to a request: every attempt ends, and ends in a named error or an answer."""

from __future__ import annotations

import asyncio
import gzip
import logging
import selectors
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from syncs.errors import AnswerLostError, StoppedError, UnreachableError
from syncs.ratelimit import MAX_PAUSE, RateLimiter
from syncs.records import Limit
from syncs.transport import MAX_ATTEMPTS, Response, Transport

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
_LIMITS = (Limit(1_000, 1),)


class Server:
    """A real server on loopback that answers each request with the next of its answers.

    The last answer serves all that follow.
    """

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests = 0
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.address = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                try:
                    await answer(writer)
                finally:
                    self.open -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class LeapingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock leaps to the next timer when neither side has anything to do.

    Client and server share the loop, so a deadline passes because a server is slow, never because
    the machine is: under load, 0.3 real seconds were over before the request was even read.
    """

    def __init__(self) -> None:
        self._leapt = 0.0
        super().__init__(_Leaping(self._leap))

    def time(self) -> float:
        """Seconds that passed on the loop's own clock."""
        return self._leapt

    def _leap(self, seconds: float) -> None:
        self._leapt += seconds


class _Leaping(selectors.DefaultSelector):
    # Longer than the kernel takes to hand over what was written to a loopback socket.
    _SETTLED = 0.01

    def __init__(self, leap: Callable[[float], None]) -> None:
        super().__init__()
        self._leap = leap

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        found = super().select(min(timeout, self._SETTLED))
        if not found:
            self._leap(timeout)
        return found


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()


def whole(body: bytes = b"{}", status: str = "200 OK", headers: str = "") -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


def dripping(start: bytes) -> Answer:
    """A byte now and then, for as long as somebody listens."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.02)

    return answer


def slow(seconds: float) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await whole()(writer)

    return answer


_DRIPS = [
    pytest.param(dripping(b"HTTP/1.1 200 OK\r\nx-long: "), id="in a header"),
    pytest.param(dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"), id="in the body"),
    pytest.param(slow(20), id="silence"),
]


def request(
    server: Server,
    ring: Path,
    *,
    times: int = 1,
    path: str = "/",
    idempotent: bool = True,
    **options: Any,
) -> list[Response]:
    """Ask a server some times at once."""

    async def nap(_: float) -> None:
        """No time between attempts."""

    async def go() -> list[Response]:
        limiter = RateLimiter(ring, _LIMITS)
        async with (
            serving(server),
            Transport(server.address, {}, lambda _: limiter, sleep=nap, **options) as transport,
        ):
            asked = [
                transport.request("GET", path, operation="look-up", idempotent=idempotent)
                for _ in range(times)
            ]
            return list(await asyncio.gather(*asked))

    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(go())


@pytest.mark.parametrize("drip", _DRIPS)
def test_an_answer_that_does_not_end_is_given_up(tmp_path: Path, drip: Answer) -> None:
    server = Server(drip)
    began = time.monotonic()
    with pytest.raises(AnswerLostError, match="no whole answer"):
        request(server, tmp_path / "ring", idempotent=False, answer_seconds=0.3)
    assert time.monotonic() - began < 5
    assert server.requests == 1


@pytest.mark.parametrize("drip", _DRIPS)
def test_after_an_answer_that_does_not_end_the_next_attempt_succeeds(
    tmp_path: Path, drip: Answer
) -> None:
    server = Server(drip, whole(b'{"ok": true}'))
    (response,) = request(server, tmp_path / "ring", answer_seconds=0.3)
    assert response.json() == {"ok": True}
    assert server.connections == 2


def test_an_answer_is_read_up_to_its_cap_and_no_further(tmp_path: Path) -> None:
    (response,) = request(Server(whole(b"a" * 5_000)), tmp_path / "ring", answer_bytes=5_000)
    assert response.body == b"a" * 5_000
    server = Server(whole(b"a" * 5_001))
    with pytest.raises(AnswerLostError, match="over 5,000 bytes"):
        request(server, tmp_path / "ring", answer_bytes=5_000)
    assert server.requests == MAX_ATTEMPTS


def test_a_small_answer_that_unpacks_to_a_large_one_counts_as_large(tmp_path: Path) -> None:
    packed = whole(gzip.compress(b"a" * 1_000_000), headers="content-encoding: gzip\r\n")
    with pytest.raises(AnswerLostError, match="over 100,000 bytes"):
        request(Server(packed), tmp_path / "ring", idempotent=False, answer_bytes=100_000)


def test_bytes_that_are_no_http_are_a_lost_answer(tmp_path: Path) -> None:
    async def noise(writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\xff" * 100 + b"\r\n\r\n")
        writer.close()

    with pytest.raises(AnswerLostError, match="RemoteProtocolError"):
        request(Server(noise), tmp_path / "ring", idempotent=False)


@pytest.mark.parametrize("asked", ["301", "86400", "1e300"])
def test_whoever_is_told_to_wait_too_long_gives_up_at_once(tmp_path: Path, asked: str) -> None:
    server = Server(whole(status="429 Too Many Requests", headers=f"retry-after: {asked}\r\n"))
    with pytest.raises(UnreachableError, match="HTTP 429 after 1 attempts"):
        request(server, tmp_path / "ring")
    assert server.requests == 1

    now = time.time()
    waits: list[float] = []

    async def nap(seconds: float) -> None:
        waits.append(seconds)

    async def next_run() -> None:
        limiter = RateLimiter(tmp_path / "ring", _LIMITS, clock=lambda: now + sum(waits), sleep=nap)
        await limiter.acquire()

    asyncio.run(next_run())
    assert 0 < sum(waits) <= MAX_PAUSE


@pytest.mark.parametrize("asked", ["nan", "inf", "-5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_wait_that_is_no_number_is_ours_to_choose(tmp_path: Path, asked: str) -> None:
    throttled = whole(status="429 Too Many Requests", headers=f"retry-after: {asked}\r\n")
    (response,) = request(Server(throttled, whole()), tmp_path / "ring")
    assert response.status == 200


def test_a_path_that_makes_no_address_is_named_without_it(tmp_path: Path) -> None:
    with pytest.raises(StoppedError) as stopped:
        request(Server(whole()), tmp_path / "ring", path="/jobs/\x00pat@example.com")
    assert "example.com" not in str(stopped.value)
    assert stopped.value.__cause__ is None


def test_no_log_holds_the_query_of_a_look_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    request(Server(whole()), tmp_path / "ring", path='/?filter=equals(email,"pat@example.com")')
    assert "example.com" not in caplog.text


def test_requests_share_no_more_connections_than_allowed(tmp_path: Path) -> None:
    server = Server(slow(0.02))
    assert len(request(server, tmp_path / "ring", times=12, connections=3)) == 12
    assert server.most_open == server.connections == 3
