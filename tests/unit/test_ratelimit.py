from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncs.ratelimit import RateLimiter
from syncs.records import Limit


class Time:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def send(limiter: RateLimiter, time: Time, count: int, weight: int = 1) -> list[float]:
    async def go() -> list[float]:
        times = []
        for _ in range(count):
            await limiter.acquire(weight)
            times.append(time.now)
        return times

    return asyncio.run(go())


def worst(times: list[float], seconds: float) -> int:
    return max(sum(t <= other < t + seconds for other in times) for t in times)


@pytest.mark.parametrize(
    "limits", [(Limit(10, 1), Limit(150, 60)), (Limit(75, 1), Limit(750, 60)), (Limit(150, 1),)]
)
def test_no_window_is_exceeded_and_nearly_all_of_it_is_used(
    tmp_path: Path, limits: tuple[Limit, ...]
) -> None:
    time = Time()
    limiter = RateLimiter(tmp_path / "ring", limits, clock=time.clock, sleep=time.sleep)
    count = 4 * max(limit.count for limit in limits)
    times = send(limiter, time, count)
    for limit in limits:
        assert worst(times, limit.seconds) <= limit.count
    slowest = min(limits, key=lambda limit: limit.count / limit.seconds)
    allowed = (count - slowest.count) * slowest.seconds / slowest.count
    assert times[-1] - times[0] <= allowed / 0.95 + slowest.seconds


def test_two_limiters_on_one_file_share_the_windows(tmp_path: Path) -> None:
    time = Time()
    limits = (Limit(10, 1),)
    one = RateLimiter(tmp_path / "ring", limits, clock=time.clock, sleep=time.sleep)
    other = RateLimiter(tmp_path / "ring", limits, clock=time.clock, sleep=time.sleep)
    times = []
    for _ in range(20):
        times += send(one, time, 1) + send(other, time, 1)
    assert worst(times, 1) <= 10


def test_a_write_can_cost_more_than_a_read(tmp_path: Path) -> None:
    time = Time()
    limiter = RateLimiter(tmp_path / "ring", (Limit(60, 300),), clock=time.clock, sleep=time.sleep)
    times = send(limiter, time, 50, weight=3)
    assert worst(times, 300) == 20


def test_a_pause_holds_everybody(tmp_path: Path) -> None:
    time = Time()
    limiter = RateLimiter(tmp_path / "ring", (Limit(10, 1),), clock=time.clock, sleep=time.sleep)
    limiter.pause(7)
    start = time.now
    assert send(limiter, time, 1)[0] >= start + 7


def test_a_clock_set_back_does_not_block_for_ever(tmp_path: Path) -> None:
    time = Time()
    limiter = RateLimiter(tmp_path / "ring", (Limit(2, 1),), clock=time.clock, sleep=time.sleep)
    send(limiter, time, 2)
    time.now -= 1_000_000 - 10
    start = time.now
    assert send(limiter, time, 1)[0] <= start + 1


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(0, 3), min_size=1, max_size=60),
    st.integers(1, 8),
    st.floats(0.5, 5),
)
def test_whatever_the_rhythm_no_window_is_exceeded(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[float], count: int, seconds: float
) -> None:
    time = Time()
    path = tmp_path_factory.mktemp("limits") / "ring"
    limiter = RateLimiter(path, (Limit(count, seconds),), clock=time.clock, sleep=time.sleep)
    times = []
    for gap in gaps:
        time.now += gap
        times += send(limiter, time, 1)
    assert worst(times, seconds) <= count
