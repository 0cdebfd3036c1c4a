"""Everything at hand to look after one sync: its vendor, the published data, the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from syncs import drift, ledger_file, workspace
from syncs.connection import Connection, connected
from syncs.destinations.base import Destination
from syncs.destinations.people import Erases
from syncs.destinations.registry import destination_of, people_of
from syncs.drift import REPAIRABLE
from syncs.ledger import Ledger
from syncs.ledger_layout import UNCERTAIN
from syncs.runner import keep_apart, ledger_path
from syncs.settings import SyncSettings
from syncs.spec import AnySpec
from syncs.workspace import Workspace


@dataclass(frozen=True)
class Desk:
    """One sync with its account's vendor and ledger at hand; ``now`` is UTC."""

    spec: AnySpec
    settings: SyncSettings
    connection: Connection
    work: Workspace
    book: Ledger
    now: datetime

    @property
    def requests(self) -> int:
        """Requests made so far."""
        return self.connection.transport.traffic.requests

    def people(self) -> Erases:
        """The account's people, ready to be asked about."""
        connection = self.connection
        return people_of(
            self.spec.account, connection.transport, connection.credentials, connection.run_id
        )

    def destination(self) -> Destination:
        """The sync's destination, ready to be sent to."""
        connection = self.connection
        return destination_of(
            self.spec,
            self.settings.shop_country,
            connection.transport,
            connection.credentials,
            connection.run_id,
        )

    def record(self, *, is_repaired: bool = False) -> dict[str, int]:
        """Put what was found into the ledger in the place of last time's; counts it by kind.

        Where the spec allows a repair, the next run takes those rows for uncertain.
        """
        con, sync = self.work.con, self.spec.name
        con.execute("begin")
        con.execute("delete from ledger.drift where sync = ?", [sync])
        con.execute(
            "insert into ledger.drift by name select $sync as sync, row_key, customer, kind, "
            "nullif(detail, '') as detail, $now as found_at, $repaired as repaired from drifting",
            {"sync": sync, "now": self.now, "repaired": is_repaired},
        )
        con.execute("commit")
        found = dict(
            con.execute(
                "select kind, count(*) from drifting group by kind order by kind"
            ).fetchall()
        )
        if self.spec.reconcile.repair and any(kind in REPAIRABLE for kind in found):
            self.book.amend(
                self.connection.run_id,
                sync,
                "reconciled",
                self.now,
                f"delivered = {UNCERTAIN}, reason = 'drift' where sync = $sync and row_key in "
                f"(select row_key from drifting where kind in {REPAIRABLE})",
            )
        return found


@asynccontextmanager
async def opened(settings: SyncSettings, spec: AnySpec, *, now: datetime) -> AsyncIterator[Desk]:
    """Hold the ledger of the spec's account, with nothing found yet.

    Raises:
        SyncError: the ledger is busy, nothing is published, or a credential is missing.
    """
    async with connected(settings, spec.account, now=now) as connection:
        with (
            workspace.opened(settings) as work,
            ledger_file.attached(work.con, ledger_path(settings, spec.account)) as book,
        ):
            keep_apart(book, settings)
            book.rekey(account=spec.account, run_id=connection.run_id, at=now)
            drift.begin(work.con)
            yield Desk(spec, settings, connection, work, book, now)
