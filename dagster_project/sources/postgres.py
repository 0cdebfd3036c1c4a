"""A connector's tables in a PostgreSQL database, copied into a DuckDB file.

All of them are read in one transaction that sees one state of the database, so an order and its
lines belong together whatever is written meanwhile. Only the columns the format reads are copied.
What DuckDB would round or not know (numbers without a precision, JSON, arrays, …) comes as the text
PostgreSQL writes for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb

from dagster_project.sources.addresses import without_secrets
from dagster_project.sources.errors import SourceError
from dagster_project.sources.extensions import connect_with
from dagster_project.sources.native import DELETED_MARK
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.sources.connector import Connector
    from dagster_project.sources.copies import Copies

_FORM = "postgresql://user@host:5432/database?schema=name"
_SCHEMA = "schema"
_OPTIONS = (
    *("application_name", "connect_timeout", "gssencmode", "keepalives", "keepalives_idle"),
    *("channel_binding", "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert"),
    *("ssl_min_protocol_version", "target_session_attrs"),
)
_CONNECT_SECONDS = "15"

# Types that DuckDB has too, by the first word of their name.
_KEPT = {
    *("bigint", "boolean", "character", "date", "double", "integer", "real", "smallint", "text"),
    "timestamp",
}

_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND lower(c.relname) IN ({names})
ORDER BY n.nspname, c.relname, a.attnum
"""

_FOUND = {
    "authentication failed": "user or password were refused; check PGPASSWORD",
    "no password supplied": "the server wants a password; set PGPASSWORD",
    "no pg_hba.conf entry": "the server lets this user in from elsewhere only; ask who runs it",
    "could not translate host name": "there is no such host; check the spelling",
    "Connection refused": "nothing listens there; check host, port and that the server runs",
    "timeout expired": "the server does not answer; check host, port and firewall",
    "timed out": "the server does not answer; check host, port and firewall",
    'relation "': "a table was replaced meanwhile; load again when the sync is over",
    "closed the connection": "the server ended the connection; load again",
    "closed unexpectedly": "the server ended the connection; load again",
    "terminating connection": "the server ended the connection; load again",
    "certificate": "the server's certificate is not trusted; check sslrootcert",
    "permission denied": "the user may not read all of it; grant SELECT on the connector's tables",
    "does not exist": "there is no such database or user; check the spelling",
    "SSL": "the server and sslmode do not fit together; check sslmode",
}


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a database is, in the words of DuckDB's secrets, and how to reach it."""

    secret: dict[str, str] = field(repr=False)
    options: dict[str, str]
    schema: str | None
    shown: str


def copy_tables(location: str, connector: Connector, password: str | None, copies: Copies) -> str:
    """Copy the tables of `connector` from the database at `location`; returns where they lie now.

    `password` is taken when the location has none. The schema is the one that has the main table,
    or `?schema=`.

    Raises:
        SourceError: the database cannot be read, or no schema or several have the main table.
    """
    address = _address(location, password)
    file = copies.root / "copy.duckdb"
    with connect_with("postgres_scanner", "SEGMENTS_SOURCE=postgresql://…", str(file)) as con:
        with _told(address.shown):
            _attach(con, address)
            con.begin()
            names = ", ".join(literal(name) for name in connector.columns)
            found = _query(con, _COLUMNS.format(names=names)).fetchall()
        schema = _schema(address, connector, {(str(row[0]), str(row[1])) for row in found})
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
        columns: dict[str, dict[str, str]] = defaultdict(dict)
        for in_schema, table, column, kind in found:
            if in_schema == schema:
                columns[str(table)][str(column)] = str(kind)
        for table, kinds in columns.items():
            wanted = {*connector.columns[table.lower()], DELETED_MARK}
            values = ", ".join(
                f"{_value(identifier(column), kind)} AS {identifier(column)}"
                for column, kind in kinds.items()
                if column.lower() in wanted
            )
            if not values:
                continue
            source = f"SELECT {values} FROM {identifier(schema)}.{identifier(table)}"
            with _told(f"{address.shown}, table {schema}.{table},"):
                _query(con, source, into=f"{identifier(schema)}.{identifier(table)}")
            copies.log(f"copied table {schema}.{table} from {address.shown}")
        con.commit()
    return f"{file}#{schema}"


def _address(location: str, password: str | None) -> _Address:
    shown = without_secrets(location)
    try:
        parts = urlsplit(location)
        port = parts.port
    except ValueError:
        message = f"{shown} has no readable port: expected {_FORM}"
        raise SourceError(message) from None
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    schema = given.pop(_SCHEMA, None)
    if strange := sorted(set(given) - {*_OPTIONS, "host"}):
        message = (
            f"{shown} has the option {strange[0]}: expected {_FORM}, and of PostgreSQL's own "
            f"options {', '.join(_OPTIONS)}"
        )
        raise SourceError(message)
    values = {
        # A folder is that of the server's socket.
        "HOST": given.pop("host", parts.hostname),
        "PORT": port and str(port),
        "DATABASE": unquote(parts.path.removeprefix("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or "") or password,
    }
    return _Address(
        {name: value for name, value in values.items() if value},
        {"connect_timeout": _CONNECT_SECONDS} | given,
        schema or None,
        shown,
    )


def _attach(con: DuckDBPyConnection, address: _Address) -> None:
    secret = ", ".join(f"{name} {literal(value)}" for name, value in address.secret.items())
    con.execute(f"CREATE SECRET copied_from (TYPE postgres{', ' * bool(secret)}{secret})")
    options = " ".join(f"{name}={_quoted(value)}" for name, value in address.options.items())
    con.execute(
        f"ATTACH {literal(options)} AS copied_from (TYPE postgres, SECRET copied_from, READ_ONLY)"
    )


def _quoted(value: str) -> str:
    """A value of a connection string of PostgreSQL."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _query(con: DuckDBPyConnection, sql: str, into: str | None = None) -> DuckDBPyConnection:
    rows = f"SELECT * FROM postgres_query('copied_from', {literal(sql)})"
    return con.execute(rows if into is None else f"CREATE TABLE {into} AS {rows}")


def _schema(address: _Address, connector: Connector, found: set[tuple[str, str]]) -> str:
    """The schema to copy.

    Raises:
        SourceError: the main table is in none, or in several and none was named.
    """
    schemas = sorted(
        {s for s, t in found if t.lower() == connector.main and address.schema in {None, s}}
    )
    if len(schemas) == 1:
        return schemas[0]
    there = ", ".join(sorted({s for s, _ in found})) or "none"
    wanted = f"in schema {address.schema}" if address.schema else "in one schema"
    message = (
        f"{address.shown} must have the table {connector.main} {wanted}, found in: "
        f"{', '.join(schemas) or 'none'} (schemas with tables of this format: {there}); "
        "name it as ?schema=…"
    )
    raise SourceError(message)


def _value(column: str, kind: str) -> str:
    """PostgreSQL's SQL for a column as DuckDB can hold it without losing anything."""
    if kind.endswith("[]"):
        return f"to_json({column})::text"
    if kind.startswith("numeric"):
        # Connectors write whole numbers, ids too, with nine zeros behind the point.
        return (
            f"CASE WHEN {column} = 'NaN' THEN NULL WHEN {column} = trunc({column}) "
            f"THEN trunc({column})::text ELSE {column}::text END"
        )
    return column if kind.partition("(")[0].partition(" ")[0] in _KEPT else f"{column}::text"


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What the server says, in our words: its own may hold the password or a value of a row."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        found = "it does not fit into memory"
    except duckdb.Error as error:
        said = str(error)
        found = next((words for mark, words in _FOUND.items() if mark in said), "")
        found = found or f"the connection failed ({type(error).__name__}); check {_FORM}"
    else:
        return
    message = f"{what} cannot be copied: expected a database to read, but {found}"
    raise SourceError(message)
