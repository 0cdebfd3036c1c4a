"""What differs between two pictures, in SQL: members, rules, and facts of orders.

The picture that is being published is the database `published`, the one before it `previous`, and
what is worked out on the way is in `memory`, where `gone` says what replaces a key that is no
customer's any more, and `renamed` whose key is another one today: that is no difference. Keys are
replaced while rows are written, so that the history holds no old one.
"""

from __future__ import annotations

__all__ = [
    "CHANGED_ORDERS",
    "CHANGES",
    "CHANGES_OF_SEGMENT",
    "CORRECTIONS",
    "FACTS",
    "PICTURE_BEFORE",
    "RULES",
]

FACTS = (
    *("customer_key", "ordered_on", "is_valid", "invalid_reason"),
    *("refunded_amount", "net_amount", "discount_kinds", "discount_codes"),
)
"""What an order says that can move somebody between segments; the rest may change unseen."""

PICTURE_BEFORE = tuple(
    f"""
CREATE VIEW memory.main.{view} AS
SELECT before.* REPLACE (coalesce(renamed_to, customer_key) AS customer_key)
FROM previous.main.{table} AS before
LEFT JOIN memory.main.renamed USING (customer_key)
"""
    for view, table in (("members_before", "segment_members"), ("orders_before", "orders"))
)
"""The picture before, under the keys of today."""

# A left-censored segment follows the same rule as an available one: what is known of it differs.
_RULE = (
    "segment, parameters, CASE status WHEN 'left_censored' THEN 'available' ELSE status END "
    "AS status"
)

RULES = f"""
CREATE TABLE published.main.published_rules AS
SELECT publication_id, as_of, segment, parameters, status FROM previous.main.published_rules
UNION ALL
SELECT $publication_id, $as_of, segment, now.parameters, coalesce(now.status, 'removed')
FROM (SELECT {_RULE} FROM published.main.segment_catalog) AS now
FULL JOIN (SELECT {_RULE} FROM previous.main.segment_catalog) AS before
    USING (segment)
WHERE now.status IS DISTINCT FROM before.status
    OR now.parameters IS DISTINCT FROM before.parameters
"""

# Segment by segment, because a whole picture of millions would have to be in memory twice.
CHANGES_OF_SEGMENT = """
INSERT INTO memory.main.changes
SELECT $segment, customer_key, 'added'
FROM (SELECT customer_key FROM published.main.segment_members WHERE segment = $segment)
ANTI JOIN (SELECT customer_key FROM memory.main.members_before WHERE segment = $segment)
    USING (customer_key)
UNION ALL
SELECT $segment, customer_key, 'removed'
FROM (SELECT customer_key FROM memory.main.members_before WHERE segment = $segment)
ANTI JOIN (SELECT customer_key FROM published.main.segment_members WHERE segment = $segment)
    USING (customer_key)
"""

CHANGES = """
CREATE TABLE published.main.published_changes AS
SELECT
    publication_id, as_of, segment, coalesce(gone.replaced_by, customer_key) AS customer_key, change
FROM (
    SELECT publication_id, as_of, segment, customer_key, change
    FROM previous.main.published_changes
    UNION ALL
    SELECT $publication_id, $as_of, segment, customer_key, change FROM memory.main.changes
) AS all_changes
LEFT JOIN memory.main.gone AS gone USING (customer_key)
"""

# A day that only one of two pictures shows is no correction: the earlier as-of date of the two ends
# what both of them show. Comparing hashes keeps the join narrow.
CHANGED_ORDERS = f"""
CREATE TABLE memory.main.changed_orders AS
SELECT order_id
FROM (
    SELECT order_id, ordered_on, hash({", ".join(FACTS)}) AS facts FROM published.main.orders
) AS now
FULL JOIN (
    SELECT order_id, ordered_on, hash({", ".join(FACTS)}) AS facts FROM memory.main.orders_before
) AS before USING (order_id)
WHERE now.facts IS DISTINCT FROM before.facts
    AND least(now.ordered_on, before.ordered_on) <= (
        SELECT least(before.as_of, now.as_of)
        FROM previous.main.publication AS before, published.main.publication AS now
    )
"""

# The first cause that applies. Whose order it is comes before what it says, because it moves two
# customers; what undoes an order comes before its amounts. Null codes mean that the source has no
# discount records, which is no change of an order.
CORRECTIONS = """
CREATE TABLE published.main.order_corrections AS
WITH compared AS (
    SELECT
        order_id,
        now,
        before,
        now.order_id IS NOT NULL AS is_known,
        before.order_id IS NOT NULL AS was_known
    FROM memory.main.changed_orders
    LEFT JOIN published.main.orders AS now USING (order_id)
    LEFT JOIN memory.main.orders_before AS before USING (order_id)
), judged AS (
    SELECT
        order_id,
        now.customer_key AS customer_now,
        before.customer_key AS customer_before,
        coalesce(now.ordered_on, before.ordered_on) AS ordered_on,
        CASE
            WHEN NOT was_known THEN 'late_order'
            WHEN NOT is_known THEN 'deleted'
            WHEN now.customer_key IS DISTINCT FROM before.customer_key THEN 'identity'
            WHEN before.is_valid AND now.invalid_reason IN ('cancelled', 'voided')
                THEN 'cancellation'
            WHEN now.refunded_amount IS DISTINCT FROM before.refunded_amount
                OR (now.invalid_reason = 'fully_refunded'
                    AND before.invalid_reason IS DISTINCT FROM 'fully_refunded') THEN 'refund'
            WHEN now.is_valid IS DISTINCT FROM before.is_valid
                OR now.invalid_reason IS DISTINCT FROM before.invalid_reason THEN 'validity'
            WHEN now.ordered_on IS DISTINCT FROM before.ordered_on THEN 'date'
            WHEN now.net_amount IS DISTINCT FROM before.net_amount
                OR now.discount_kinds <> before.discount_kinds
                OR now.discount_codes <> before.discount_codes THEN 'amount'
        END AS cause
    FROM compared
), corrections AS (
    SELECT order_id, coalesce(customer_now, customer_before) AS customer_key, ordered_on, cause
    FROM judged
    WHERE cause <> 'identity'
    UNION ALL
    SELECT order_id, customer_key, ordered_on, cause
    FROM (SELECT *, unnest([customer_before, customer_now]) AS customer_key FROM judged)
    WHERE cause = 'identity' AND customer_key IS NOT NULL
)
SELECT
    publication_id, as_of, order_id, coalesce(gone.replaced_by, customer_key) AS customer_key,
    ordered_on, cause
FROM (
    SELECT publication_id, as_of, order_id, customer_key, ordered_on, cause
    FROM previous.main.order_corrections
    UNION ALL
    SELECT $publication_id, $as_of, order_id, customer_key, ordered_on, cause FROM corrections
) AS all_corrections
LEFT JOIN memory.main.gone AS gone USING (customer_key)
"""
