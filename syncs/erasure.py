"""Forgetting people: at the vendor, in the ledger, and in what is loaded again.

The shop's erasure requests are published for the syncs alone, with every identifier the person was
ever seen with. Each account's vendor is told and asked until it confirms; then the account's ledger
forgets the person. Once every account has, keyed hashes of the identifiers go to
``ledger/erased.duckdb``: they keep the person out of what is loaded from now on, and the
publication names them no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

import duckdb

from syncs import ledger_file, workspace
from syncs.connection import connected
from syncs.destinations.people import Erases, Erasure, ErasureState, Identifiers
from syncs.destinations.registry import people_of
from syncs.errors import DeliveryError, StoppedError, SyncError, UnreachableError
from syncs.keepout import erased_path
from syncs.ledger import Ledger
from syncs.ledger_layout import UNCERTAIN
from syncs.runner import keep_apart, ledger_path
from syncs.settings import SyncSettings
from syncs.sql import literal
from syncs.workspace import Workspace

# A vendor that has not confirmed by then is asked for the erasure again; Attentive takes 30 days.
ASK_AGAIN_DAYS: Final = 35


@dataclass(frozen=True)
class Erasures:
    """How far the erasure requests of one account are: people, never who.

    Attributes:
        account: the destination account.
        people: with an erasure request that is not finished everywhere.
        done: of those, forgotten by this vendor.
        waiting: accepted by the vendor, not yet confirmed.
        open: refused or unreachable; they are asked again.
        reasons: why they are open.
    """

    account: str
    people: int = 0
    done: int = 0
    waiting: int = 0
    open: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_fine(self) -> bool:
        """Whether nothing needs a person's eye: what is waiting is in the vendor's hands."""
        return not self.open


def erase_account(
    settings: SyncSettings,
    account: str,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Erasures:
    """Tell one vendor whom to forget, and hear from it who is.

    Makes no request when nobody asked to be forgotten.

    Raises:
        SyncError: nothing is published, the ledger is busy, or credentials are missing.
    """
    try:
        return asyncio.run(_erase_account(settings, account, clock))
    except duckdb.Error as error:
        message = f"{type(error).__name__} while erasing"
        raise SyncError(message) from None


async def _erase_account(
    settings: SyncSettings, account: str, clock: Callable[[], datetime]
) -> Erasures:
    with workspace.opened(settings) as work:
        if work.con.execute("select 1 from erasures limit 1").fetchone() is None:
            return Erasures(account)
        async with connected(settings, account, now=clock()) as connection:
            with ledger_file.attached(work.con, ledger_path(settings, account)) as book:
                keep_apart(book, settings)
                book.fold()
                book.rekey(account=account, run_id=connection.run_id, at=clock())
                vendor = people_of(
                    account, connection.transport, connection.credentials, connection.run_id
                )
                _prepare(work, clock())
                reasons = await _ask(vendor, work, book, clock)
                _forget(work, connection.run_id, account, clock())
                _confirm(work, settings, account)
                return _counted(account, work, reasons)


def _prepare(work: Workspace, now: datetime) -> None:
    """Make ``subjects``: a row for each identifier of a person to forget, with its hash."""
    work.con.execute(
        """create or replace table subjects as
        select distinct coalesce(customer_key, id_type || ':' || id_value) as person,
            alias_of(customer_key) as customer, id_type, id_value, requested_on,
            keyed(id_type || ':' || id_value) as identifier
        from erasures"""
    )
    work.con.execute(
        """insert into ledger.erased
        select s.identifier, s.customer, s.requested_on, 'requested', null, null, $now
        from subjects as s where s.identifier not in (select identifier from ledger.erased)""",
        {"now": now},
    )


async def _ask(
    vendor: Erases, work: Workspace, book: Ledger, clock: Callable[[], datetime]
) -> dict[str, int]:
    """Send what is not sent, ask after what is; returns why some are still open."""
    again = literal(clock().isoformat())
    people = work.con.execute(
        f"""select person, list(id_value) filter (where id_type = 'email'),
            list(id_value) filter (where id_type = 'phone'), list(s.identifier),
            bool_and(e.state = 'accepted' and e.updated_at >
                cast({again} as timestamptz) - interval {ASK_AGAIN_DAYS} day) as is_asked,
            max(e.reference)
        from subjects as s join ledger.erased as e using (identifier)
        group by person having not bool_and(e.state = 'done') order by person"""
    ).fetchall()
    reasons: dict[str, int] = {}
    for _, emails, phones, identifiers, is_asked, reference in people:
        person = Identifiers(tuple(sorted(emails or ())), tuple(sorted(phones or ())))
        try:
            if not person.each():
                # Known by the shop's own number only, which no vendor was ever told.
                answer = Erasure(ErasureState.DONE)
            elif is_asked:
                done = await vendor.erased(reference or "", person)
                answer = Erasure(
                    ErasureState.DONE if done else ErasureState.ACCEPTED, reference or ""
                )
            else:
                answer = await vendor.erase(person)
                if answer.state is ErasureState.ACCEPTED and await vendor.erased(
                    answer.reference, person
                ):
                    answer = Erasure(ErasureState.DONE, answer.reference)
        except DeliveryError as error:
            answer = Erasure(ErasureState.OPEN, reason=str(error))
            stop = isinstance(error, StoppedError | UnreachableError)
        else:
            stop = False
        if not (is_asked and answer.state is ErasureState.ACCEPTED):
            book.erasing(identifiers, answer, clock())
        if answer.state is ErasureState.OPEN:
            reason = answer.reason or answer.code or "refused"
            reasons[reason] = reasons.get(reason, 0) + 1
        if stop:
            break
    return reasons


def _forget(work: Workspace, run_id: str, account: str, now: datetime) -> None:
    """Drop the rows of whoever the vendor confirmed; whoever shares their address is sent again."""
    con = work.con
    con.execute(
        """create or replace table gone as
        select distinct s.person, s.customer, s.id_type, s.id_value from subjects as s
        where s.person in (
            select person from subjects join ledger.erased as e using (identifier)
            group by person having bool_and(e.state = 'done'))"""
    )
    con.execute(
        """create or replace table sharers as
        select alias_of(c.customer_key) as customer from pub.main.customers as c
        where (email_of(c.email) in (select id_value from gone where id_type = 'email')
                or phone_of(c.phone, c.country) in (select id_value from gone
                    where id_type = 'phone'))
            and c.customer_key not in (select person from gone)"""
    )
    touched = con.execute(
        """select count(*) from ledger.rows where customer in (select customer from gone
            union select customer from sharers) or row_key in (select keyed(id_value) from gone)"""
    ).fetchone()
    if touched in (None, (0,)):
        return
    con.execute(
        """insert into ledger.runs by name select $run_id as run_id, $sync as sync,
            $account as destination, true as idempotent, 'ok' as status, $now as started_at,
            $now as finished_at""",
        {"run_id": run_id, "sync": f"{account}_erasures", "account": account, "now": now},
    )
    con.execute(
        "delete from ledger.rows where customer in (select customer from gone) "
        "or row_key in (select keyed(id_value) from gone)"
    )
    con.execute("delete from ledger.drift where customer in (select customer from gone)")
    con.execute(
        f"update ledger.rows set delivered = {UNCERTAIN}, run_id = $run_id, updated_at = $now "
        "where customer in (select customer from sharers) and delivered is not null "
        "and subject is null",
        {"run_id": run_id, "now": now},
    )


def _confirm(work: Workspace, settings: SyncSettings, account: str) -> None:
    """Say beside the ledger whom this vendor has forgotten."""
    with _confirmations(work.con, settings):
        work.con.execute(
            """insert into keep.main.confirmed
            select $account, identifier from ledger.erased where state = 'done' and identifier
                not in (select identifier from keep.main.confirmed where account = $account)""",
            {"account": account},
        )


def _counted(account: str, work: Workspace, reasons: Mapping[str, int]) -> Erasures:
    row = work.con.execute(
        """select count(*), count(*) filter (where is_done), count(*) filter (where is_asked)
        from (
            select person, bool_and(e.state = 'done') as is_done,
                not bool_and(e.state = 'done') and bool_and(e.state in ('accepted', 'done'))
                    as is_asked
            from subjects join ledger.erased as e using (identifier) group by person)"""
    ).fetchone()
    people, done, waiting = (int(n) for n in row or (0, 0, 0))
    return Erasures(
        account=account,
        people=people,
        done=done,
        waiting=waiting,
        open=people - done - waiting,
        reasons=reasons,
    )


def conclude_erasures(settings: SyncSettings, accounts: Collection[str], *, today: date) -> int:
    """Keep out whoever every account has forgotten; returns how many identifiers are new.

    Args:
        settings: where the ledgers are.
        accounts: those that have syncs.
        today: recorded as the day of it.

    Raises:
        LedgerBusyError: another account is just recording its confirmations.
    """
    with workspace.opened(settings) as work:
        con = work.con
        if con.execute("select 1 from erasures limit 1").fetchone() is None:
            return 0
        with _confirmations(con, settings):
            con.execute(
                f"""create table concluded as
                select identifier, min(requested_on) as requested_on from ({_SUBJECTS})
                where person in (
                    select s.person
                    from ({_SUBJECTS}) as s
                    cross join (select unnest($accounts) as account) as a
                    left join keep.main.confirmed as c
                        on c.identifier = s.identifier and c.account = a.account
                    group by s.person having bool_and(c.identifier is not null))
                    and identifier not in (select identifier from keep.main.erased)
                group by identifier""",
                {"accounts": list(accounts)},
            )
            row = con.execute(
                "insert into keep.main.erased select identifier, requested_on, $today "
                "from concluded",
                {"today": today},
            ).fetchone()
    return int(row[0]) if row else 0


_SUBJECTS = """
    select coalesce(customer_key, id_type || ':' || id_value) as person, requested_on,
        keyed(id_type || ':' || id_value) as identifier
    from erasures"""


@contextmanager
def _confirmations(con: duckdb.DuckDBPyConnection, settings: SyncSettings) -> Iterator[None]:
    """Attach ``ledger/erased.duckdb`` as ``keep``: who confirmed whom, and who is kept out.

    It is a file of its own because a ledger is held as long as a sync runs.
    """
    path = erased_path(settings)
    ledger_file.attach(con, path, "keep")
    try:
        path.chmod(0o600)
        con.execute(
            "create table if not exists keep.main.confirmed "
            "(account varchar not null, identifier uuid not null)"
        )
        con.execute(
            "create table if not exists keep.main.erased "
            "(identifier uuid not null, requested_on date, forgotten_on date not null)"
        )
        yield
    finally:
        con.execute("detach keep")
