"""A PostgreSQL server on loopback from the programs of this machine, and what fills it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

from dagster_project.sources.extensions import connect_with

USER, PASSWORD = "shop", "a pass'word/with:odd@signs"
_AS_POSTGRES = ("runuser", "-u", "postgres", "--")


class Postgres:
    """A running server with one database."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
        self.con = connect_with("postgres_scanner", "The test")
        self.con.execute("SET TimeZone = 'UTC'")
        password = PASSWORD.replace("'", "''")
        self.con.execute(
            f"CREATE SECRET shop (TYPE postgres, HOST '127.0.0.1', PORT {port}, "
            f"DATABASE 'postgres', USER '{USER}', PASSWORD '{password}')"
        )
        self.con.execute("ATTACH '' AS shop (TYPE postgres, SECRET shop)")

    def run(self, statement: str) -> None:
        """Run a statement of PostgreSQL and commit it."""
        self.con.execute("CALL postgres_execute('shop', ?)", [statement])

    def fill(self, file: Path, schema: str) -> None:
        """Write the tables of a DuckDB file into a new schema; what is nested becomes JSON."""
        self.con.execute("CALL pg_clear_cache()")
        self.con.execute(f'CREATE SCHEMA shop."{schema}"')
        self.con.execute(f"ATTACH '{file}' AS written (READ_ONLY)")
        tables = self.con.execute(
            """
            SELECT schema_name, table_name, string_agg(
              CASE WHEN data_type LIKE 'STRUCT%' OR data_type LIKE '%[]'
                THEN format('to_json("{0}") AS "{0}"', column_name)
                ELSE format('"{}"', column_name)
              END, ', ' ORDER BY column_index)
            FROM duckdb_columns() WHERE database_name = 'written' GROUP BY ALL
            """
        ).fetchall()
        for written_schema, table, columns in tables:
            self.con.execute(
                f'CREATE TABLE shop."{schema}"."{table}" AS '
                f'SELECT {columns} FROM written."{written_schema}"."{table}"'
            )
        self.con.execute("DETACH written")


@contextmanager
def running() -> Iterator[Postgres]:
    """A server that lives as long as the block; without PostgreSQL the test is skipped."""
    programs = _programs()
    # Its own user must get in, whom the folders of pytest keep out.
    home = Path(mkdtemp(prefix="postgres-", dir="/tmp"))
    as_server = _AS_POSTGRES if os.geteuid() == 0 else ()
    try:
        (home / "password").write_text(PASSWORD)
        if as_server:
            shutil.chown(home, "postgres")
            shutil.chown(home / "password", "postgres")
        _run(
            *(*as_server, str(programs / "initdb"), "-D", str(home / "data"), "-U", USER),
            *("--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-sync"),
            f"--pwfile={home / 'password'}",
        )
        port = _free_port()
        control = (*as_server, str(programs / "pg_ctl"), "-D", str(home / "data"))
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -k {home} -c fsync=off"
        _run(*control, "-w", "-l", str(home / "log"), "-o", options, "start")
        try:
            server = Postgres(port)
            yield server
            server.con.close()
        finally:
            _run(*control, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


def _programs() -> Path:
    on_path = shutil.which("initdb")
    # Debian keeps the programs of a server off the path, in a folder per version.
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if on_path is None and not found:
        message = "PostgreSQL is not installed here; on Debian: apt-get install postgresql"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return (found[-1] if on_path is None else Path(on_path)).parent


def _run(*command: str) -> None:
    result = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    assert result.returncode == 0, result.stderr.decode()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
