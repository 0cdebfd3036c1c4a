"""The sample shop as Fivetran's Shopify connector would keep it."""

from __future__ import annotations

from pathlib import Path

import duckdb

_UTC = "timezone('UTC', {0})"

# Naive times are UTC, money is floating point, ids of lines are unique in the shop, and a deleted
# order is still there.
_TABLES = {
    "order": f"""
      SELECT order_id AS id, {_UTC.format("ordered_at")} AS created_at,
        NULL::TIMESTAMP AS processed_at, {_UTC.format("updated_at")} AS updated_at,
        {_UTC.format("cancelled_at")} AS cancelled_at, is_test AS test, email, phone, customer_id,
        financial_status, source_name, currency, total_amount::DOUBLE AS total_price,
        (gross_amount - discount_amount)::DOUBLE AS subtotal_price,
        gross_amount::DOUBLE AS total_line_items_price, discount_amount::DOUBLE AS total_discounts,
        tax_amount::DOUBLE AS total_tax, checkout_token, client_ip AS browser_ip,
        user_agent AS client_details_user_agent, ship_country AS shipping_address_country_code,
        ship_region AS shipping_address_province_code, ship_city AS shipping_address_city,
        ship_postal_code AS shipping_address_zip, false AS _fivetran_deleted
      FROM source.raw.orders
      UNION ALL BY NAME
      SELECT 'deleted' AS id, TIMESTAMP '2026-01-01' AS created_at, 'x@mail.example' AS email,
        99.0 AS total_price, true AS _fivetran_deleted
    """,
    "order_tag": """
      SELECT order_id, unnest(range(len(tags))) AS index, unnest(tags) AS value
      FROM (SELECT order_id, string_split(tags, ', ') AS tags FROM source.raw.orders
            WHERE tags IS NOT NULL)
    """,
    "order_shipping_line": """
      SELECT order_id, shipping_amount::DOUBLE AS price, shipping_amount::DOUBLE AS discounted_price
      FROM source.raw.orders
    """,
    "order_line": """
      SELECT order_id || '-' || line_id AS id, order_id, product_id, sku, title, vendor,
        quantity::BIGINT AS quantity, unit_price::DOUBLE AS price, is_gift_card AS gift_card
      FROM source.raw.order_lines
    """,
    "discount_application": """
      SELECT order_id, discount_index AS index,
        CASE kind WHEN 'code' THEN 'discount_code' WHEN 'app' THEN 'bundle' ELSE kind END AS type,
        code, title, CASE target WHEN 'shipping' THEN 'shipping_line' ELSE target END AS target_type
      FROM source.raw.order_discounts
    """,
    "discount_allocation": """
      SELECT any_value(lines.order_id || '-' || lines.line_id) AS order_line_id,
        any_value(discounts.amount)::DOUBLE AS amount,
        discounts.discount_index AS discount_application_index
      FROM source.raw.order_discounts AS discounts
      JOIN source.raw.order_lines AS lines USING (order_id)
      WHERE discounts.target = 'line_item'
      GROUP BY discounts.order_id, discounts.discount_index
    """,
    "order_discount_code": """
      SELECT order_id, discount_index AS index, lower(code) AS code, amount::DOUBLE AS amount,
        CASE target WHEN 'shipping' THEN 'shipping' ELSE 'percentage' END AS type
      FROM source.raw.order_discounts WHERE kind = 'code'
    """,
    "refund": f"""
      SELECT refund_id AS id, order_id, {_UTC.format("refunded_at")} AS created_at
      FROM source.raw.refunds
    """,
    "transaction": """
      SELECT refund_id, 'refund' AS kind, 'success' AS status, amount::DOUBLE AS amount
      FROM source.raw.refunds
      UNION ALL SELECT refund_id, 'refund', 'failure', 999 FROM source.raw.refunds
    """,
    "customer": f"""
      SELECT customer_id AS id, email, phone, first_name, last_name,
        {_UTC.format("created_at")} AS created_at,
        CASE email_consent WHEN 'never' THEN 'NOT_SUBSCRIBED' ELSE upper(email_consent) END
          AS email_marketing_consent_state,
        {_UTC.format("email_consent_at")} AS email_marketing_consent_consent_updated_at
      FROM source.raw.customers
    """,
}


def write_database(raw: Path, file: Path, schema: str = "shopify") -> None:
    """Write the connector's tables into a schema of a new DuckDB file, from a warehouse's raw."""
    with duckdb.connect(str(file)) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH '{raw}' AS source (READ_ONLY)")
        con.execute(f"CREATE SCHEMA {schema}")
        for table, query in _TABLES.items():
            con.execute(f'CREATE TABLE {schema}."{table}" AS {query}')


def write_parquet(database: Path, folder: Path, schema: str = "shopify") -> None:
    """Write the same tables as Parquet files, lines in two parts."""
    folder.mkdir()
    (folder / "order_line").mkdir()
    with duckdb.connect(str(database), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        for table in _TABLES:
            if table != "order_line":
                con.execute(f"COPY {schema}.\"{table}\" TO '{folder / table}.parquet'")
        for part in (0, 1):
            con.execute(
                f"COPY (SELECT * FROM {schema}.order_line WHERE hash(id) % 2 = {part}) "
                f"TO '{folder}/order_line/part-{part}.parquet'"
            )
