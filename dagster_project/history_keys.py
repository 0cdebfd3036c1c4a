"""Whose key changed: what `customer_key_changes` holds, from two pictures of who is known by what.

A key is made of the identifier that was seen first. It changes when an older one becomes known,
when two customers turn out to be one, and when one turns out to be two. Whoever keeps keys (the
history, the ledgers of the syncs) follows them by this table.

The picture that is being published is the database `published`, beside it `erasures`, the one
before it `previous`; what is worked out on the way is in `memory`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from duckdb import DuckDBPyConnection

__all__ = ["CHANGES_OF_KEYS", "COLUMNS", "RENAMED", "record_key_changes"]

CHANGES_OF_KEYS = "customer_key_changes"
"""The table of the published file."""

COLUMNS = (
    "publication_id VARCHAR",
    "as_of DATE",
    "earlier_key VARCHAR",
    "customer_key VARCHAR",
    "id_type VARCHAR",
    "id_value VARCHAR",
)
"""Its columns."""

RENAMED = "renamed"
"""Table of `memory`: customers with another key than before, and no other past than theirs."""

# Whoever asked to be forgotten is published by no identifier any more, yet has to be found under
# every key: the list for the vendors still says what they were known by.
_KNOWN = """
CREATE VIEW memory.main.known AS
SELECT customer_key, id_type, id_value, true AS is_published
FROM published.main.customer_identities
UNION ALL
SELECT customer_key, id_type, id_value, false FROM erasures.main.erasures
"""

# Comparing hashes keeps the join narrow: there are some identifiers a customer.
_GAINED = """
CREATE TABLE memory.main.gained AS
SELECT customer_key, id_type, id_value, is_published
FROM (SELECT *, hash(customer_key, id_type, id_value) AS pair FROM memory.main.known) AS now
ANTI JOIN (
    SELECT hash(customer_key, id_type, id_value) AS pair FROM previous.main.customer_identities
) AS before USING (pair)
"""

# Households share phones: one that has several owners tells nothing, nor one that is still had.
_MOVED = """
CREATE TABLE memory.main.moved AS
WITH changed AS (
    SELECT before.customer_key AS earlier_key, gained.*
    FROM previous.main.customer_identities AS before
    JOIN memory.main.gained USING (id_type, id_value)
    WHERE before.customer_key <> gained.customer_key
), owners AS (
    SELECT id_type, id_value, count(DISTINCT customer_key) AS owners
    FROM memory.main.known
    SEMI JOIN changed USING (id_type, id_value)
    GROUP BY id_type, id_value
)
SELECT changed.*
FROM changed
JOIN owners USING (id_type, id_value)
SEMI JOIN published.main.customers USING (customer_key)
WHERE owners = 1
"""

# A customer who is gone lives on in whoever has most of what they were known by.
_FOLLOWED = """
CREATE TABLE memory.main.followed AS
SELECT
    earlier_key, customer_key,
    count(*) FILTER (WHERE id_type <> 'phone') AS strong,
    count(*) AS identifiers
FROM memory.main.moved
ANTI JOIN (SELECT customer_key AS earlier_key FROM published.main.customers) AS known
    USING (earlier_key)
GROUP BY earlier_key, customer_key
QUALIFY row_number() OVER (
    PARTITION BY earlier_key ORDER BY strong DESC, identifiers DESC, customer_key
) = 1
"""

# Of several who became one new customer, one has the past; the others were merged into them.
_RENAMED = f"""
CREATE TABLE memory.main.{RENAMED} AS
SELECT earlier_key AS customer_key, customer_key AS renamed_to
FROM memory.main.followed
ANTI JOIN previous.main.customers USING (customer_key)
QUALIFY row_number() OVER (
    PARTITION BY customer_key ORDER BY strong DESC, identifiers DESC, earlier_key
) = 1
"""

_CHANGES = f"""
CREATE TABLE published.main.{CHANGES_OF_KEYS} AS
WITH keys AS (
    SELECT * FROM (
        SELECT
            publication_id, as_of, carried.earlier_key,
            coalesce(followed.customer_key, carried.customer_key) AS customer_key
        FROM memory.main.carried
        LEFT JOIN memory.main.followed ON followed.earlier_key = carried.customer_key
        WHERE id_value IS NULL
        UNION ALL
        SELECT $publication_id, $as_of, earlier_key, customer_key FROM memory.main.followed
    ) AS every
    SEMI JOIN published.main.customers USING (customer_key)
    ANTI JOIN (
        SELECT customer_key AS earlier_key FROM published.main.customers
        UNION ALL
        -- A key is made of an address: that of somebody who is to be forgotten is not kept.
        SELECT customer_key FROM erasures.main.erasures
    ) AS kept_out USING (earlier_key)
), contacts AS (
    -- An identifier that moved on, moves on from everywhere it was before.
    SELECT publication_id, as_of, earlier_key, id_type, id_value
    FROM memory.main.carried
    WHERE id_value IS NOT NULL
    UNION ALL
    SELECT $publication_id, $as_of, unnest([moved.earlier_key, carried.earlier_key]) AS earlier_key,
        moved.id_type, moved.id_value
    FROM memory.main.moved
    LEFT JOIN memory.main.carried
        ON carried.customer_key = moved.earlier_key AND carried.id_value IS NULL
    WHERE moved.is_published AND moved.id_type IN ('email', 'phone')
), owned AS (
    SELECT id_type, id_value, any_value(customer_key) AS customer_key
    FROM published.main.customer_identities
    SEMI JOIN contacts USING (id_type, id_value)
    GROUP BY id_type, id_value
    HAVING count(DISTINCT customer_key) = 1
)
SELECT *, NULL::VARCHAR AS id_type, NULL::VARCHAR AS id_value FROM keys
UNION ALL
SELECT
    min(contacts.publication_id), min(contacts.as_of), contacts.earlier_key,
    any_value(owned.customer_key), id_type, id_value
FROM contacts
JOIN owned USING (id_type, id_value)
LEFT JOIN keys USING (earlier_key)
WHERE contacts.earlier_key IS NOT NULL
    AND owned.customer_key <> coalesce(keys.customer_key, contacts.earlier_key)
GROUP BY contacts.earlier_key, id_type, id_value
ORDER BY ALL
"""


def record_key_changes(con: DuckDBPyConnection, *, publication_id: str, as_of: date) -> int:
    """Write `customer_key_changes` into `published`; returns how many customers were renamed.

    Carries what the previous file knew forward to the keys of today, and adds what changed since.
    Whoever is no longer known, under whatever key, is not in it. Leaves the table `renamed` in
    `memory`: customer_key (until now), renamed_to.

    Raises:
        duckdb.Error: it cannot be written.
    """
    con.execute(_KNOWN)
    con.execute(_carried(con))
    for statement in (_GAINED, _MOVED, _FOLLOWED, _RENAMED):
        con.execute(statement)
    con.execute(_CHANGES, {"publication_id": publication_id, "as_of": as_of})
    row = con.execute(f"SELECT count(*) FROM memory.main.{RENAMED}").fetchone()
    con.execute("DROP VIEW memory.main.known")
    for table in ("gained", "moved", "followed", "carried"):
        con.execute(f"DROP TABLE memory.main.{table}")
    return int(row[0]) if row else 0


def _carried(con: DuckDBPyConnection) -> str:
    """Table `carried`: what the previous file says; one of an earlier version says nothing."""
    found = con.execute(
        "SELECT count(*) FROM duckdb_tables() "
        "WHERE database_name = 'previous' AND table_name = $name",
        {"name": CHANGES_OF_KEYS},
    ).fetchone()
    if found == (1,):
        return f"CREATE TABLE memory.main.carried AS FROM previous.main.{CHANGES_OF_KEYS}"
    return f"CREATE TABLE memory.main.carried ({', '.join(COLUMNS)})"
