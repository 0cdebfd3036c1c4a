"""Getting an answer for every row: send, drop what is refused, halve what is refused blindly.

A batch is recorded before its requests and after them. A destination that works on jobs is followed
to their end while the next request is on its way; a job that outlives its run is followed by the
next one instead of being sent again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from syncs.batches import Bodies, Cut, Group, Part, Request, Stretch
from syncs.destinations.base import Destination, FollowsJobs
from syncs.errors import AnswerLostError, DeliveryError, StoppedError, UnreachableError
from syncs.ledger import Ledger
from syncs.records import (
    Accepted,
    Answer,
    Refused,
    RefusedWhole,
    Rejection,
    Started,
    State,
    TooLarge,
)

# After this many answers lost in a row the destination is down, not slow.
_MOST_LOST: Final = 3
# After this many rows refused and none accepted all of them are, and no row is at fault.
_MOST_REFUSED: Final = 40
# Rounds of "drop the rows named, send the rest" before halving takes over.
_MOST_ROUNDS: Final = 5
# Jobs followed at once; each of them is 10,000 rows the vendor works on.
_MOST_FOLLOWED: Final = 16
# Stretches of bodies written ahead of the requests, each by a thread of its own.
_AHEAD: Final = 2

_NOT_SENT: Final = Rejection("not sent")
_Prepared = tuple[Group, Part, list[Request]]


class Delivery:
    """Delivers the batches of one run.

    Args:
        destination: where they go.
        ledger: where they are recorded.
        run_id: the run that recorded them.
        sync: its sync.
        clock: UTC time.
        on_settled: told after each batch how many of its rows are settled.
        refused_before: rows whose refusal is no news.

    Attributes:
        stop: why no further request is made, once there is a reason.
        accepted: rows the destination took.
        rejected: rows it refused.
    """

    def __init__(
        self,
        destination: Destination,
        ledger: Ledger,
        *,
        run_id: str,
        sync: str,
        clock: Callable[[], datetime],
        on_settled: Callable[[int], None] = lambda _: None,
        refused_before: int = 0,
    ) -> None:
        self._destination = destination
        self._ledger = ledger
        self._run_id = run_id
        self._sync = sync
        self._clock = clock
        self._on_settled = on_settled
        self._gate = asyncio.Semaphore(destination.concurrency)
        self._lost = 0
        self._unheard = 0
        self._most_refused = _MOST_REFUSED + refused_before
        self.stop: DeliveryError | None = None
        self.accepted = 0
        self.rejected = 0

    async def deliver(self, cut: Cut, bodies: Bodies) -> None:
        """Send every batch, until the end or until there is a reason to stop."""
        shape = self._destination.shape
        # Batches in flight: as many as their requests may be. Usually that is one, so that a run
        # that dies leaves one batch unanswered.
        requests = max(1, shape.ledger_rows // shape.batch_rows)
        workers = max(1, self._destination.concurrency // requests)
        followed = asyncio.Semaphore(_MOST_FOLLOWED)
        async with _written(cut, bodies) as written, _tasks() as tasks:

            async def follow(part: Part, jobs: Sequence[tuple[Part, str]]) -> None:
                try:
                    await self._follow(part, jobs)
                finally:
                    followed.release()

            async def worker() -> None:
                while self.stop is None and (prepared := await written()) is not None:
                    await followed.acquire()
                    if jobs := await self._send(prepared, bodies):
                        tasks.create_task(follow(prepared[1], jobs))
                    else:
                        followed.release()

            for _ in range(workers):
                tasks.create_task(worker())
        self._ledger.flush()

    async def resume(self, part: Part, reference: str) -> None:
        """Follow a job that an earlier run left behind, to the end of its batch."""
        self._unheard += 1
        await self._follow(part, [(part, reference)])
        self._ledger.flush()

    async def _send(self, prepared: _Prepared, bodies: Bodies) -> list[tuple[Part, str]]:
        """Send one batch and settle it, unless its end is still to be heard: returns its jobs."""
        group, part, requests = prepared
        self._ledger.sending(self._run_id, self._sync, part.batch, self._clock())
        going = _Going(group, bodies)

        async def one(request: Request) -> None:
            async with self._gate:
                await self._deliver(going, request)

        await together([one(request) for request in requests])
        if not going.jobs:
            self._settle(part, going.ending)
        elif len(going.jobs) == 1:
            self._ledger.started(
                self._run_id, self._sync, part.batch, going.jobs[0][1], self._clock()
            )
        return going.jobs

    async def _follow(self, part: Part, jobs: Sequence[tuple[Part, str]]) -> None:
        ending = _Ending()
        for job, reference in jobs:
            try:
                if not isinstance(self._destination, FollowsJobs):
                    message = "a job was started that nobody can follow"
                    raise AnswerLostError(message)
                answer = await self._destination.follow(reference, job.rows)
                self._unheard -= 1
                self._take(job, answer, ending)
            except DeliveryError as error:
                # The vendor works on the job whether or not we may look at it.
                self._ledger.differs(self._run_id, job, State.UNKNOWN, Rejection(str(error)))
                if isinstance(error, StoppedError | UnreachableError):
                    self.stop = self.stop or error
                else:
                    self._count_lost(error)
        self._settle(part, ending)

    def _settle(self, part: Part, ending: _Ending) -> None:
        self._ledger.settled(
            self._run_id,
            self._sync,
            part.batch,
            self._clock(),
            outcome=ending.state,
            reference=ending.reference,
        )
        self._on_settled(part.rows)

    async def _deliver(self, going: _Going, request: Request, rounds: int = 0) -> None:
        """Get an answer for every row: refused ones are dropped, a blind refusal is halved."""
        part = request.part
        if self.stop is not None:
            self._ledger.differs(self._run_id, part, State.PLANNED, _NOT_SENT)
            return
        answer: Answer
        if request.batch.rows > 1 and len(request.batch.body) > self._destination.shape.batch_bytes:
            answer = TooLarge()
        else:
            try:
                answer = await self._destination.send(request.batch)
            except DeliveryError as error:
                self._fail(part, error)
                return
        self._lost = 0
        if isinstance(answer, Started):
            self._unheard += 1
            going.jobs.append((part, answer.reference))
            return
        if isinstance(answer, Accepted):
            self._take(part, answer, going.ending)
            return
        if isinstance(answer, Refused) and answer.rejected and rounds < _MOST_ROUNDS:
            self._ledger.rejected(self._run_id, part, answer.rejected)
            rest = part.dropping(answer.rejected)
            self.rejected += len(answer.rejected)
            for again in going.bodies.requests(going.group, rest) if rest.rows else ():
                await self._deliver(going, again, rounds + 1)
            self._give_up_if_hopeless()
            return
        await self._halve(going, request, answer)

    def _fail(self, part: Part, error: DeliveryError) -> None:
        why = Rejection(str(error))
        if isinstance(error, StoppedError | UnreachableError):
            state = State.UNKNOWN if error.applied else State.PLANNED
            self.stop = self.stop or error
        else:
            state = State.UNKNOWN
            self._count_lost(error)
        self._ledger.differs(self._run_id, part, state, why)

    def _count_lost(self, error: DeliveryError) -> None:
        self._lost += 1
        if self._lost >= _MOST_LOST:
            self.stop = self.stop or error

    def _take(self, part: Part, answer: Accepted, ending: _Ending) -> None:
        """Record an acceptance and the rows it leaves out.

        Raises:
            AnswerLostError: it names a row that was not sent, so it is not to be trusted.
        """
        if answer.rejected:
            self._ledger.rejected(self._run_id, part, answer.rejected)
        if answer.named:
            ours = self._ledger.rejected_by_name(self._run_id, part, answer.named)
            if ours < len(answer.named):
                message = f"{len(answer.named) - ours} refused rows were named that nobody sent"
                raise AnswerLostError(message)
        refused = len(answer.rejected) + len(answer.named)
        self.accepted += part.rows - refused
        self.rejected += refused
        self._give_up_if_hopeless()
        ending.state = State.CONFIRMED if answer.confirmed else State.ACCEPTED
        ending.reference = answer.reference

    async def _halve(self, going: _Going, request: Request, answer: Answer) -> None:
        part = request.part
        if part.rows == 1:
            why = Rejection("the row is too large", "413")
            if isinstance(answer, RefusedWhole):
                why = answer.rejection
            elif isinstance(answer, Refused) and answer.rejected:
                why = next(iter(answer.rejected.values()))
            self._ledger.rejected(self._run_id, part, {0: why})
            self.rejected += 1
            self._give_up_if_hopeless()
            return
        for half in part.halves():
            for again in going.bodies.requests(going.group, half):
                await self._deliver(going, again)

    def _give_up_if_hopeless(self) -> None:
        hopeless = not self.accepted and not self._unheard
        if hopeless and self.rejected >= self._most_refused and self.stop is None:
            self.stop = StoppedError("every row so far was refused", code="all")


@dataclass
class _Ending:
    """How the rows of a batch end that have no outcome of their own."""

    state: State = State.ACCEPTED
    reference: str = ""


@dataclass
class _Going:
    """A batch on its way: where its bodies come from, and what the vendor made of it so far."""

    group: Group
    bodies: Bodies
    ending: _Ending = field(default_factory=_Ending)
    jobs: list[tuple[Part, str]] = field(default_factory=list)


@asynccontextmanager
async def _written(
    cut: Cut, bodies: Bodies
) -> AsyncIterator[Callable[[], Awaitable[_Prepared | None]]]:
    """Hands out batches with their requests; threads write the next while one is on its way."""
    stretches = cut.stretches()
    ahead: deque[asyncio.Task[list[_Prepared]]] = deque()
    ready: deque[_Prepared] = deque()
    turn = asyncio.Lock()

    async def write(stretch: Stretch) -> list[_Prepared]:
        loop = asyncio.get_running_loop()
        written = await loop.run_in_executor(threads, bodies.batches, stretch)
        return [(stretch.group, part, requests) for part, requests in written]

    def go_on() -> None:
        while len(ahead) < _AHEAD and (stretch := next(stretches, None)) is not None:
            ahead.append(asyncio.create_task(write(stretch)))

    async def take() -> _Prepared | None:
        async with turn:
            go_on()
            if not ready and ahead:
                ready.extend(await ahead[0])
                ahead.popleft()
                go_on()
        return ready.popleft() if ready else None

    # As many threads as stretches: each keeps what it once allocated.
    with ThreadPoolExecutor(_AHEAD) as threads:
        try:
            yield take
        finally:
            if ahead:
                # A thread cannot be interrupted, and the workspace must outlive it.
                await asyncio.wait(ahead)


@asynccontextmanager
async def _tasks() -> AsyncIterator[asyncio.TaskGroup]:
    """Run tasks at once; the first exception cancels the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as many:
        raise many.exceptions[0] from None


async def together(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run jobs at once; the first exception cancels the others and is raised as it is."""
    async with _tasks() as tasks:
        for job in jobs:
            tasks.create_task(job)
