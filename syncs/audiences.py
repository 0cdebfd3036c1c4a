"""How an audience is doing: nobody can read who is in it, so it is asked for what it does tell."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from syncs.desk import Desk
from syncs.destinations.people import AudienceState, DescribesObjects
from syncs.drift import DELIVERED_SQL, NOBODY, Drift, note
from syncs.errors import DeliveryError
from syncs.spec import AudienceSpec

_AUDIENCE: Final = "audience_id"
_CONDITIONS: Final = {414: "busy", 471: "flagged"}
# Sizes appear within a day, blurred, and of matched people only.
_SIZE_AGE: Final = timedelta(days=1)
_SIZE_FROM: Final = 1_000
_SIZE_SHARE: Final = 10


async def describe(spec: AudienceSpec, desk: Desk) -> Drift:
    """Ask how an audience is doing, and give it its name back where the spec allows repairs.

    One that is gone stays gone: whoever deleted it meant it, or somebody has to find out.

    Raises:
        DeliveryError: the vendor cannot be asked.
    """
    objects = desk.book.objects(spec.name)
    vendor = desk.people()
    if _AUDIENCE not in objects or not isinstance(vendor, DescribesObjects):
        return Drift(spec.name)
    delivered = _delivered(spec, desk)

    async def differences() -> list[tuple[str, str]]:
        return differs(spec, await vendor.describe(objects[_AUDIENCE]), delivered)

    found = await differences()
    problem, repaired = "", False
    if spec.reconcile.repair and [kind for kind, _ in found] == ["renamed"]:
        try:
            await desk.destination().prepare({}, objects)
            repaired = not await differences()
        except DeliveryError as error:
            problem = str(error)
    note(desk.work.con, [(NOBODY, None, kind, detail) for kind, detail in found])
    return Drift(
        sync=spec.name,
        looked_at=1,
        found=desk.record(is_repaired=repaired),
        repaired=int(repaired),
        requests=desk.requests,
        problem=problem,
    )


def differs(spec: AudienceSpec, state: AudienceState, delivered: int) -> list[tuple[str, str]]:
    """What is wrong with an audience: kinds, each with words that name nobody.

    Args:
        spec: the sync; says what the audience should be called.
        state: what the vendor says.
        delivered: people it took and has had time to count.
    """
    if not state.exists:
        return [("audience_gone", "")]
    found = []
    if state.name != spec.audience_name:
        found.append(("renamed", ""))
    condition = _CONDITIONS.get(state.operation_code or 0)
    if condition:
        found.append((condition, f"status {state.operation_code}"))
    highest = state.highest
    if highest is not None and delivered >= _SIZE_FROM and highest * _SIZE_SHARE < delivered:
        found.append(("size", f"at most {highest} of {delivered} delivered"))
    return found


def _delivered(spec: AudienceSpec, desk: Desk) -> int:
    row = desk.work.con.execute(
        f"select count(*) from ledger.rows as h where {DELIVERED_SQL} and h.updated_at < $before",
        {"sync": spec.name, "before": desk.now - _SIZE_AGE},
    ).fetchone()
    return int(row[0]) if row else 0
