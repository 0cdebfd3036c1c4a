"""Reading back from a destination: whose turn it is, and what it holds of them.

People are looked up and compared property by property, a page at a time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from syncs.delivery import together
from syncs.destinations.people import Kind, ReadsBack
from syncs.drift import DELIVERED_SQL, REPAIRABLE, differs, note
from syncs.ledger_layout import UNCERTAIN
from syncs.records import Shape
from syncs.spec import ProfileSpec
from syncs.wanted import people_sql, properties_of
from syncs.workspace import Workspace

# People that one worker asks for before it reports, and workers.
_PAGE: Final = 200
_WORKERS: Final = 4
# What was written just now may not show at once: it is looked at again before it counts.
_FRESH: Final = timedelta(minutes=15)
_PATIENCE_SECONDS: Final = (5.0, 25.0)

Sleep = Callable[[float], Awaitable[None]]
OnLooked = Callable[[int, int], None]


class Look:
    """Looks up people of one property sync and compares.

    Needs ``drifting``, see :func:`begin`; ``chosen`` is whom it looked at last.

    Args:
        spec: the sync.
        shape: how its destination wants rows.
        work: workspace with the ledger attached.
        people: who can be asked.
        now: UTC; decides what is fresh.
        sleep: waits between two looks at what is fresh.
        on_looked: told how many of how many were looked up.
    """

    def __init__(
        self,
        spec: ProfileSpec,
        shape: Shape,
        work: Workspace,
        people: ReadsBack,
        *,
        now: datetime,
        sleep: Sleep = asyncio.sleep,
        on_looked: OnLooked = lambda *_: None,
    ) -> None:
        self._spec = spec
        self._shape = shape
        self._con = work.con
        self._people = people
        self._now = now
        self._sleep = sleep
        self._on_looked = on_looked
        self._properties = properties_of(spec, shape, work)

    async def at(self, turn: str) -> int:
        """Look at whoever the table ``turn`` names; returns how many could be looked at.

        What is found is added to ``drifting``.

        Somebody of whom today something else is wanted than was delivered is left out: what the
        destination should hold is then no longer known, and the next run sends it anyway.
        """
        self._choose(turn)
        if not self._count("chosen"):
            return 0
        await self._look("true", count=True)
        for pause in _PATIENCE_SECONDS:
            fresh = "is_fresh and row_key in (select row_key from drifting)"
            if self._count(f"chosen where {fresh}"):
                await self._sleep(pause)
                await self._look(fresh)
        return self._count("chosen")

    def _choose(self, turn: str) -> None:
        # Few are looked at: their hash alone is made for everybody.
        people = people_sql(
            self._spec,
            self._shape,
            self._properties,
            "cast(null as ubigint)",
            flags_before={},
            among=f"keyed({self._shape.key}) in (select row_key from {turn})",
        )
        self._con.execute(
            f"""create or replace table chosen as
            select distinct on (p.row_key) p.row_key, h.customer, p.ref,
                h.delivered = p.told as is_told_again, h.updated_at > $fresh as is_fresh
                {self._properties.flag_columns}
            from ({people}) as p join ledger.rows as h on h.row_key = p.row_key
            where {DELIVERED_SQL} and p.left_out is null
                and h.delivered in (p.told, p.fingerprint)""",
            {"sync": self._spec.name, "fresh": self._now - _FRESH},
        )

    async def _look(self, which: str, *, count: bool = False) -> None:
        said = self._properties
        self._con.execute(
            f"""create or replace table sought as
            select p.row_key, p.customer, {self._shape.identifier} as identifier,
                case when is_told_again then {said.refilled} else {said.filled} end as said,
                {said.empty} as empty, (row_number() over (order by p.row_key) - 1) // {_PAGE}
                    as page
            from chosen as p join pub.main.customers as c on c.rowid = p.ref
            where {which} order by page"""
        )
        self._con.execute("delete from drifting where row_key in (select row_key from sought)")
        total = self._count("sought")
        pages = iter(range(-(-total // _PAGE)))
        looked = 0

        async def worker() -> None:
            nonlocal looked
            for page in pages:
                rows = self._con.execute(
                    "select row_key, customer, identifier, said, empty from sought where page = ?",
                    [page],
                ).fetchall()
                await self._compare(rows)
                looked += len(rows)
                if count:
                    self._on_looked(looked, total)

        await together([worker() for _ in range(_WORKERS)])

    async def _compare(self, rows: Sequence[tuple[Any, ...]]) -> None:
        kind: Kind = "phone" if "phone" in next(iter(self._spec.identify_by)) else "email"
        held = await self._people.held(
            kind, [identifier for _, _, identifier, _, _ in rows], list(self._spec.properties)
        )
        found = []
        for row_key, customer, identifier, said, empty in rows:
            difference = differs(
                json.loads(said),
                held.get(identifier),
                unset=json.loads(empty) if self._shape.can_unset else (),
                update_only=self._spec.update_only,
            )
            if difference:
                found.append((row_key, customer, *difference))
        note(self._con, found)

    def _count(self, rows: str) -> int:
        row = self._con.execute(f"select count(*) from {rows}").fetchone()
        return int(row[0]) if row else 0


_IN_TURN: Final = f"""select h.row_key from ledger.rows as h where {DELIVERED_SQL}
    and h.row_key not in (select row_key from known_drift)"""


class Turns:
    """Whose turn it is: rows in the order of their keyed hashes, round and round.

    Makes ``turn``, and ``known_drift``: who differed last time and was not repaired.
    """

    def __init__(self, work: Workspace, sync: str, position: str) -> None:
        self._con = work.con
        self._sync = sync
        self.position = position
        self._con.execute(
            "create table known_drift as select row_key from ledger.drift "
            "where sync = $sync and not repaired",
            {"sync": sync},
        )
        row = self._con.execute(f"select count(*) from ({_IN_TURN})", {"sync": sync}).fetchone()
        self.people = int(row[0]) if row else 0
        self._taken = 0

    def take(self, most: int) -> int:
        """Let the next ones have their turn; returns how many they are."""
        most = min(most, self.people - self._taken)
        self._con.execute(
            f"""create or replace table turn as {_IN_TURN}
            order by h.row_key <= cast($position as uuid), h.row_key limit $most""",
            {"sync": self._sync, "position": self.position, "most": most},
        )
        row = self._con.execute(
            "select row_key from turn order by row_key <= cast($position as uuid) desc, "
            "row_key desc limit 1",
            {"position": self.position},
        ).fetchone()
        self.position = str(row[0]) if row else self.position
        self._taken += most
        return most

    def brought_news(self) -> bool:
        """Whether somebody differs who did not last time."""
        row = self._con.execute(
            f"select exists (from drifting where kind in {REPAIRABLE} "
            "and row_key not in (select row_key from known_drift))"
        ).fetchone()
        return bool(row and row[0])

    def keep_pending(self) -> None:
        """Let whoever waits for a repair that did not happen yet go on counting as drift."""
        self._con.execute(
            f"""insert into drifting
            select d.row_key, d.customer, d.kind, coalesce(d.detail, '') from ledger.drift as d
            join ledger.rows as h on h.sync = d.sync and h.row_key = d.row_key
            where d.sync = $sync and not d.repaired and h.delivered = {UNCERTAIN}
                and h.reason = 'drift' and d.row_key not in (select row_key from drifting)""",
            {"sync": self._sync},
        )
