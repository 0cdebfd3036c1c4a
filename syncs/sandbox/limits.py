"""The vendors' rate limits: fixed windows (Klaviyo, Attentive) and a score (Facebook)."""

import math
from collections import deque
from dataclasses import dataclass


class FixedWindow:
    """Counts calls in windows that begin at whole multiples of their length.

    Two bursts around the edge of a window both pass, as they do at a vendor with fixed windows.
    """

    def __init__(self, limit: int, seconds: int) -> None:
        self.limit = limit
        self.seconds = seconds
        self._window = -1
        self._count = 0

    def _turn(self, now: float) -> None:
        window = math.floor(now / self.seconds)
        if window != self._window:
            self._window, self._count = window, 0

    def remaining(self, now: float) -> int:
        """Calls that still fit into the window of this moment."""
        self._turn(now)
        return max(self.limit - self._count, 0)

    def wait(self, now: float) -> float:
        """Seconds until the next window."""
        return (math.floor(now / self.seconds) + 1) * self.seconds - now

    def count(self, now: float) -> None:
        """Records one admitted call."""
        self._turn(now)
        self._count += 1


@dataclass(frozen=True, slots=True)
class Admission:
    """The limiter's answer: whether the call may go on, and if not, how long to wait."""

    admitted: bool
    wait_seconds: float = 0.0


class TwoWindows:
    """A burst window of one second and a steady window of one minute; both must have room."""

    def __init__(self, per_second: int, per_minute: int) -> None:
        self.burst = FixedWindow(per_second, 1)
        self.steady = FixedWindow(per_minute, 60)

    def admit(self, now: float) -> Admission:
        """Counts the call if both windows have room; a refused call costs nothing."""
        full = [w for w in (self.burst, self.steady) if w.remaining(now) == 0]
        if full:
            return Admission(admitted=False, wait_seconds=max(w.wait(now) for w in full))
        self.burst.count(now)
        self.steady.count(now)
        return Admission(admitted=True)


class Score:
    """Points over a sliding window; going over the ceiling blocks, calling while blocked prolongs.

    Args:
        seconds: Length of the window points count in.
    """

    def __init__(self, seconds: int = 300) -> None:
        self.seconds = seconds
        self._points: deque[tuple[float, int]] = deque()
        self._total = 0
        self._blocked_until = 0.0

    def total(self, now: float) -> int:
        """Points that still count."""
        while self._points and self._points[0][0] <= now - self.seconds:
            self._total -= self._points.popleft()[1]
        return self._total

    def admit(self, now: float, points: int, ceiling: int, block_seconds: int) -> Admission:
        """Adds the points unless the account is blocked or would go over the ceiling."""
        if now < self._blocked_until or self.total(now) + points > ceiling:
            self._blocked_until = now + block_seconds
            return Admission(admitted=False, wait_seconds=block_seconds)
        self._points.append((now, points))
        self._total += points
        return Admission(admitted=True)

    def blocked_for(self, now: float) -> float:
        """Seconds until the block ends; 0 when there is none."""
        return max(self._blocked_until - now, 0.0)
