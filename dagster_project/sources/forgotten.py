"""Takes people who were forgotten out of staged rows, before anything reaches the warehouse.

A row belongs to somebody forgotten when its address or its account id is one of theirs, or, in a
row without an address, its phone; a phone beside the address of somebody else is only removed, as
households share them. What stays of such a row is what the contract calls impersonal, under a
pseudonym: `forgotten-` and a keyed hash. Pseudonyms of one person are made one when all tables are
loaded (see `pseudonyms`).

A forgotten person who is seen with a new account or address asks by that for the new one to be
forgotten as well: `RENEWED_REQUESTS` has it, and the models treat it like any other request.

The connection can ask who was forgotten: `syncs.install_keep_out` made the SQL functions used here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dagster_project.sources.base import MALFORMED_ROWS, STAGED_ROWS, canonical_slot, extra_slot
from dagster_project.sources.checks import REJECTED_ROWS
from dagster_project.sources.contract import IDENTIFIERS
from dagster_project.sources.raw_tables import KNOWN_PHONES
from dagster_project.sources.redaction import FORGOTTEN_ROWS, identifying, redactions
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import Staged
    from dagster_project.sources.contract import Table

RENEWED_REQUESTS = "renewed_requests_found"
"""Temporary table (customer_id, email, requested_at) of new identifiers of forgotten people."""

LINKS = "forgotten_links_found"
"""Temporary table (kind, a, b) of keyed hashes that one row of a forgotten person holds both."""

_TEXTS = "forgotten_texts"
# The tables that the models take as evidence of who is one person.
_EVIDENCE = ("customers", "orders", "checkouts")
_PHONE_LIKE = literal(r"^[+(']*[0-9][0-9 ()./-]{5,}$")


def forget(
    con: DuckDBPyConnection,
    table: Table,
    staged: Staged,
    *,
    shop_timezone: str,
    shop_country: str,
) -> Staged:
    """Take forgotten people out of the staged and the malformed rows of `table`.

    Returns what the staged rows hold now: `customer_id` may have joined the columns. Nobody can
    say whose a malformed line is, so none keeps its text.
    """
    con.execute(f"UPDATE {MALFORMED_ROWS} SET row = NULL")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {RENEWED_REQUESTS} "
        "(customer_id VARCHAR, email VARCHAR, requested_at TIMESTAMPTZ)"
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE {LINKS} (kind VARCHAR, a UUID, b UUID)")
    _find_texts(con, staged, shop_country)
    if con.execute(f"SELECT 1 FROM {_TEXTS} LIMIT 1").fetchone() is not None:
        _clear_extras(con, staged)
        staged = _with_account(con, table, staged)
        _find_rows(con, table, staged)
        if table.name in _EVIDENCE:
            _note_renewed_requests(con, staged, shop_timezone)
            _note_links(con)
        for statement in redactions(table, staged):
            con.execute(statement)
        con.execute(f"DROP TABLE {FORGOTTEN_ROWS}")
    con.execute(f"DROP TABLE {_TEXTS}")
    return staged


def forget_rejected(con: DuckDBPyConnection) -> None:
    """Blank the text of rejected rows that hold an identifier of somebody forgotten in any cell.

    A row is often rejected because its cells are shifted, so no column can be trusted.
    """
    con.execute(
        f"""
        WITH cells AS (
          SELECT file_no, source_line, unnest(json_extract_string(row, '$.*')) AS text
          FROM {REJECTED_ROWS} WHERE row IS NOT NULL
        ),
        theirs AS (
          SELECT DISTINCT file_no, source_line FROM cells
          WHERE is_forgotten(email_identifier(text))
            OR is_forgotten(customer_identifier(text))
            OR is_forgotten(phone_identifier(
              CASE WHEN regexp_matches(text, {_PHONE_LIKE}) THEN text END))
        )
        UPDATE {REJECTED_ROWS} AS rejected
        SET row = NULL, reason = array_to_string(kinds, '; ')
        FROM theirs
        WHERE rejected.file_no = theirs.file_no AND rejected.source_line = theirs.source_line
        """
    )


def _find_texts(con: DuckDBPyConnection, staged: Staged, shop_country: str) -> None:
    """`_TEXTS` (kind, text, identifier): every way in which somebody forgotten is written here."""
    identified = {
        "email": "email_identifier(text)",
        "customer_id": "customer_identifier(text)",
        # What is known already need not be parsed again, which is slow.
        "phone": "phone_identifier(coalesce(e164, CASE WHEN known IS NULL THEN text END))",
    }
    found = []
    for name, kind in IDENTIFIERS.items():
        if name in staged.present:
            slot = identifier(canonical_slot(name))
            texts = f"SELECT DISTINCT {slot} AS text FROM {STAGED_ROWS} WHERE {slot} IS NOT NULL"
            if kind == "phone":
                texts = (
                    "SELECT text, e164, phone AS known "
                    f"FROM ({texts}) LEFT JOIN {KNOWN_PHONES} "
                    f"ON phone = text AND region = {literal(shop_country)}"
                )
            found.append(f"SELECT {literal(kind)} AS kind, text, {identified[kind]} FROM ({texts})")
    for position in range(len(staged.extras)):
        slot = identifier(extra_slot(position))
        texts = f"SELECT DISTINCT {slot} AS text FROM {STAGED_ROWS} WHERE contains({slot}, '@')"
        found.append(f"SELECT 'extra' AS kind, text, email_identifier(text) FROM ({texts})")
    empty = "SELECT NULL::VARCHAR, NULL::VARCHAR, NULL::UUID"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_TEXTS} AS
        SELECT DISTINCT kind, text, identifier
        FROM ({" UNION ALL ".join(found) or empty}) AS found (kind, text, identifier)
        WHERE is_forgotten(identifier)
        """
    )


def _clear_extras(con: DuckDBPyConnection, staged: Staged) -> None:
    """An unknown column may name a second person: whoever sent or received a gift."""
    for position in range(len(staged.extras)):
        slot = identifier(extra_slot(position))
        con.execute(
            f"UPDATE {STAGED_ROWS} SET {slot} = NULL "
            f"WHERE {slot} IN (SELECT text FROM {_TEXTS} WHERE kind = 'extra')"
        )


def _with_account(con: DuckDBPyConnection, table: Table, staged: Staged) -> Staged:
    """The staged rows with a column for the pseudonym, where the table may have one."""
    names = [column.name for column in table.columns]
    if "customer_id" not in names or "customer_id" in staged.present:
        return staged
    slot = identifier(canonical_slot("customer_id"))
    con.execute(f"ALTER TABLE {STAGED_ROWS} ADD COLUMN {slot} VARCHAR")
    present = {*staged.present, "customer_id"}
    return replace(staged, present=tuple(name for name in names if name in present))


def _find_rows(con: DuckDBPyConnection, table: Table, staged: Staged) -> None:
    """Fill `FORGOTTEN_ROWS`: the rows that name somebody forgotten."""
    columns = identifying(table, staged)
    hashes = [f"{name}.identifier AS {name}" for name in columns]
    absent = [f"NULL::UUID AS {name}" for name in IDENTIFIERS if name not in columns]
    joins = "".join(
        f" LEFT JOIN {_TEXTS} AS {name} ON {name}.kind = {literal(kind)} "
        f"AND {name}.text = staged.{identifier(canonical_slot(name))}"
        for name, kind in columns.items()
    )
    named = " OR ".join(f"{name}.text IS NOT NULL" for name in columns) or "false"
    address = f"staged.{identifier(canonical_slot('email'))}" if "email" in columns else "NULL"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {FORGOTTEN_ROWS} AS
        SELECT *, coalesce(email, customer_id, CASE WHEN NOT has_address THEN phone END)
          IS NOT NULL AS is_theirs
        FROM (
          SELECT staged.file_no, staged.source_line,
            email_identifier({address}) IS NOT NULL AS has_address,
            {", ".join(hashes + absent)}
          FROM {STAGED_ROWS} AS staged {joins}
          WHERE {named}
        )
        """
    )


def _note_renewed_requests(con: DuckDBPyConnection, staged: Staged, shop_timezone: str) -> None:
    account = identifier(canonical_slot("customer_id"))
    address = identifier(canonical_slot("email")) if "email" in staged.present else "NULL"
    con.execute(
        f"""
        INSERT INTO {RENEWED_REQUESTS}
        SELECT DISTINCT
          CASE WHEN customer_id IS NULL THEN nullif(trim({account}), '') END AS new_account,
          CASE WHEN email IS NULL AND has_address THEN {address} END AS new_address,
          timezone({literal(shop_timezone)}, coalesce(requested_on, forgotten_on)::TIMESTAMP)
        FROM {STAGED_ROWS} JOIN {FORGOTTEN_ROWS} USING (file_no, source_line)
        JOIN keep_out.main.forgotten ON identifier = coalesce(email, customer_id)
        WHERE coalesce(new_account, new_address) IS NOT NULL
        """
    )


def _note_links(con: DuckDBPyConnection) -> None:
    con.execute(
        f"""
        INSERT INTO {LINKS}
        SELECT DISTINCT 'account', email, customer_id FROM {FORGOTTEN_ROWS}
        WHERE email IS NOT NULL AND customer_id IS NOT NULL
        UNION ALL
        SELECT DISTINCT 'phone', phone, coalesce(email, customer_id) FROM {FORGOTTEN_ROWS}
        WHERE phone IS NOT NULL AND coalesce(email, customer_id) IS NOT NULL
        """
    )
