"""DuckDB's extensions, from where they are installed; nothing is ever downloaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from dagster_project.connections import prepare
from dagster_project.sources.errors import SourceError
from dagster_project.sources.sql import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def connect_with(extension: str, purpose: str, database: str = ":memory:") -> DuckDBPyConnection:
    """A connection of its own with a loaded extension, which knows no stored secret of the user.

    The extension comes from the installed package `duckdb-extension-…`, else from what somebody
    installed into DuckDB; `purpose` says in the error what needs it.

    Raises:
        SourceError: neither has it for this version of DuckDB.
    """
    # A secret somebody keeps for a notebook must not decide what the daily job may read.
    con = duckdb.connect(database, config={"allow_persistent_secrets": False})
    try:
        prepare(con)
        _load(con, extension, purpose)
    except BaseException:
        con.close()
        raise
    return con


def _load(con: DuckDBPyConnection, extension: str, purpose: str) -> None:
    for wanted in (*_packaged(extension), extension):
        try:
            con.execute(f"LOAD {wanted}")
        except duckdb.Error:
            continue
        return
    package = f"duckdb-extension-{extension.replace('_', '-')}=={duckdb.__version__}"
    message = (
        f"{purpose} needs DuckDB's extension {extension} for DuckDB {duckdb.__version__}, which is "
        f"not installed: run `python -m pip install {package}` in this environment"
    )
    raise SourceError(message)


def _packaged(extension: str) -> list[str]:
    """The file of the installed package, as SQL; empty when there is none for this DuckDB."""
    found = importlib.util.find_spec(f"duckdb_extension_{extension}")
    folders = (found and found.submodule_search_locations) or []
    files = [
        Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{extension}.duckdb_extension"
        for folder in folders
    ]
    return [literal(str(file)) for file in files if file.is_file()]
