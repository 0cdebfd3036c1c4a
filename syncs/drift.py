"""What counts as a difference between a destination and the ledger, and how it is noted.

Findings go to the table ``drifting``: hashes, kinds and names of properties, never a value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb

from syncs.destinations.people import same_value

NOTED: Final = ("no_profile", "busy")
"""Kinds that are told and are no fault: there is nothing to repair."""
REPAIRABLE: Final = ("missing", "different")
"""Kinds that sending again repairs."""

NOBODY: Final = "00000000-0000-0000-0000-000000000000"
"""The row key of a finding that is about an audience, and the position before everybody."""

# Rows the destination surely took, of people who are to be there.
DELIVERED_SQL: Final = """h.sync = $sync and h.state in ('accepted', 'confirmed')
    and not h.has_left and h.delivered is not null
    and h.row_key not in (select row_key from ledger.outbox where sync = $sync)
    and (h.customer is null or h.customer not in (select customer from erased_customers))
    and h.row_key not in (select keyed(id_value) from erasures where id_value is not null)"""


@dataclass(frozen=True)
class Drift:
    """How far the destination of one sync is from the ledger: counts, never people.

    Attributes:
        sync: the sync.
        looked_at: people looked up, or audiences.
        left: people who are still to be looked up because some were seen to differ; the next days
            go on with them.
        found: what differs, by kind.
        repaired: of those, seen to be right again.
        requests: made for it, those of the repair not among them.
        problem: why the repair is not complete.
    """

    sync: str
    looked_at: int = 0
    left: int = 0
    found: Mapping[str, int] = field(default_factory=dict)
    repaired: int = 0
    requests: int = 0
    problem: str = ""

    @property
    def drifted(self) -> int:
        """Findings that are a fault."""
        return sum(n for kind, n in self.found.items() if kind not in NOTED)

    @property
    def is_fine(self) -> bool:
        """True only when nothing is a fault, or all of it was repaired."""
        return self.repaired >= self.drifted


def begin(con: duckdb.DuckDBPyConnection) -> None:
    """Make the empty table ``drifting``."""
    con.execute(
        "create or replace table drifting "
        "(row_key uuid, customer uhugeint, kind varchar, detail varchar)"
    )


def note(con: duckdb.DuckDBPyConnection, found: Sequence[tuple[Any, Any, str, str]]) -> None:
    """Add findings to ``drifting``: row key, keyed customer or None, kind, detail."""
    if not found:
        return
    con.execute(
        """insert into drifting select unnest(cast($keys as uuid[])),
        unnest(cast($customers as uhugeint[])), unnest($kinds), unnest($details)""",
        {
            "keys": [str(key) for key, _, _, _ in found],
            "customers": [None if who is None else str(who) for _, who, _, _ in found],
            "kinds": [kind for _, _, kind, _ in found],
            "details": [detail for _, _, _, detail in found],
        },
    )


def differs(
    said: Mapping[str, object],
    held: Mapping[str, object] | None,
    *,
    unset: Collection[str] = (),
    update_only: bool = False,
) -> tuple[str, str] | None:
    """The kind of a difference and the names of the properties, or None.

    Args:
        said: what the destination was told of somebody.
        held: what it holds of them; None when it knows nobody.
        unset: names that must have no value there.
        update_only: the sync never makes a profile, so one that is gone stays gone.
    """
    if held is None:
        # Nobody of whom there is nothing to say is missed.
        return ("no_profile" if update_only else "missing", "") if said else None
    absent = {name for name in said if name not in held}
    other = {name for name in said if name in held and not same_value(said[name], held[name])}
    other |= {name for name in unset if name in held}
    if not absent and not other:
        return None
    kind = "missing" if absent == set(said) and not other else "different"
    return kind, ", ".join(sorted(absent | other))
