"""Days, moments and places where mistakes sit, to draw from."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Protocol, TypeVar

from tests.dbt.history import AS_OF, NOWHERE, ZONE, Identifiers, Place

T = TypeVar("T")


class Draw(Protocol):
    """Draws identifiers of one person; an account always shows its own."""

    def __call__(self, random: Random, *, account: bool = False) -> Identifiers: ...


EARLIEST = date(2023, 9, 1)
# Days between two orders: both sides of 7, 30, 180 and 365 days and of the week after those, of the
# ladder's steps and of the windows of the other rules.
GAPS = (
    *(
        0,
        0,
        0,
        0,
        0,
        1,
        2,
        5,
        6,
        7,
        8,
        13,
        14,
        15,
        29,
        30,
        31,
        44,
        45,
        46,
        49,
        50,
        59,
        60,
        61,
        74,
        75,
    ),
    *(89, 90, 91, 92, 97, 119, 120, 121, 127, 128, 180, 181, 182, 187, 188, 364, 365, 366, 372),
    *(373, 380),
)
CLOCK_CHANGES = (date(2024, 11, 3), date(2025, 3, 9), date(2025, 11, 2), date(2026, 3, 8))
_TIMES = (
    *(time(0, 0), time(0, 0, 1), time(0, 30), time(1, 0), time(1, 30), time(3, 30), time(12, 0)),
    *(time(19, 0), time(20, 30), time(22, 59, 59), time(23, 0), time(23, 30), time(23, 59, 59)),
)
LAST_INSTANT = datetime.combine(AS_OF, time(23, 59, 59), ZONE).astimezone(UTC)

PLACES = (
    Place("US", "NY", "Buffalo", "14201"),
    Place("us", "ny", "Brooklyn", "11201"),
    Place("US", "NJ", "Montclair", "07042"),
    Place("CA", "ON", "Toronto", "M5V 2T6"),
    Place("CA", None, None, None),
    Place("US", "CA", "Oakland", "94607"),
    NOWHERE,
)
OFFICE = ("203.0.113.250", "of everybody")


def a_day(random: Random, edges: tuple[date, ...] = ()) -> date:
    if random.random() < 0.25:
        # Orders whose thresholds fall around the as-of date, and some after it.
        return AS_OF - timedelta(days=random.choice((*GAPS, -1, -2)))
    if random.random() < 0.3:
        return random.choice(edges or CAMPAIGN_EDGES) + timedelta(days=random.randint(-2, 4))
    return EARLIEST + timedelta(days=random.randrange((AS_OF - EARLIEST).days))


def an_instant(random: Random, day: date) -> datetime:
    local = datetime.combine(day, random.choice(_TIMES), ZONE)
    return local.replace(fold=random.randrange(2)).astimezone(UTC)


def sometimes(random: Random, share: float, value: T) -> T | None:
    return value if random.random() < share else None


# First and last days of campaigns; the clock changes on two of them.
CAMPAIGN_EDGES = (
    *(date(2024, 11, 3), date(2024, 11, 20), date(2024, 11, 10), date(2024, 12, 8)),
    *(date(2025, 9, 15), date(2025, 10, 5), date(2025, 11, 2), date(2025, 11, 30)),
    *(date(2026, 11, 1), AS_OF - timedelta(days=2), date(2026, 6, 1)),
)
