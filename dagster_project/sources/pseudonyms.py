"""Makes the pseudonyms of one forgotten person one, once every table is loaded.

A row gets the pseudonym of the identifier it was recognised by, so an account and a guest order of
one person begin with two. Rows that held two identifiers say which belong together, as the models
would: accounts and addresses over any number of steps, and a phone when it leads to one person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.sources.contract import IDENTIFIERS, TABLES, Kind
from dagster_project.sources.raw_tables import LINKS, ensure_bookkeeping, loaded_tables
from dagster_project.sources.redaction import PSEUDONYM
from dagster_project.sources.sql import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.sources.contract import Table

_PEOPLE = "forgotten_people"


def join_pseudonyms(con: DuckDBPyConnection) -> int:
    """Give every forgotten person one pseudonym in all tables of schema `raw`.

    It is the one of the identifier that was forgotten first, so it stays when more is forgotten.
    Returns how many pseudonyms were replaced. The connection must know who was forgotten (see
    `syncs.install_keep_out`).
    """
    ensure_bookkeeping(con)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_PEOPLE} AS
        WITH RECURSIVE
        both_ways AS (
          SELECT a, b FROM {LINKS} WHERE kind = 'account'
          UNION
          SELECT b, a FROM {LINKS} WHERE kind = 'account'
        ),
        reached (node, other) AS (
          SELECT DISTINCT a, a FROM both_ways
          UNION
          SELECT reached.node, both_ways.b
          FROM reached JOIN both_ways ON both_ways.a = reached.other
        ),
        accounts AS (
          SELECT node, arg_min(other, (forgotten_on, requested_on, other)) AS person
          FROM reached JOIN keep_out.main.forgotten ON identifier = other
          GROUP BY node
        ),
        phones AS (
          SELECT links.a AS node, min(coalesce(accounts.person, links.b)) AS person
          FROM {LINKS} AS links LEFT JOIN accounts ON accounts.node = links.b
          WHERE links.kind = 'phone'
          GROUP BY links.a
          HAVING count(DISTINCT coalesce(accounts.person, links.b)) = 1
        )
        SELECT
          {literal(PSEUDONYM)} || node::VARCHAR AS old,
          {literal(PSEUDONYM)} || person::VARCHAR AS new
        FROM (FROM accounts UNION ALL FROM phones)
        WHERE node <> person
        """
    )
    row = con.execute(f"SELECT count(*) FROM {_PEOPLE}").fetchone()
    replaced = int(row[0]) if row else 0
    if replaced:
        loaded = loaded_tables(con)
        con.begin()
        try:
            for table in TABLES:
                if table.name in loaded:
                    _rename(con, table)
        except BaseException:
            con.rollback()
            raise
        con.commit()
    con.execute(f"DROP TABLE {_PEOPLE}")
    return replaced


def _rename(con: DuckDBPyConnection, table: Table) -> None:
    names = {column.name for column in table.columns}
    for name, kind in IDENTIFIERS.items():
        if kind == "customer_id" and name in names:
            con.execute(
                f"UPDATE raw.{table.name} AS row SET {name} = people.new "
                f"FROM {_PEOPLE} AS people WHERE row.{name} = people.old"
            )
    if table.key == ("customer_id",):
        _keep_one(con, table)


def _keep_one(con: DuckDBPyConnection, table: Table) -> None:
    """Leave one row an account, the oldest, where two accounts became one."""
    since = next(c.name for c in table.columns if c.kind is Kind.INSTANT)
    con.execute(
        f"""
        DELETE FROM raw.{table.name} WHERE rowid IN (
          SELECT rowid FROM raw.{table.name} WHERE starts_with(customer_id, {literal(PSEUDONYM)})
          QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY {since}, rowid) > 1
        )
        """
    )
