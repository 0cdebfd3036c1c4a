"""Tables of what each vendor now holds, for a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table

from syncs.sandbox.state import EventCount, SandboxState, Values


def render(state: SandboxState) -> RenderableType:
    """Tables of the three vendors; numbers and names only, never a person."""
    klaviyo, attentive = state.klaviyo, state.attentive
    audiences = Table(title="Facebook audiences", title_justify="left")
    audiences.add_column("audience")
    audiences.add_column("members", justify="right")
    for audience in state.facebook.audiences:
        audiences.add_row(audience.name, f"{audience.members:,}")
    return Group(
        _values_table(f"Klaviyo: {klaviyo.profiles:,} profiles", "property", klaviyo.properties),
        _events_table("Klaviyo events", "metric", "backfilled", klaviyo.events),
        _values_table(f"Attentive: {attentive.people:,} people", "attribute", attentive.attributes),
        _events_table("Attentive events", "type", "too old for journeys", attentive.events),
        audiences,
    )


def _values_table(title: str, kind: str, rows: tuple[Values, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(kind)
    table.add_column("set for", justify="right")
    table.add_column("values")
    for row in rows:
        shown = ", ".join(f"{value}: {count:,}" for value, count in row.values)
        table.add_row(row.name, f"{row.people:,}", shown or "various")
    return table


def _events_table(title: str, kind: str, quiet: str, rows: tuple[EventCount, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(kind)
    table.add_column("events", justify="right")
    table.add_column(quiet, justify="right")
    for row in rows:
        table.add_row(row.name, f"{row.total:,}", f"{row.quiet:,}")
    return table
