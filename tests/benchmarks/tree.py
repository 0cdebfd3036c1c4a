"""Runs a command and measures it with all processes it starts, on two processors.

``python -m tests.benchmarks.tree COMMAND …`` prints the figures as JSON. A process of its own, for
what `process` says: a large parent would be charged to what it starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.table import BenchmarkError

PROCESSORS = 2
_ROOT = Path(__file__).resolve().parents[2]
_SAMPLE_SECONDS = 0.2
_LAST_CHARACTERS = 4_000


@dataclass(frozen=True)
class Used:
    """What a tree of processes used: wall and processor seconds, most resident bytes at a time."""

    seconds: float
    processor_seconds: float
    peak_bytes: int


def run(command: list[str], environment: Mapping[str, str]) -> Used:
    """Run a command to a good end.

    Raises:
        BenchmarkError: it ended in another way.
    """
    ended = subprocess.run(
        [sys.executable, "-m", __name__, *command],
        cwd=_ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        said = f"{' '.join(command)} ended with {ended.returncode}:\n"
        raise BenchmarkError(said + ended.stderr[-_LAST_CHARACTERS:])
    return Used(**json.loads(ended.stdout))


def _resident_bytes(root: int) -> int:
    """Of a process and its descendants; what several of them share is counted for each."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,rss="],  # noqa: S607 wherever the system has it
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    children, kilobytes = defaultdict(list), {}
    for pid, parent, size in rows:
        children[parent].append(pid)
        kilobytes[pid] = size
    total, left = 0, [root]
    while left:
        pid = left.pop()
        total += kilobytes.get(pid, 0)
        left += children[pid]
    return total * 1024


def _measure(command: list[str]) -> int:
    with contextlib.suppress(AttributeError, OSError):  # not every system can
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr)
    peak, ended = 0, 0
    while not ended:
        peak = max(peak, _resident_bytes(process.pid))
        time.sleep(_SAMPLE_SECONDS)
        # Of the command and what it waited for, without the samples themselves.
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
    seconds = time.perf_counter() - began
    unit = 1 if sys.platform == "darwin" else 1024
    figures = {
        "seconds": seconds,
        "processor_seconds": used.ru_utime + used.ru_stime,
        # A peak between two samples is seen at least for the largest process.
        "peak_bytes": max(peak, used.ru_maxrss * unit),
    }
    print(json.dumps(figures))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(_measure(sys.argv[1:]))
