"""What a person decides about rows: unanswered ones arrived or not, refused ones are due now."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import duckdb

from syncs import ledger_file, results, workspace
from syncs.errors import SyncError
from syncs.ledger import Ledger
from syncs.runner import ledger_path
from syncs.settings import SyncSettings
from syncs.spec import AnySpec
from syncs.workspace import Workspace

Clock = Callable[[], datetime]


class Verdict(StrEnum):
    """What somebody found at the destination about a row whose answer was lost."""

    ARRIVED = "arrived"
    LOST = "lost"


@dataclass(frozen=True)
class Unanswered:
    """A row that was sent and never answered, and is not sent again by itself.

    Attributes:
        customer_key: whose it is; empty when that customer is no longer published.
        subject: the entry an event tells of, or empty.
        since: when it was sent, UTC.
        reason: what happened to the answer.
    """

    customer_key: str
    subject: str
    since: datetime
    reason: str


def _now() -> datetime:
    return datetime.now(UTC)


def unanswered(settings: SyncSettings, spec: AnySpec) -> list[Unanswered]:
    """The rows of a sync that wait for :func:`resolve`.

    Raises:
        SyncError: the ledger cannot be read.
    """
    with (
        workspace.opened(settings) as work,
        ledger_file.viewed(work.con, ledger_path(settings, spec.account)) as book,
    ):
        book.know()
        rows = work.con.execute(
            f"""select coalesce(c.customer_key, ''), coalesce(r.subject, ''), r.updated_at,
                coalesce(r.reason, '')
            from known as r left join (
                select customer_key, alias_of(customer_key) as customer from pub.main.customers
            ) as c using (customer)
            where {_WAITING} order by r.updated_at, 1, 2""",
            {"sync": spec.name},
        ).fetchall()
    return [Unanswered(str(key), str(what), since, str(why)) for key, what, since, why in rows]


# What is sent again by itself counts as delivered, uncertainly.
_WAITING = "sync = $sync and state = 'unknown' and delivered is null"


def resolve(
    settings: SyncSettings,
    spec: AnySpec,
    verdict: Verdict,
    *,
    customers: Collection[str] = (),
    clock: Clock = _now,
) -> int:
    """Settle unanswered rows: those that arrived are done, those that did not are sent again.

    Args:
        settings: where everything is.
        spec: the sync.
        verdict: what was found at the destination.
        customers: customer keys; empty means all that wait.
        clock: UTC time.

    Returns:
        How many rows were settled.

    Raises:
        SyncError: the ledger cannot be written.
    """
    change = {
        Verdict.ARRIVED: "state = 'accepted', delivered = attempted, reason = 'found there'",
        Verdict.LOST: "state = 'rejected', reason = 'not found there', recipe = 0",
    }[verdict]
    whose = "true"
    if customers:
        whose = "customer in (select alias_of(unnest($customers)))"
    with _mended(settings, spec) as (_, book):
        book.fold()
        book.rekey(account=spec.account, run_id=_run_id(clock()), at=clock())
        return book.amend(
            _run_id(clock()),
            spec.name,
            f"resolved: {verdict}",
            clock(),
            f"{change} where {_WAITING} and {whose}",
            **({"customers": list(customers)} if customers else {}),
        )


def retry(settings: SyncSettings, spec: AnySpec, *, clock: Clock = _now) -> int:
    """Make every refused row due for the next run; returns how many there are.

    Raises:
        SyncError: the ledger cannot be written.
    """
    with _mended(settings, spec) as (_, book):
        book.fold()
        return book.amend(
            _run_id(clock()),
            spec.name,
            "made due",
            clock(),
            "recipe = 0 where sync = $sync and state in ('rejected', 'held')",
        )


def _run_id(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:12]}"


@contextmanager
def _mended(settings: SyncSettings, spec: AnySpec) -> Iterator[tuple[Workspace, Ledger]]:
    path = ledger_path(settings, spec.account)
    if not path.exists():
        message = f"{spec.name} never ran: there is nothing to decide about"
        raise SyncError(message)
    try:
        with workspace.opened(settings) as work, ledger_file.attached(work.con, path) as book:
            yield work, book
    except duckdb.Error as error:
        message = f"{type(error).__name__} while changing the ledger"
        raise SyncError(message) from None
    results.publish(settings, path)
