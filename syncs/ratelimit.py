"""A vendor's rate limits, counted over every request of every process on this machine.

A vendor counts per account, so the count lives in a small file that all processes of one
installation share. For each window of ``n`` requests in ``s`` seconds the file holds a ring of the
last ``n`` send times: request ``k`` may leave ``s`` seconds after request ``k - n``. That is exact
for a sliding window, hence right for the fixed windows vendors use, and costs the same for
10 requests a second as for 3,500 a minute.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from syncs.records import Limit

if TYPE_CHECKING:
    from collections.abc import Iterator

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

# Requests leave us evenly but arrive with jitter. Stretching a window by 4.5 % (half a second at
# most) absorbs it and still uses 95 % of what is allowed.
_MARGIN = 0.045
_MARGIN_CAP = 0.5
# Reservations honestly lie at most this far ahead, in seconds.
_HORIZON = 3600.0


class RateLimiter:
    """Hands out send times that break none of ``limits``.

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
        self._limits = tuple(limits)
        self._clock = clock
        self._sleep = sleep
        # Per window: how many were ever sent, then the ring of their send times. One more double
        # holds the time before which the vendor asked for silence.
        self._size = 8 * (1 + sum(1 + limit.count for limit in self._limits))
        path.parent.mkdir(parents=True, exist_ok=True)

    async def acquire(self, weight: int = 1) -> float:
        """Wait until a request may leave; returns the seconds waited.

        Args:
            weight: how many units of the window the request costs (Facebook: a write costs 3).
        """
        waited = self._reserve(weight) - self._clock()
        if waited > 0:
            await self._sleep(waited)
        return max(waited, 0.0)

    def pause(self, seconds: float) -> None:
        """Let nobody on this account send for ``seconds``: the vendor said so (429)."""
        with self._open() as descriptor:
            until = max(self._read(descriptor, 0), self._clock() + seconds)
            self._write(descriptor, 0, until)

    def _reserve(self, weight: int) -> float:
        """The time at which the caller may send, already entered in every ring."""
        now = self._clock()
        with self._open() as descriptor:
            quiet_until = self._read(descriptor, 0)
            at = max(now, quiet_until) if quiet_until - now < _HORIZON else now
            for limit, offset in self._rings():
                sent = int(self._read(descriptor, offset))
                for k in range(weight):
                    slot = offset + 1 + (sent + k) % limit.count
                    last = self._read(descriptor, slot)
                    window = limit.seconds + min(limit.seconds * _MARGIN, _MARGIN_CAP)
                    # A time further ahead than any queue was written before the clock was set back.
                    if last and last - now < _HORIZON:
                        at = max(at, last + window)
            for limit, offset in self._rings():
                sent = int(self._read(descriptor, offset))
                for k in range(weight):
                    self._write(descriptor, offset + 1 + (sent + k) % limit.count, at)
                self._write(descriptor, offset, float(sent + weight))
        return at

    def _rings(self) -> Iterator[tuple[Limit, int]]:
        offset = 1
        for limit in self._limits:
            yield limit, offset
            offset += 1 + limit.count

    @contextmanager
    def _open(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_size != self._size:
                # New, or the limits changed: start from silence.
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, self._size)
            yield descriptor
        finally:
            os.close(descriptor)

    @staticmethod
    def _read(descriptor: int, index: int) -> float:
        value: float = struct.unpack("<d", os.pread(descriptor, 8, index * 8))[0]
        return value

    @staticmethod
    def _write(descriptor: int, index: int, value: float) -> None:
        os.pwrite(descriptor, struct.pack("<d", value), index * 8)
