"""How far the results in a folder reach, in a file beside them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from dagster_project.sources.errors import LoadError

STATE = "fetched.json"
"""The file: when what was asked for, and since when orders can be seen at all."""


def read_state(folder: Path) -> dict[str, Any]:
    """What the file says; nothing when there is none.

    Raises:
        LoadError: it is damaged.
    """
    file = folder / STATE
    if not file.exists():
        return {}
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        state = None
    if not isinstance(state, dict):
        message = f"{STATE} is damaged: empty the folder of results, and everything is fetched anew"
        raise LoadError(message)
    return state


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace the file, in one rename."""
    new = folder / f"{STATE}.new"
    new.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    new.replace(folder / STATE)


def whole_from(folder: Path) -> date | None:
    """The first day from which on all orders could be seen; None when all could.

    Raises:
        LoadError: the file is damaged.
    """
    day = read_state(folder).get("whole_from")
    return date.fromisoformat(day) if day is not None else None
