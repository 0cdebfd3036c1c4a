"""A vendor's rate limits, counted over every request of every process on this machine.

A vendor counts per account, so the count lives in a small file that all processes of one
installation share: a ring of the times of the last requests. With ``n`` requests allowed in ``s``
seconds, request ``k`` may leave ``s`` seconds after request ``k - n``. That is exact for a sliding
window, hence right for the fixed windows vendors use.

What counts is when a request arrives, and that is seen from here only in part: it is somewhere
between the moment it left and the moment it was answered. What an answer took longer than the
fastest one is therefore added to the time in the ring, as if the request had left later. A stall
on either side, or a connection that had to be opened first, is so paid for by what follows it.
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import os
import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from syncs.records import Limit

if TYPE_CHECKING:
    from collections.abc import Iterator

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

# No vendor holds everybody up for longer than this, whatever it asks for, in seconds.
MAX_PAUSE: Final = 300.0

# A window is kept 1 % longer than it is, half a second at most: room for what the answers' times
# do not show, as when they are not in yet.
_MARGIN: Final = 0.01
_MARGIN_CAP: Final = 0.5
# From this many a second on, requests are spaced evenly: sent at once they would queue up on both
# sides and arrive as no one sent them. Fewer may leave together, as a first sync wants.
_SPACED_FROM: Final = 100
_SPACED_WINDOW: Final = 10.0
# After a hold-up shorter than this share of the window, requests follow closer to make up for it.
_CATCH_UP: Final = 0.1
# So many answers are enough to know the fastest; before that an answer's whole time is counted.
_ENOUGH: Final = 100
# The fastest is forgotten slowly: a vendor that became slower for good is no stall.
_FORGET: Final = 0.001

# The file: until when the vendor asked for silence, when the next spaced request is due, how many
# units were ever sent, and the ring of their times.
_QUIET, _DUE, _SENT, _RING = range(4)


class Slot(NamedTuple):
    """What a request was counted as: its units in the ring, from ``first`` on, and when."""

    first: int
    units: int
    at: float


class RateLimiter:
    """Lets requests go when none of ``limits`` can be broken by it.

    Args:
        path: the shared file; made if missing. One file per account and vendor operation.
        limits: the vendor's windows.
        clock: seconds since the epoch (shared by processes, so not a monotonic clock).
        sleep: waits; injected so that tests need no time.
    """

    def __init__(
        self,
        path: Path,
        limits: Sequence[Limit],
        *,
        clock: Clock = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._path = path
        self._windows = tuple((limit.count, _stretched(limit)) for limit in limits)
        spaced = [limit for limit in limits if _is_spaced(limit)]
        self._gap = max((_stretched(limit) / limit.count for limit in spaced), default=0.0)
        self._catch_up = max((limit.seconds * _CATCH_UP for limit in spaced), default=0.0)
        self._ring = max(limit.count for limit in limits)
        self._clock = clock
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._fastest = math.inf
        self._answers = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    async def acquire(self, weight: int = 1) -> Slot:
        """Wait until a request may leave. It is counted as leaving now: send it at once.

        Nothing is reserved ahead of its time. Whoever is late, because the event loop was busy or
        another process was quicker, finds out here and not at the vendor.

        Args:
            weight: how many units of the window the request costs (Facebook: a write costs 3).
        """
        async with self._turn:
            while isinstance(found := self._take(weight), float):
                await self._sleep(found)
        return found

    def answered(self, slot: Slot) -> None:
        """Note that the request of ``slot`` is answered now: it may have arrived late."""
        took = self._clock() - slot.at
        if took < 0:
            return
        slower = took - self._fastest
        self._fastest = took if slower < 0 else self._fastest + slower * _FORGET
        self._answers += 1
        at = slot.at + (took if self._answers <= _ENOUGH else max(slower, 0.0))
        with self._opened() as (descriptor, state):
            for unit in range(slot.first, slot.first + slot.units):
                if state[_SENT] - unit <= self._ring:
                    self._write(descriptor, _RING + unit % self._ring, at)

    def pause(self, seconds: float) -> None:
        """Let nobody on this account send for ``seconds``, as the vendor asked.

        Longer than ``MAX_PAUSE`` is cut to it: an absurd answer must not stop everybody for good.
        """
        with self._opened() as (descriptor, state):
            until = self._clock() + min(seconds, MAX_PAUSE)
            self._write(descriptor, _QUIET, max(state[_QUIET], until))

    def _take(self, weight: int) -> Slot | float:
        """The slot of a request that leaves now, or the seconds until asking makes sense."""
        with self._opened() as (descriptor, state):
            # Read under the lock: nothing in the file is later than now.
            now = self._clock()
            self._set_back(descriptor, state, now)
            first = int(state[_SENT])
            units = range(first, first + weight)
            due = state[_DUE] if state[_DUE] > now - self._catch_up else now
            at = max(state[_QUIET], due, *self._free(state, units))
            if at > now:
                return at - now
            for unit in units:
                self._write(descriptor, _RING + unit % self._ring, now)
            self._write(descriptor, _DUE, due + self._gap * weight, float(first + weight))
        return Slot(first, weight, now)

    def _free(self, state: array[float], units: range) -> Iterator[float]:
        """When each window has room for each unit."""
        for count, seconds in self._windows:
            for unit in units:
                yield state[_RING + (unit - count) % self._ring] + seconds

    def _set_back(self, descriptor: int, state: array[float], now: float) -> None:
        """Times in the future were noted before the clock was set back: count them as now."""
        if max(state[_RING:]) <= now and state[_QUIET] <= now + MAX_PAUSE:
            return
        state[_QUIET] = min(state[_QUIET], now + MAX_PAUSE)
        state[_DUE] = min(state[_DUE], now)
        state[_RING:] = array("d", [min(at, now) for at in state[_RING:]])
        self._write(descriptor, 0, *state)

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, array[float]]]:
        """The locked file and what it holds."""
        size = 8 * (_RING + self._ring)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_size != size:
                # New, or the limits changed: start from silence.
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, size)
            yield descriptor, array("d", os.pread(descriptor, size, 0))
        finally:
            os.close(descriptor)

    @staticmethod
    def _write(descriptor: int, index: int, *values: float) -> None:
        os.pwrite(descriptor, array("d", values).tobytes(), index * 8)


def _stretched(limit: Limit) -> float:
    """The seconds for which a window is kept."""
    return limit.seconds + min(limit.seconds * _MARGIN, _MARGIN_CAP)


def _is_spaced(limit: Limit) -> bool:
    return limit.count >= _SPACED_FROM * limit.seconds and limit.seconds <= _SPACED_WINDOW
