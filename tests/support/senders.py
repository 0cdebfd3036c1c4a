"""Processes that send the same request over and over, and what a vendor's windows say to it."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from syncs.ratelimit import RateLimiter
from syncs.records import Limit
from syncs.transport import Transport
from tests.support.box import Box

ATTENTIVE = Limit(150, 1)
KLAVIYO = (Limit(10, 1), Limit(150, 60))


@dataclass(frozen=True)
class Sender:
    """One process: ``requests`` in all, from several workers at once.

    Every ``stall_every`` seconds its event loop stands still for ``stall`` seconds, as when a
    ledger is written.
    """

    base: str
    headers: dict[str, str]
    method: str
    path: str
    limits: tuple[Limit, ...]
    ring: Path
    requests: int
    stall_every: float = 0.0
    stall: float = 0.0
    workers: int = 32

    def run(self) -> int:
        """Send all of them; how many it took, repetitions included."""
        return asyncio.run(self._send())

    async def _send(self) -> int:
        limiter = RateLimiter(self.ring, self.limits)
        async with Transport(self.base, self.headers, lambda _: limiter) as transport:
            left = iter(range(self.requests))

            async def work() -> None:
                for number in left:
                    answer = await transport.request(
                        self.method, self.path, operation="all", body=self._body(number)
                    )
                    assert answer.status == 200

            stalls = asyncio.create_task(self._stand_still())
            await asyncio.gather(*(work() for _ in range(self.workers)))
            stalls.cancel()
            return transport.traffic.requests

    def _body(self, number: int) -> bytes | None:
        if self.method == "GET":
            return None
        person = {"phone": f"+1202555{100 + number % 100:04}"}
        return json.dumps({"user": person, "properties": {"number": str(number)}}).encode()

    async def _stand_still(self) -> None:
        while self.stall_every:
            await asyncio.sleep(self.stall_every)
            time.sleep(self.stall)  # noqa: ASYNC251 this is what is tried


def to_attentive(
    box: Box, ring: Path, requests: int, *, stall_every: float = 0.0, stall: float = 0.0
) -> Sender:
    return Sender(
        base=f"{box.address}/attentive",
        headers={"authorization": "Bearer token"},
        method="POST",
        path="/v1/attributes/custom",
        limits=(ATTENTIVE,),
        ring=ring,
        requests=requests,
        stall_every=stall_every,
        stall=stall,
    )


def to_klaviyo(box: Box, ring: Path, requests: int) -> Sender:
    return Sender(
        base=f"{box.address}/klaviyo",
        headers={"authorization": "Klaviyo-API-Key pk_test", "revision": "2026-07-15"},
        method="GET",
        path="/api/profile-bulk-import-jobs",
        limits=KLAVIYO,
        ring=ring,
        requests=requests,
    )


def run_together(senders: Sequence[Sender]) -> int:
    """Run each in a process of its own; how many requests all of them sent."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(senders), mp_context=spawn) as pool:
        return sum(pool.map(Sender.run, senders))


def most_at_once(arrivals: Sequence[float], seconds: float) -> int:
    """The most arrivals (sorted) in any window, wherever it begins: no vendor counts harder."""
    return max(bisect_left(arrivals, at + seconds) - first for first, at in enumerate(arrivals))


def most_in_a_fixed_window(arrivals: Sequence[float], seconds: float) -> int:
    """The most arrivals in a window that begins at a whole multiple of its length."""
    return max(Counter(at // seconds for at in arrivals).values())
