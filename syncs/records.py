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

    DATA = "data"  # the person's own history, or a correction of it
    RULE = "rule"  # a segment's definition or parameters changed
    MAPPING = "mapping"  # the spec changed
    CONSENT = "consent"  # lost the consent the spec requires, or is suppressed
    ERASED = "erased"  # asked to be forgotten
    RETRY = "retry"  # refused, unanswered or held before
    DRIFT = "drift"  # the destination was seen to hold something else
    REFRESH = "refresh"  # sent again because it cannot be read back
    SHARED = "shared"  # stays, but shares an address with somebody who is removed: added again
    RECHECK = "recheck"  # update-only: there was no profile; look again before writing
    TOO_OLD = "too_old"  # an entry nobody sent while it was young enough: recorded, never sent


LOOKED_AT = (Cause.RECHECK, Cause.TOO_OLD)
"""Causes of rows that are looked at, or recorded, and not written."""


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


class Change(StrEnum):
    """What a planned row means for the destination."""

    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"
    EVENT = "event"


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
        key: SQL over ``c``: what tells this person's row from others, or null when the vendor could
            not find the person by it. Usually the identifier; cheaper where that is dear.
        identifier: SQL over ``c``: what the vendor knows the person by, normalised and valid. For
            an audience it is the row of hashed cells.
        payload: SQL over a planned row (``identifier``, ``properties``, ``unset``, ``segment``,
            ``happened_on``, ``is_history``): the JSON text that is sent.
        keeps_identifier: the ledger keeps ``identifier`` (hashed cells), to remove the row later.
        can_unset: properties can be unset; where not, a text becomes "none" when somebody left.
        batch_rows: most rows in one request.
        batch_bytes: most payload bytes in one request.
        ledger_rows: most rows recorded together before and after their requests.
        idempotent: the vendor promises that sending a row twice equals sending it once.
        limits: the vendor's limits on the writing operation.
        revision: our way to talk to the vendor; refused rows are due again when it changes.
        shared: for an audience: cells by which another person's removal may meet a member, as
            position in the row and SQL over ``c``.
    """

    channel: str
    source: str
    key: str
    identifier: str
    payload: str
    batch_rows: int
    batch_bytes: int
    ledger_rows: int
    idempotent: bool
    limits: Sequence[Limit]
    revision: str
    keeps_identifier: bool = False
    can_unset: bool = False
    shared: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True)
class Batch:
    """Rows of one operation that travel in one request. Sent, never stored or logged.

    Attributes:
        operation: what all of them ask.
        rows: how many there are.
        body: their payloads, joined with commas.
    """

    operation: Operation
    rows: int
    body: str = field(repr=False)


@dataclass(frozen=True)
class Rejection:
    """Why the destination refused one row: the vendor's code, and words without personal data."""

    reason: str
    code: str = ""


@dataclass(frozen=True)
class Accepted:
    """The request was taken, except for some rows.

    Attributes:
        rejected: rows it did not take, by position.
        named: rows it did not take, by the identifier it answered with; never stored or logged.
        confirmed: the destination said that it is done, not only that it will be.
        reference: the vendor's id of the job or session.
    """

    rejected: Mapping[int, Rejection] = field(default_factory=dict)
    named: Mapping[str, Rejection] = field(default_factory=dict, repr=False)
    confirmed: bool = False
    reference: str = ""


@dataclass(frozen=True)
class Started:
    """The request was taken as a job; what came of it is heard by following ``reference``."""

    reference: str


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


Answer = Accepted | Started | Refused | RefusedWhole | TooLarge


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
        counts: rows by change and cause, e.g. ``{"add:data": 12}``.
        left_out: people in the audience who are not sent, by reason.
        members: people in the audience who can be sent.
        delivered: people the destination holds for this sync, as far as the ledger knows.
        unchanged: people of whom the destination holds what it should.
        deferred: rows left for later runs because the spec paces them, by change and cause.
        terms: members of each segment that the audience names.
        censored: left-censored segments that the spec names, by the reason.
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
    deferred: Mapping[str, int] = field(default_factory=dict)
    terms: Mapping[str, int] = field(default_factory=dict)
    censored: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refused: Sequence[GuardFinding] = ()

    def count(self, change: Change | None = None, cause: Cause | None = None) -> int:
        """Rows that would be written, of one change, of one cause, or of all.

        Rows that are only looked at are no changes; ask for their cause to count them.
        """
        total = 0
        for key, n in self.counts.items():
            kind, why = key.split(":")
            counted = why == cause if cause else why not in LOOKED_AT
            total += n if counted and change in (None, kind) else 0
        return total

    @property
    def changes(self) -> int:
        """Rows that would be written."""
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
