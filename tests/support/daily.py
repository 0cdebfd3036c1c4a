"""Runs the daily job as its users do: the documented command, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("SEGMENTS_", "SHOP_", "KLAVIYO_", "ATTENTIVE_", "FACEBOOK_", "DAGSTER_HOME")


def run_daily(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """One run of ``daily_segments`` on a home of its own.

    Args:
        home: becomes ``SEGMENTS_HOME``.
        variables: more environment variables; none of the caller's own are inherited.
    """
    return _dagster(home, variables, "job", "execute", "-j", "daily_segments")


def publish(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """As `run_daily`, but loads, builds, tests and publishes only; nothing is sent."""
    return _dagster(home, variables, "asset", "materialize", "--select", "+group:published")


def _dagster(
    home: Path, variables: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    dagster = str(Path(sys.executable).with_name("dagster"))
    return subprocess.run(
        [dagster, *arguments, "-m", "dagster_project.definitions"],
        cwd=ROOT,
        env={**inherited, "SEGMENTS_HOME": str(home), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
