"""Loads a folder and builds the dbt project on it, as the daily job does, in a home of its own."""

from __future__ import annotations

import graphlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.sources import CanonicalSource, LoadOptions, load, normalise_phones
from tests.sample_shop import AS_OF, RAW, ROOT
from tests.support.once import once_a_run

PROJECT = ROOT / "dbt_project"
# What dbt parsed, by its variables. It parses everything again (six seconds) when these or the path
# of the database are others, so every home is reached by one path.
_PARSED = tempfile.TemporaryDirectory(prefix="dbt-parsed-")


def load_folder(folder: Path, home: Path) -> Path:
    """Load the canonical files of `folder` into a new warehouse under `home`."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "warehouse.duckdb"
    with duckdb.connect(str(path)) as con:
        load(con, CanonicalSource(folder), LoadOptions(shop_timezone="America/New_York"))
        normalise_phones(con, "US")
    return path


def sample_home(factory: pytest.TempPathFactory, name: str) -> Path:
    """A home of one's own with the sample shop loaded and built."""
    home = factory.mktemp(name) / "home"
    shutil.copytree(_sample(factory), home)
    return home


def _sample(factory: pytest.TempPathFactory) -> Path:
    """The sample shop, built once a test run; not to be changed."""

    def make(home: Path) -> None:
        load_folder(RAW, home)
        build(home)

    return once_a_run(factory, "sample-home", make)


def dbt(home: Path, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run dbt on the warehouse of `home`; its own files stay there too."""
    given = json.dumps(
        {k: v for k, v in {"as_of": AS_OF, **variables}.items() if v is not ...}, sort_keys=True
    )
    known = Path(_PARSED.name) / hashlib.sha256(given.encode()).hexdigest()
    parsed = home / "target" / "partial_parse.msgpack"
    parsed.parent.mkdir(parents=True, exist_ok=True)
    if known.exists():
        shutil.copyfile(known, parsed)
    place = Path(_PARSED.name) / "home"
    place.unlink(missing_ok=True)
    place.symlink_to(home, target_is_directory=True)
    command = [
        *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *arguments),
        *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
        *("--target-path", str(parsed.parent), "--log-level-file", "none"),
        *("--vars", given),
    ]
    environment = {**os.environ, "SEGMENTS_HOME": str(place)}
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    if result.returncode == 0:
        shutil.copyfile(parsed, known)
    return result


def build(home: Path, **variables: Any) -> None:
    """Build all models and run all data tests; unit tests do not depend on the data."""
    result = dbt(home, "build", "--exclude-resource-type", "unit_test", **variables)
    assert result.returncode == 0, result.stdout[-4000:]


def build_models(home: Path, *selected: str, **variables: Any) -> None:
    """Build seeds and models, all or the selected ones, without any test."""
    select = ("--select", *selected) if selected else ()
    without = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    result = dbt(home, "build", *without, *select, **variables)
    assert result.returncode == 0, result.stdout[-4000:]


def build_as_sample(factory: pytest.TempPathFactory, home: Path, *tables: str) -> None:
    """Build models, and all they need, with the SQL that dbt made of them for the sample shop.

    That SQL depends on the variables and not on the data, and takes a second without dbt's twenty.
    """
    sample = _sample(factory)
    manifest = json.loads((sample / "target" / "manifest.json").read_text(encoding="utf-8"))
    nodes = manifest["nodes"]
    needs: dict[str, set[str]] = {}
    wanted = [key for key, node in nodes.items() if node["name"] in tables]
    assert len(wanted) == len(tables)
    while wanted:
        key = wanted.pop()
        needs[key] = {need for need in nodes[key]["depends_on"].get("nodes", ()) if need in nodes}
        wanted += needs[key] - needs.keys()
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH '{sample / 'warehouse.duckdb'}' AS sample (READ_ONLY)")
        for key in graphlib.TopologicalSorter(needs).static_order():
            node = nodes[key]
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {node['schema']}")
            if node["resource_type"] == "seed":
                kind, sql = "TABLE", f"FROM sample.{node['schema']}.{node['name']}"
            else:
                kind, sql = node["config"]["materialized"], node["compiled_code"]
            con.execute(f"CREATE OR REPLACE {kind} {node['relation_name']} AS {sql}")
