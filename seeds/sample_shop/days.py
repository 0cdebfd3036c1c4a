"""The shop's calendar: its zone, its first and last day, and the ways a source writes a time."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
LAST_DAY = date(2026, 11, 21)
FIRST_DAY = date(2023, 11, 22)
MIDDAY = time(12, 30)

Style = Literal["offset", "utc", "naive"]


def days_ago(days: int) -> date:
    """The shop-local day that many days before the last day."""
    return LAST_DAY - timedelta(days=days)


def at(day: date, clock: time = MIDDAY) -> datetime:
    """That shop-local clock time as an instant with the offset then in force."""
    return datetime.combine(day, clock, tzinfo=ZONE)


def ago(days: int, clock: str = "12:30") -> datetime:
    """The instant at `HH:MM` shop-local time, that many days before the last day."""
    return at(days_ago(days), time.fromisoformat(clock))


def written(when: datetime, style: Style = "offset") -> str:
    """An instant as a source would write it.

    Args:
        when: The instant, in any zone.
        style: `offset` (2026-11-21T09:15:00-05:00), `utc` (2026-11-21T14:15:00Z) or `naive`
            (2026-11-21 09:15:00, shop-local).

    Returns:
        The text for the CSV cell.
    """
    if style == "utc":
        return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    local = when.astimezone(ZONE)
    if style == "naive":
        return local.strftime("%Y-%m-%d %H:%M:%S")
    return local.isoformat(timespec="seconds")
