"""What analysts ask the history: table macros and comments, stored in the published file.

DuckDB looks for the tables of a macro in the current database, not in the macro's own. So each
macro takes the name its file is attached under as a last argument, null for the current one.
"""

from __future__ import annotations

__all__ = ["COMMENTS", "QUERIES"]


def _of(table: str) -> str:
    return f"""query_table('"' || coalesce(database, current_database()) || '".main.{table}')"""


_MEMBERS = f"""
    SELECT segment, customer_key, entered_on
    FROM {_of("segment_periods")}
    WHERE entered_on <= day
        AND (exited_on IS NULL OR exited_on > day)
        AND day <= (SELECT max(as_of) FROM {_of("publication")})
"""

_SHOWN = f"""
    SELECT as_of, publication_number
    FROM {_of("publications")}
    WHERE as_of <= day
    ORDER BY as_of DESC, publication_number DESC
    LIMIT 1
"""

_CHANGES = f"""
    SELECT segment, customer_key, CASE change WHEN 'added' THEN 1 ELSE -1 END AS step
    FROM {_of("published_changes")}
    SEMI JOIN (
        SELECT publication_id
        FROM {_of("publications")}
        WHERE publication_number <= (SELECT publication_number FROM shown)
    ) USING (publication_id)
"""

_DIFFERENCES = f"""
WITH shown AS ({_SHOWN}),
differences AS (
    SELECT segment, customer_key, sum(step) > 0 AS published, bool_or(is_member) AS restated
    FROM (
        SELECT segment, customer_key, step, false AS is_member FROM ({_CHANGES})
        UNION ALL
        SELECT segment, customer_key, 0, true FROM ({_MEMBERS})
    )
    GROUP BY segment, customer_key
    HAVING (sum(step) > 0) <> bool_or(is_member)
),
later AS (
    SELECT publication_id
    FROM {_of("publications")}
    WHERE publication_number > (SELECT publication_number FROM shown)
),
corrections AS (
    SELECT customer_key, string_agg(replace(cause, '_', ' '), ', ' ORDER BY cause) AS causes
    FROM (
        SELECT DISTINCT customer_key, cause
        FROM {_of("order_corrections")}
        SEMI JOIN later USING (publication_id)
    )
    GROUP BY customer_key
),
rules AS (
    SELECT DISTINCT segment, 'rule change' AS cause
    FROM {_of("published_rules")}
    SEMI JOIN later USING (publication_id)
),
missed AS (
    SELECT 'not yet published' AS cause
    WHERE NOT EXISTS (FROM shown WHERE as_of = day)
)
SELECT
    segment,
    customer_key,
    published,
    restated,
    CASE
        WHEN starts_with(customer_key, 'gone_') THEN 'customer merged or erased'
        ELSE coalesce(
            nullif(concat_ws(', ', corrections.causes, rules.cause, missed.cause), ''),
            CASE catalog.kind WHEN 'snapshot' THEN 'population' ELSE 'other input' END
        )
    END AS why
FROM differences
LEFT JOIN corrections USING (customer_key)
LEFT JOIN rules USING (segment)
LEFT JOIN missed ON true
LEFT JOIN {_of("segment_catalog")} AS catalog USING (segment)
WHERE day <= (SELECT max(as_of) FROM {_of("publication")})
"""

QUERIES: tuple[str, ...] = (
    f"CREATE MACRO members_on(day, database := NULL) AS TABLE {_MEMBERS}",
    f"""
    CREATE MACRO members_published_on(day, database := NULL) AS TABLE
    WITH shown AS ({_SHOWN})
    SELECT segment, customer_key FROM ({_CHANGES}) GROUP BY ALL HAVING sum(step) > 0
    """,
    f"CREATE MACRO published_differences(day, database := NULL) AS TABLE {_DIFFERENCES}",
)
"""The macros, to be made while the file is the current database."""

_PUBLICATION_ID = "The publication that recorded this row."
_AS_OF = "Shop-local day of that publication's picture."
_CUSTOMER = "The customer; gone_ and random digits once the customer was merged away or forgotten."

COMMENTS: dict[str, str] = {
    "TABLE publications": "One row per publication, oldest first: the whole history there is.",
    "COLUMN publications.publication_id": "Identifier of the publication.",
    "COLUMN publications.as_of": "Shop-local day of its picture.",
    "COLUMN publications.published_at": "When it was published.",
    "COLUMN publications.publication_number": "1 for the first publication that is kept.",
    "TABLE published_rules": "One row whenever a segment's parameters or status changed.",
    "COLUMN published_rules.publication_id": _PUBLICATION_ID,
    "COLUMN published_rules.as_of": _AS_OF,
    "COLUMN published_rules.segment": "Id of the segment.",
    "COLUMN published_rules.parameters": "Parameters from then on, JSON; null when removed.",
    "COLUMN published_rules.status": (
        "available (also when left-censored), unavailable, or removed when the segment is no "
        "longer in the catalog."
    ),
    "TABLE published_changes": (
        "Who was added to or removed from a segment by a publication, compared with the one "
        "before. All rows up to a publication together are its members."
    ),
    "COLUMN published_changes.publication_id": _PUBLICATION_ID,
    "COLUMN published_changes.as_of": _AS_OF,
    "COLUMN published_changes.segment": "Id of the segment.",
    "COLUMN published_changes.customer_key": _CUSTOMER,
    "COLUMN published_changes.change": "added or removed.",
    "TABLE order_corrections": (
        "What became known about an order after a day it belongs to was published: one row per "
        "order and publication, two when it went from one customer to another."
    ),
    "COLUMN order_corrections.publication_id": "The first publication that knew.",
    "COLUMN order_corrections.as_of": _AS_OF,
    "COLUMN order_corrections.order_id": "The order.",
    "COLUMN order_corrections.customer_key": (
        f"{_CUSTOMER} Null for an order without any identifier."
    ),
    "COLUMN order_corrections.ordered_on": "Shop-local day of the order.",
    "COLUMN order_corrections.cause": (
        "The first that applies: late_order (not in the picture before), deleted (no longer in the "
        "source), identity (of another customer now), cancellation (cancelled or voided), refund, "
        "validity (counts or not for another reason), date, amount (net amount or discounts)."
    ),
    "TABLE customer_key_changes": (
        "Customers who are known under another key than once. Each of their rows elsewhere has the "
        "key of today; this is for whoever kept an earlier one."
    ),
    "COLUMN customer_key_changes.publication_id": _PUBLICATION_ID,
    "COLUMN customer_key_changes.as_of": _AS_OF,
    "COLUMN customer_key_changes.earlier_key": "A key as it once was published.",
    "COLUMN customer_key_changes.customer_key": "The key of today.",
    "COLUMN customer_key_changes.id_type": (
        "email or phone, when a customer turned out to be two: only this identifier of the earlier "
        "key is of this customer. Null: all else of the earlier key is, which is nobody's today."
    ),
    "COLUMN customer_key_changes.id_value": "That identifier, or null.",
    "MACRO TABLE members_on": (
        "members_on(day): the members of every segment on a day, from today's knowledge. For a "
        "file attached as pub: FROM pub.members_on(day, 'pub')."
    ),
    "MACRO TABLE members_published_on": (
        "members_published_on(day): the members that the latest publication up to a day had. For a "
        "file attached as pub: FROM pub.members_published_on(day, 'pub')."
    ),
    "MACRO TABLE published_differences": (
        "published_differences(day): where the two differ, and why. For a file attached as pub: "
        "FROM pub.published_differences(day, 'pub')."
    ),
}
"""What each table, column and macro says of itself, by what `COMMENT ON` calls it."""
