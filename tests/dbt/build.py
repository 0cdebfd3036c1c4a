"""Loads a folder and builds the dbt project on it, as the daily job does, in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.sources import CanonicalSource, LoadOptions, load, normalise_phones
from tests.sample_shop import AS_OF, ROOT

PROJECT = ROOT / "dbt_project"


def load_folder(folder: Path, home: Path) -> Path:
    """Load the canonical files of `folder` into a new warehouse under `home`."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "warehouse.duckdb"
    with duckdb.connect(str(path)) as con:
        load(con, CanonicalSource(folder), LoadOptions(shop_timezone="America/New_York"))
        normalise_phones(con, "US")
    return path


def dbt(home: Path, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run dbt on the warehouse of `home`; its own files stay there too."""
    given = {"as_of": AS_OF, **variables}
    command = [
        *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *arguments),
        *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
        *("--target-path", str(home / "target"), "--log-path", str(home / "logs")),
        *("--vars", json.dumps({k: v for k, v in given.items() if v is not ...})),
    ]
    environment = {**os.environ, "SEGMENTS_HOME": str(home)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def build(home: Path, **variables: Any) -> None:
    """Build all models and run all data tests; unit tests do not depend on the data."""
    result = dbt(home, "build", "--exclude-resource-type", "unit_test", **variables)
    assert result.returncode == 0, result.stdout[-4000:]
