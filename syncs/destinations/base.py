"""What the engine asks of a destination. Optional abilities are small separate protocols."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Protocol, runtime_checkable

from syncs.records import Accepted, Answer, Batch, Limit, Operation, Shape
from syncs.spec import EventSpec
from syncs.sql import literal


class Destination(Protocol):
    """Sends rows to one vendor.

    Every method may raise the :class:`syncs.errors.DeliveryError` family; a refused row is an
    answer, not an exception.
    """

    @property
    def shape(self) -> Shape:
        """How rows must look; needs no network."""

    @property
    def concurrency(self) -> int:
        """Most writes in flight; 1 where the order of writes matters."""

    async def prepare(
        self, rows: Mapping[Operation, int], objects: MutableMapping[str, str]
    ) -> None:
        """Find or make what the sync needs at the vendor, before the first row.

        Args:
            rows: how many rows will be sent, by operation.
            objects: vendor ids this sync owns, from earlier runs; additions are kept.
        """

    async def send(self, batch: Batch, /) -> Answer:
        """Deliver at most ``shape.batch_rows`` rows of one operation."""


@runtime_checkable
class FindsProfiles(Protocol):
    """Can tell which people it already has, which makes ``update_only`` possible."""

    @property
    def lookup_rows(self) -> int:
        """Most identifiers in one look-up."""

    @property
    def lookups(self) -> int:
        """Most look-ups in flight."""

    async def existing(self, identifiers: Sequence[str]) -> set[str]:
        """Those of ``identifiers`` (normalised) that have a profile."""


@runtime_checkable
class FollowsJobs(Protocol):
    """Answers a write with a job, whose end says what came of the rows."""

    async def follow(self, reference: str, rows: int) -> Accepted:
        """Wait for the end of a job.

        Args:
            reference: the vendor's id of the job.
            rows: how many rows it was given.

        Raises:
            AnswerLostError: its end cannot be heard, or its numbers do not add up.
        """


def tightest(limits: Sequence[Limit]) -> Limit:
    """The window that allows the fewest requests per second over a long run."""
    return min(limits, key=lambda limit: limit.count / limit.seconds)


def event_name_sql(spec: EventSpec) -> str:
    """SQL of the event's name over a planned row."""
    if isinstance(spec.event.name, str):
        return literal(spec.event.name)
    cases = " ".join(
        f"when {literal(segment)} then {literal(name)}" for segment, name in spec.event.name.items()
    )
    return f"case segment {cases} end"
