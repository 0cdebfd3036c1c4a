"""Waiting for another process, as long as a busy machine may take and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable

_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds; fail when it does not within a minute."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(_POLL_SECONDS)
