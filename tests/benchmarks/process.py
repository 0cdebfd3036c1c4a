"""Runs ``python -m syncs`` as a process of its own: how long it took, how much memory it held.

A new process is charged with the memory its parent held when it was started. So the benchmark,
which is large, starts this module, which is small, and this module starts what is measured.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.table import BenchmarkError

_ROOT = Path(__file__).resolve().parents[2]
# The caller's own settings must not reach what is measured.
_FOREIGN = ("SEGMENTS_", "SHOP_", "KLAVIYO_", "ATTENTIVE_", "FACEBOOK_")


@dataclass(frozen=True)
class Ended:
    """What a process used: seconds including its start, processor seconds, most resident bytes."""

    seconds: float
    processor_seconds: float
    peak_bytes: int


def apply(home: Path, name: str, base_url: str, module: str = "syncs") -> Ended:
    """Run one sync of a home folder against a stand-in of its vendor, to a good end.

    Args:
        home: the home folder.
        name: the sync; its first word is its account.
        base_url: where the vendor's place is taken.
        module: what is run: the command itself, or a variant of it.

    Raises:
        BenchmarkError: it did not deliver everything.
    """
    return _ran(home, name, base_url, [module, "apply", name])


def start(home: Path, name: str) -> Ended:
    """Start the command and let it do next to nothing: what every run pays before it begins."""
    return _ran(home, name, "http://127.0.0.1:1", ["syncs", "schema"])


def _ran(home: Path, name: str, base_url: str, command: list[str]) -> Ended:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    account = name.split("_", 1)[0]
    environment |= {
        "SEGMENTS_ENV": "demo",
        "SEGMENTS_HOME": str(home),
        "SEGMENTS_SPECS": str(home / "specs"),
        f"{account.upper()}_BASE_URL": base_url,
    }
    ended = subprocess.run(
        [sys.executable, "-m", __name__, sys.executable, "-m", *command],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        said = f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stderr}"
        raise BenchmarkError(said)
    return Ended(**json.loads(ended.stdout))


def _measure(command: list[str]) -> int:
    began = time.perf_counter()
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    figures = {
        "seconds": seconds,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * unit,
    }
    print(json.dumps(figures))
    return ended.returncode


if __name__ == "__main__":
    sys.exit(_measure(sys.argv[1:]))
