"""Fixtures shared by all tests."""

from __future__ import annotations

import functools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from syncs import SyncSettings, sandbox
from tests.support.box import Box

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Let databases that the tests open in their own processes do with one thread each.

    Their tables are tiny: threads that wait for work were a fifth of what the tests cost.
    """
    connect = duckdb.connect

    @functools.wraps(connect)
    def with_one_thread(*place: Any, **options: Any) -> Any:
        options["config"] = {"threads": 1, **(options.get("config") or {})}
        return connect(*place, **options)

    duckdb.connect = with_one_thread


@pytest.fixture(scope="session")
def sandbox_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("sandbox")
    # Longer than any run of all tests: between two that need it half an hour may pass.
    address = sandbox.ensure_running(home, idle_seconds=7200)
    yield address
    found = json.loads((home / "sandbox" / "address.json").read_text())
    os.kill(found["pid"], signal.SIGTERM)


@pytest.fixture
def box(sandbox_address: str) -> Box:
    """A fresh sandbox with the vendors' documented numbers."""
    box = Box(sandbox_address)
    box.reset()
    return box


@pytest.fixture
def settings(tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch) -> SyncSettings:
    """Sync settings with a home of their own, pointed at the sandbox, specs in ``specs/``."""
    (tmp_path / "specs").mkdir()
    monkeypatch.setenv("SEGMENTS_HOME", str(tmp_path))
    monkeypatch.setenv("SEGMENTS_SPECS", str(tmp_path / "specs"))
    for vendor in ("klaviyo", "attentive", "facebook"):
        monkeypatch.setenv(f"{vendor.upper()}_BASE_URL", f"{box.address}/{vendor}")
    return SyncSettings()
