"""The vendors' stand-ins for a benchmark."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syncs import sandbox
from tests.support.box import Box

_STOP_SECONDS = 10.0


@contextmanager
def running(home: Path) -> Iterator[Box]:
    """The sandbox of a folder, in a process of its own that is gone afterwards."""
    address = sandbox.ensure_running(home, idle_seconds=600)
    pid = int(json.loads((home / "sandbox" / "address.json").read_text())["pid"])
    try:
        yield Box(address)
    finally:
        _stop(pid)


def _stop(pid: int) -> None:
    """End the server and wait for it: it must not write into a folder that is being removed."""
    deadline = time.monotonic() + _STOP_SECONDS
    try:
        os.kill(pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            time.sleep(0.05)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
