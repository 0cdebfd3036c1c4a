"""The models of the working tree, built on a copy of the raw tables in a folder of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.connections import (
    STORAGE_VERSION,
    Sleep,
    WarehouseError,
    patiently,
    prepare,
    quoted,
)

PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"
"""The dbt project of this working tree."""

# Everything that decides who is in which segment, and the orders to tell new data by.
_NEEDED = "+segment_members +segment_catalog +orders"
_STEP = re.compile(r"(\d+ of \d+) (?:OK|START)")
_HEADING = re.compile(r"\b(?:\w+ )?Error\b")


class BuildError(Exception):
    """dbt refuses the models or their variables; the message is what dbt says of it."""


def copy_raw(warehouse: Path, home: Path, *, sleep: Sleep = time.sleep) -> None:
    """Copy the raw tables of `warehouse` into a new warehouse in the folder `home`.

    Raises:
        WarehouseLockedError: another process writes the warehouse.
        WarehouseError: it has no raw tables, or `home` has too little room.
    """
    with duckdb.connect() as con:
        prepare(con)
        attach = f"ATTACH {quoted(warehouse)} AS source (READ_ONLY)"
        patiently(lambda: con.execute(attach), warehouse, sleep)
        tables = con.execute(
            "SELECT table_name FROM duckdb_tables() "
            "WHERE database_name = 'source' AND schema_name = 'raw'"
        ).fetchall()
        if not tables:
            message = f"{warehouse.name} holds no raw tables: load the source first"
            raise WarehouseError(message)
        copy = quoted(home / "warehouse.duckdb")
        con.execute(f"ATTACH {copy} AS scratch (STORAGE_VERSION '{STORAGE_VERSION}')")
        con.execute("CREATE SCHEMA scratch.raw")
        try:
            for (name,) in tables:
                con.execute(f'CREATE TABLE scratch.raw."{name}" AS FROM source.raw."{name}"')
        except duckdb.IOException as error:
            message = f"the raw tables could not be copied: {error}; TMPDIR names another folder"
            raise WarehouseError(message) from error


def build_models(
    home: Path, variables: dict[str, Any], *, progress: Callable[[str], object]
) -> None:
    """Build what decides about members in the warehouse of the folder `home`.

    Args:
        home: a folder with a `warehouse.duckdb`; dbt's own files go there as well.
        variables: dbt variables, beside those of the project.
        progress: is told how many models are built, such as "12 of 80".

    Raises:
        BuildError: dbt fails.
    """
    command = [
        *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "build"),
        *("--resource-type", "model", "--resource-type", "seed", "--select", _NEEDED),
        *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
        *("--target-path", str(home / "target"), "--log-path", str(home / "logs")),
        *("--vars", json.dumps(variables)),
    ]
    environment = {**os.environ, "SEGMENTS_HOME": str(home)}
    said: list[str] = []
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    ) as process:
        for line in process.stdout or ():
            said.append(re.sub(r"^\d\d:\d\d:\d\d\s+", "", line.rstrip()))
            if step := _STEP.search(line):
                progress(step[1])
    if process.returncode:
        raise BuildError(_sentence(said))


def _sentence(said: list[str]) -> str:
    """What dbt says is wrong: the line after its last heading of an error."""
    after = [
        following.strip()
        for line, following in pairwise(said)
        if _HEADING.search(line) and following.startswith("  ") and following.strip()
    ]
    if after:
        return f"dbt: {after[0]}"
    return "dbt: " + " ".join(line.strip() for line in said[-5:])
