"""What the sample shop promises: the trap tables of seeds/README.md, read as data."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RAW = ROOT / "seeds" / "raw"
README = ROOT / "seeds" / "README.md"
AS_OF = "2026-11-21"

_NONE = "–"  # noqa: RUF001 - the dash of the tables
_COLUMNS = 6


@dataclass(frozen=True)
class Trap:
    """A hand-made customer and what has to come out of the pipeline for them.

    `pattern` is a glob on `customer_id`, or on `order_id` when `by_order`. `lifecycle` is None when
    nobody may be published; `discount_behavior` is None for people who never bought.
    """

    pattern: str
    by_order: bool
    lifecycle: str | None
    valid_orders: int
    discount_behavior: str | None
    also_in: frozenset[str]
    shows: str


def traps() -> list[Trap]:
    """Every row of the trap tables, in the order of the page."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in README.read_text(encoding="utf-8").splitlines()
        if line.startswith(("| trap-", "| order trap-"))
    ]
    return [_trap(row) for row in rows if len(row) == _COLUMNS]


def _trap(row: list[str]) -> Trap:
    identity, lifecycle, orders, discounts, also_in, shows = row
    return Trap(
        pattern=identity.removeprefix("order "),
        by_order=identity.startswith("order "),
        lifecycle=None if lifecycle == _NONE else lifecycle,
        valid_orders=0 if orders == _NONE else int(orders),
        discount_behavior=None if discounts == _NONE else discounts,
        also_in=frozenset(also_in.replace("`", "").split(", ")) - {_NONE},
        shows=shows,
    )
