"""What is known about the quality of the source, as a page to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HEAD = "| | check | value | at most | what it says |\n|---|---|---:|---:|---|\n"
_MARKS = {True: "✓", False: "✗", None: ""}


def as_markdown(con: DuckDBPyConnection) -> str:
    """The published table `source_quality`: what is above its threshold first, then the facts."""
    rows = con.execute(
        """
        select passed, "check", value, threshold, detail from source_quality
        order by passed is distinct from false, threshold is null, "check", value desc, detail
        """
    ).fetchall()
    failed = sum(passed is False for passed, *_ in rows)
    judged = sum(threshold is not None for _, _, _, threshold, _ in rows)
    title = f"**{failed} of {judged} shares are above their threshold.**\n\n"
    lines = [
        f"| {_MARKS[passed]} | {check} | {_shown(value)} | {_shown(threshold)} | {_cell(detail)} |"
        for passed, check, value, threshold, detail in rows
    ]
    return title + _HEAD + "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{float(str(value)):,.4f}".rstrip("0").rstrip(".")


def _cell(text: object) -> str:
    return str(text if text is not None else "").replace("|", "\\|").replace("\n", " ")
