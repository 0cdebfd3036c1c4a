from __future__ import annotations

import asyncio
import heapq
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncs.ratelimit import MAX_PAUSE, RateLimiter
from syncs.records import Limit
from tests.support.senders import most_at_once

ATTENTIVE = (Limit(150, 1),)
KLAVIYO = (Limit(10, 1), Limit(150, 60))


class Time:
    """A clock that only moves when somebody sleeps. Answers come in while one does."""

    def __init__(self, overshoot: float = 0.0) -> None:
        self.now = 1_000_000.0
        self.answers: list[tuple[float, int, tuple[RateLimiter, object]]] = []
        self._overshoot = overshoot

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds + self._overshoot
        while self.answers and self.answers[0][0] <= until:
            self.now, _, (limiter, slot) = heapq.heappop(self.answers)
            limiter.answered(slot)  # type: ignore[arg-type]
        self.now = until

    def limiter(self, path: Path, limits: tuple[Limit, ...]) -> RateLimiter:
        return RateLimiter(path, limits, clock=self.clock, sleep=self.sleep)


def send(limiter: RateLimiter, time: Time, count: int, weight: int = 1) -> list[float]:
    async def go() -> list[float]:
        times = []
        for _ in range(count):
            await limiter.acquire(weight)
            times.append(time.now)
        return times

    return asyncio.run(go())


def arrive(limiter: RateLimiter, time: Time, delays: list[float]) -> list[float]:
    """Send one request for each delay, as soon as allowed; when each arrived and was answered."""

    async def go() -> list[float]:
        arrivals = []
        for number, delay in enumerate(delays):
            slot = await limiter.acquire()
            arrivals.append(time.now + delay)
            heapq.heappush(time.answers, (time.now + delay, number, (limiter, slot)))
        return sorted(arrivals)

    return asyncio.run(go())


def worst(times: list[float], seconds: float) -> int:
    return most_at_once(sorted(times), seconds)


@pytest.mark.parametrize("limits", [KLAVIYO, (Limit(75, 1), Limit(750, 60)), ATTENTIVE])
def test_no_window_is_exceeded_and_nearly_all_of_it_is_used(
    tmp_path: Path, limits: tuple[Limit, ...]
) -> None:
    time = Time()
    count = 4 * max(limit.count for limit in limits)
    times = send(time.limiter(tmp_path / "ring", limits), time, count)
    for limit in limits:
        assert worst(times, limit.seconds) <= limit.count
    slowest = min(limits, key=lambda limit: limit.count / limit.seconds)
    allowed = (count - slowest.count) * slowest.seconds / slowest.count
    assert times[-1] - times[0] <= allowed / 0.95 + slowest.seconds


def test_many_a_second_are_spaced_and_a_few_leave_at_once(tmp_path: Path) -> None:
    time = Time()
    spaced = send(time.limiter(tmp_path / "many", ATTENTIVE), time, 300)
    gaps = [later - earlier for earlier, later in pairwise(spaced)]
    assert min(gaps) > 1 / 151
    together = send(time.limiter(tmp_path / "few", KLAVIYO), time, 10)
    assert together[-1] == together[0]


def test_waking_up_late_each_time_costs_no_rate_and_no_window(tmp_path: Path) -> None:
    time = Time(overshoot=0.004)
    times = send(time.limiter(tmp_path / "ring", ATTENTIVE), time, 900)
    assert worst(times, 1) <= 150
    assert len(times) / (times[-1] - times[0]) > 0.95 * 150


def test_after_the_loop_stood_still_nothing_leaves_beyond_the_window(tmp_path: Path) -> None:
    time = Time()
    limiter = time.limiter(tmp_path / "ring", ATTENTIVE)
    times = []
    for _ in range(10):
        times += send(limiter, time, 90)
        time.now += 0.3
    assert worst(times, 1) <= 150
    # What was missed while it stood still is not made up for in one go.
    assert worst(times, 0.001) <= 16


def test_five_workers_woken_late_together_stay_within_the_window(tmp_path: Path) -> None:
    time = Time(overshoot=0.5)
    limiter = time.limiter(tmp_path / "ring", (Limit(4, 1),))

    async def go() -> list[float]:
        async def work() -> float:
            await limiter.acquire()
            return time.now

        return list(await asyncio.gather(*(work() for _ in range(20))))

    assert worst(asyncio.run(go()), 1) <= 4


def test_a_request_answered_late_counts_as_sent_late(tmp_path: Path) -> None:
    time = Time()
    limiter = time.limiter(tmp_path / "ring", (Limit(2, 1),))
    arrivals = arrive(limiter, time, [0.6, 0.1, 0.1, 0.1])
    assert arrivals[2] - arrivals[1] >= 0.5
    assert worst(arrivals, 1) <= 2


def test_a_steady_delay_costs_no_rate(tmp_path: Path) -> None:
    time = Time()
    arrivals = arrive(time.limiter(tmp_path / "ring", ATTENTIVE), time, [0.1] * 1500)
    assert worst(arrivals, 1) <= 150
    assert len(arrivals) / (arrivals[-1] - arrivals[0]) > 0.95 * 150


def test_an_answer_older_than_the_ring_changes_nothing(tmp_path: Path) -> None:
    time = Time()
    limiter = time.limiter(tmp_path / "ring", (Limit(2, 1),))
    old = asyncio.run(limiter.acquire())
    send(limiter, time, 2)
    time.now += 50
    before = (tmp_path / "ring").read_bytes()
    limiter.answered(old)
    assert (tmp_path / "ring").read_bytes() == before


@settings(deadline=None, max_examples=50)
@given(
    # From spread out to all at once, as after a stall on the other side.
    st.lists(st.floats(0, 0.6), min_size=1, max_size=120),
    st.integers(2, 40),
)
def test_whatever_the_delays_no_window_is_exceeded_where_requests_arrive(
    tmp_path_factory: pytest.TempPathFactory, delays: list[float], count: int
) -> None:
    time = Time()
    path = tmp_path_factory.mktemp("limits") / "ring"
    arrivals = arrive(time.limiter(path, (Limit(count, 1),)), time, [0.1 + d for d in delays])
    assert worst(arrivals, 1) <= count


def test_two_limiters_on_one_file_share_the_windows(tmp_path: Path) -> None:
    time = Time()
    one = time.limiter(tmp_path / "ring", (Limit(10, 1),))
    other = time.limiter(tmp_path / "ring", (Limit(10, 1),))
    times = []
    for _ in range(20):
        times += send(one, time, 1) + send(other, time, 1)
    assert worst(times, 1) <= 10


def test_a_write_can_cost_more_than_a_read(tmp_path: Path) -> None:
    time = Time()
    limiter = time.limiter(tmp_path / "ring", (Limit(60, 300),))
    times = send(limiter, time, 50, weight=3)
    assert worst(times, 300) == 20


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=60))
def test_whatever_requests_cost_neither_window_is_exceeded(
    tmp_path_factory: pytest.TempPathFactory, weights: list[int]
) -> None:
    time = Time()
    limits = (Limit(7, 1), Limit(20, 5))
    limiter = time.limiter(tmp_path_factory.mktemp("limits") / "ring", limits)
    spent = []
    for weight in weights:
        spent += send(limiter, time, 1, weight) * weight
    for limit in limits:
        assert worst(spent, limit.seconds) <= limit.count


def test_what_costs_more_is_spaced_more(tmp_path: Path) -> None:
    time = Time()
    times = send(time.limiter(tmp_path / "ring", ATTENTIVE), time, 100, weight=3)
    assert min(later - earlier for earlier, later in pairwise(times)) > 3 / 151


def test_a_pause_holds_everybody(tmp_path: Path) -> None:
    time = Time()
    limiter = time.limiter(tmp_path / "ring", (Limit(10, 1),))
    other = time.limiter(tmp_path / "ring", (Limit(10, 1),))
    other.pause(7)
    start = time.now
    assert send(limiter, time, 1)[0] >= start + 7


def test_a_pause_holds_those_who_already_wait(tmp_path: Path) -> None:
    time = Time()
    other = time.limiter(tmp_path / "ring", (Limit(1, 1),))
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        if not naps:
            other.pause(7)
        naps.append(seconds)
        await time.sleep(seconds)

    limiter = RateLimiter(tmp_path / "ring", (Limit(1, 1),), clock=time.clock, sleep=nap)
    start = time.now
    assert send(limiter, time, 2)[1] >= start + 7


@pytest.mark.parametrize("seconds", [1e9, float("inf")])
def test_an_absurd_pause_ends(tmp_path: Path, seconds: float) -> None:
    time = Time()
    limiter = time.limiter(tmp_path / "ring", (Limit(10, 1),))
    limiter.pause(seconds)
    time.now += MAX_PAUSE
    end = time.now
    assert send(limiter, time, 1) == [end]
    limiter.pause(seconds)
    start = time.now
    assert send(limiter, time, 1)[0] == pytest.approx(start + MAX_PAUSE)


@pytest.mark.parametrize("back", [0.3, 30.0, 900_000.0])
@pytest.mark.parametrize("limits", [(Limit(2, 1),), ATTENTIVE, KLAVIYO])
def test_a_clock_set_back_blocks_no_longer_than_one_window(
    tmp_path: Path, limits: tuple[Limit, ...], back: float
) -> None:
    time = Time()
    limiter = time.limiter(tmp_path / "ring", limits)
    count = limits[-1].count
    real = send(limiter, time, count)
    time.now -= back
    # The same moment, told by the clock of now.
    earlier = [at - back for at in real]
    start = time.now
    later = send(limiter, time, count)
    assert later[0] <= start + 1.02 * limits[-1].seconds + back * (back < limits[-1].seconds)
    for limit in limits:
        assert worst(earlier + later, limit.seconds) <= limit.count


def test_a_clock_set_back_does_not_prolong_a_pause(tmp_path: Path) -> None:
    time = Time()
    limiter = time.limiter(tmp_path / "ring", (Limit(2, 1),))
    limiter.pause(200)
    time.now -= 100_000
    start = time.now
    assert send(limiter, time, 1)[0] <= start + MAX_PAUSE + 1e-6


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
    limiter = time.limiter(path, (Limit(count, seconds),))
    times = []
    for gap in gaps:
        time.now += gap
        times += send(limiter, time, 1)
    assert worst(times, seconds) <= count
