"""The words of the engine: what is planned, what is sent, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class Operation(StrEnum):
    """What a row asks of a destination."""

    UPSERT = "upsert"  # set properties, or add to an audience
    REMOVE = "remove"  # leave an audience, or set the properties of somebody who left
    EVENT = "event"  # something that happened once


class Cause(StrEnum):
    """Why a row is in a plan."""

    NEW = "new"  # nothing was delivered before
    CHANGED = "changed"  # something else was delivered before
    LEFT = "left"  # delivered before, no longer in the audience
    RETRY = "retry"  # refused, or unanswered, before
    SHARED = "shared"  # stays, but shares an address with somebody who is removed: added again
    RECHECK = "recheck"  # update-only: there was no profile; look again before writing


class State(StrEnum):
    """The life of a row: planned → sending → accepted → confirmed, or one of the others."""

    PLANNED = "planned"
    SENDING = "sending"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    HELD = "held"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


DELIVERED = (State.ACCEPTED, State.CONFIRMED)


class Status(StrEnum):
    """How a run of one sync ended."""

    OK = "ok"  # everything planned was delivered
    PARTIAL = "partial"  # some rows were rejected, held or left unanswered
    REFUSED = "refused"  # a guard stopped it before the first request
    STOPPED = "stopped"  # the destination, or a broken connection, stopped it on the way


@dataclass(frozen=True)
class Limit:
    """At most ``count`` requests in any ``seconds``."""

    count: int
    seconds: float


@dataclass(frozen=True)
class Shape:
    """How one destination wants its rows, as DuckDB SQL.

    Attributes:
        channel: the channel the destination speaks on: ``email``, ``sms`` or ``ads``.
        source: SQL over a published customer ``c``: the raw identifier, to tell "has none" from
            "has a bad one".
        identifier: SQL over ``c``: what the vendor knows the person by, normalised and valid, or
            null. For an audience it is the row of hashed cells.
        payload: SQL over a planned row (``identifier``, ``properties``, ``unset``, ``segment``,
            ``happened_on``, ``is_history``): the JSON text that is sent.
        keeps_identifier: the ledger keeps ``identifier`` (hashed cells), to remove the row later.
        can_unset: properties can be unset; where not, a text becomes "none" when somebody left.
        batch_rows: most rows in one request.
        batch_bytes: most payload bytes in one request.
        ledger_rows: most rows recorded together before and after their requests.
        idempotent: the vendor promises that sending a row twice equals sending it once.
        limits: the vendor's limits on the writing operation.
    """

    channel: str
    source: str
    identifier: str
    payload: str
    batch_rows: int
    batch_bytes: int
    ledger_rows: int
    idempotent: bool
    limits: Sequence[Limit]
    keeps_identifier: bool = False
    can_unset: bool = False


@dataclass(frozen=True)
class OutRow:
    """One row on its way out. Identifier and payload are sent, never stored or logged."""

    row_key: str
    identifier: str = field(repr=False)
    payload: str = field(repr=False)


@dataclass(frozen=True)
class Rejection:
    """Why the destination refused one row: the vendor's code, and words without personal data."""

    reason: str
    code: str = ""


@dataclass(frozen=True)
class Accepted:
    """The request was taken, except for the rows (by position) in ``rejected``."""

    rejected: Mapping[int, Rejection] = field(default_factory=dict)
    confirmed: bool = False
    reference: str = ""


@dataclass(frozen=True)
class Refused:
    """The whole request was refused because of the rows named by position; nothing applied."""

    rejected: Mapping[int, Rejection]


@dataclass(frozen=True)
class RefusedWhole:
    """The whole request was refused without naming a row; nothing was applied."""

    rejection: Rejection


@dataclass(frozen=True)
class TooLarge:
    """The request was refused for its size; nothing was applied."""


Answer = Accepted | Refused | RefusedWhole | TooLarge


@dataclass(frozen=True)
class GuardFinding:
    """One guard that refuses a plan, in words that name the limit and the number found."""

    guard: str
    message: str


@dataclass(frozen=True)
class Plan:
    """What one sync would send now. Two plans of the same inputs are equal.

    Attributes:
        plan_id: digest of the spec and of every planned row.
        counts: rows by operation and cause, e.g. ``{"upsert:new": 12}``.
        left_out: people in the audience who are not sent, by reason.
        members: people in the audience who can be sent.
        delivered: people the destination holds for this sync, as far as the ledger knows.
        requests: writes needed at least.
        seconds: how long they take at the vendor's limits, at least.
    """

    sync: str
    destination: str
    plan_id: str
    as_of: date
    counts: Mapping[str, int]
    left_out: Mapping[str, int]
    members: int
    delivered: int
    unchanged: int
    requests: int
    seconds: float
    refused: Sequence[GuardFinding] = ()

    def count(self, *causes: Cause) -> int:
        """How many rows are planned for these causes (all but ``recheck`` when none is named)."""
        wanted = set(causes) or set(Cause) - {Cause.RECHECK}
        return sum(n for key, n in self.counts.items() if key.split(":")[1] in wanted)

    @property
    def changes(self) -> int:
        """Rows that would be written. A re-check only looks, so it is no change."""
        return self.count()


@dataclass(frozen=True)
class Progress:
    """How far a running sync is; counts of rows and seconds since its first request."""

    sync: str
    settled: int
    total: int
    rejected: int
    seconds: float


@dataclass(frozen=True)
class Report:
    """What one run of one sync did: counts, never people.

    ``accepted`` counts rows that the destination took, ``skipped`` those update-only found no
    profile for, ``reasons`` every row that was not delivered, by reason.
    """

    sync: str
    run_id: str
    plan: Plan
    status: Status
    accepted: int = 0
    rejected: int = 0
    held: int = 0
    unknown: int = 0
    skipped: int = 0
    requests: int = 0
    writes: int = 0
    retries: int = 0
    seconds: float = 0.0
    reasons: Mapping[str, int] = field(default_factory=dict)
    error: str = ""

    @property
    def delivered_everything(self) -> bool:
        """True only when every planned row was delivered: anything else is not green."""
        return self.status is Status.OK
