"""Takes the bytes of forgotten people out of the warehouse's file.

DuckDB marks the blocks of a replaced table as free and writes over them some day. After somebody
was forgotten, and everything was loaded and built without them, the file is written anew, once.
"""

from __future__ import annotations

import shutil
import time
import uuid
from pathlib import Path

import duckdb

from dagster_project.connections import (
    STORAGE_VERSION,
    Sleep,
    must_exist,
    patiently,
    prepare,
    put_in_place,
    quoted,
)
from dagster_project.sources import TABLES

_FRESH = ".purged-"


def purge(warehouse: Path, *, sleep: Sleep = time.sleep) -> bool:
    """Write the warehouse anew if people were forgotten since that was done; True if it was.

    To be called when every model was built from what was loaded last. As long as one table was
    loaded with another list of forgotten people than the rest, nothing is done.

    Raises:
        WarehouseError: there is no warehouse.
        WarehouseLockedError: another process uses it; it stays as it is, and is due again.
    """
    must_exist(warehouse)
    for leftover in warehouse.parent.glob(f"{_FRESH}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with duckdb.connect() as con:
        prepare(con)
        attach = f"ATTACH {quoted(warehouse)} AS warehouse"
        patiently(lambda: con.execute(f"{attach} (READ_ONLY)"), warehouse, sleep)
        due = _due(con)
        if due is None:
            return False
        con.execute("DETACH warehouse")
        # For writing, although it is only read: nobody may change what is about to be replaced.
        patiently(lambda: con.execute(attach), warehouse, sleep)
        folder = warehouse.with_name(f"{_FRESH}{uuid.uuid4().hex}")
        folder.mkdir(mode=0o700)
        try:
            _copy(con, folder / warehouse.name, due)
            put_in_place(folder / warehouse.name, warehouse, warehouse.stat().st_mode & 0o777)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    # What a killed process could not keep in memory.
    shutil.rmtree(warehouse.with_name(f"{warehouse.name}.tmp"), ignore_errors=True)
    return True


def _copy(con: duckdb.DuckDBPyConnection, fresh: Path, list_id: str) -> None:
    con.execute(f"ATTACH {quoted(fresh)} AS fresh (STORAGE_VERSION '{STORAGE_VERSION}')")
    con.execute("COPY FROM DATABASE warehouse TO fresh")
    con.execute("CREATE OR REPLACE TABLE fresh.raw.purged AS SELECT ? AS list_id", [list_id])
    con.execute("DETACH fresh")


def _due(con: duckdb.DuckDBPyConnection) -> str | None:
    """The list all tables were loaded with, unless the file was purged for it already."""
    tables = {
        str(row[0])
        for row in con.execute(
            "SELECT table_name FROM duckdb_tables() "
            "WHERE database_name = 'warehouse' AND schema_name = 'raw'"
        ).fetchall()
    }
    if "kept_out" not in tables:
        return None
    lists = con.execute(
        "SELECT count(*), count(DISTINCT list_id), any_value(list_id) FROM warehouse.raw.kept_out"
    ).fetchone()
    loaded, different, list_id = lists or (0, 0, None)
    if loaded != len(TABLES) or different != 1:
        return None
    if "purged" in tables:
        done = con.execute("SELECT any_value(list_id) FROM warehouse.raw.purged").fetchone()
        if done == (list_id,):
            return None
    return str(list_id)
