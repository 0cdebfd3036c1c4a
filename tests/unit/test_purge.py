from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from dagster_project import warehouse
from dagster_project.purge import purge
from dagster_project.sources import TABLE_NAMES

ADDRESS = b"erin.unmistakable@mail.example"


def keep_out(path: Path, list_id: str, *tables: str) -> None:
    with warehouse.write(path) as con:
        con.execute("CREATE SCHEMA IF NOT EXISTS raw")
        con.execute("CREATE TABLE IF NOT EXISTS raw.kept_out (table_name VARCHAR, list_id VARCHAR)")
        for table in tables or TABLE_NAMES:
            con.execute("DELETE FROM raw.kept_out WHERE table_name = ?", [table])
            con.execute("INSERT INTO raw.kept_out VALUES (?, ?)", [table, list_id])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A warehouse whose current tables do not hold the address, but whose free blocks do."""
    path = tmp_path / "warehouse.duckdb"
    with warehouse.write(path) as con:
        con.execute("SET force_compression = 'uncompressed'")
        con.execute("CREATE SCHEMA raw; CREATE SCHEMA marts")
        con.execute(
            "CREATE TABLE raw.orders AS SELECT i, ? || i AS email FROM range(5000) AS t (i)",
            [ADDRESS.decode()],
        )
        con.execute("COMMENT ON COLUMN raw.orders.email IS 'an address'")
        con.execute('CREATE VIEW marts.orders AS FROM "warehouse"."raw"."orders"')
        con.execute("CHECKPOINT")
        con.execute("UPDATE raw.orders SET email = NULL")
    assert ADDRESS in path.read_bytes()
    return path


def inode(path: Path) -> int:
    return path.stat().st_ino


def test_bytes_of_free_blocks_are_gone_and_nothing_else(path: Path):
    keep_out(path, "first")
    path.chmod(0o640)
    assert purge(path)
    assert ADDRESS not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o640
    with warehouse.read(path) as con:
        assert con.execute("SELECT count(*), count(email) FROM marts.orders").fetchone() == (
            5000,
            0,
        )
        assert con.execute(
            "SELECT comment FROM duckdb_columns() WHERE comment IS NOT NULL"
        ).fetchall() == [("an address",)]
    assert [p.name for p in path.parent.iterdir()] == ["warehouse.duckdb"]


def test_it_is_done_once_for_a_list_and_again_for_the_next(path: Path):
    keep_out(path, "first")
    assert purge(path)
    keep_out(path, "first")
    before = inode(path)
    assert not purge(path)
    assert inode(path) == before
    keep_out(path, "second")
    assert purge(path)
    assert not purge(path)


def test_while_nobody_was_forgotten_the_file_is_left_alone(path: Path):
    before = (inode(path), path.stat().st_mtime_ns)
    assert not purge(path)
    keep_out(path, "first", "orders")
    with warehouse.write(path) as con:
        con.execute("DELETE FROM raw.kept_out")
    after = path.stat().st_mtime_ns
    assert not purge(path)
    assert (inode(path), path.stat().st_mtime_ns) == (before[0], after)


def test_a_table_loaded_with_another_list_puts_it_off(path: Path):
    keep_out(path, "second")
    keep_out(path, "first", "loyalty_members")
    assert not purge(path)
    keep_out(path, "second", "loyalty_members")
    assert purge(path)


def test_a_warehouse_in_use_stays_as_it_is(path: Path):
    keep_out(path, "first")
    script = (
        "import sys, duckdb; con = duckdb.connect(sys.argv[1], read_only=True);"
        "print('open', flush=True); sys.stdin.read()"
    )
    before = path.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        with pytest.raises(warehouse.WarehouseLockedError):
            purge(path, sleep=lambda _: None)
        assert reader.stdin is not None
        reader.stdin.close()
    assert path.read_bytes() == before
    assert purge(path)


def test_what_killed_processes_left_behind_goes_too(path: Path):
    keep_out(path, "first")
    half = path.with_name(".purged-killed")
    spilled = path.with_name("warehouse.duckdb.tmp")
    for folder in (half, spilled):
        folder.mkdir()
        (folder / "block").write_bytes(ADDRESS)
    # A writer that died: its last words are in the log beside the file.
    script = (
        "import os, sys, duckdb; con = duckdb.connect(sys.argv[1]);"
        "con.execute(\"CREATE TABLE raw.last AS SELECT 'words' AS x\"); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert purge(path)
    assert [p.name for p in path.parent.iterdir()] == ["warehouse.duckdb"]
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.execute("FROM raw.last").fetchall() == [("words",)]
