"""The sample shop as Airbyte's Shopify connector would keep it: one wide table, JSON columns."""

from __future__ import annotations

from pathlib import Path

import duckdb

# Applications come without their codes, as older versions of the stream have them; ids of lines
# are unique in the shop; money is text.
_ORDERS = """
  WITH allocations AS (
    SELECT any_value(lines.order_id || '-' || lines.line_id) AS line_id,
      {'amount': any_value(discounts.amount)::VARCHAR,
       'discount_application_index': any_value(discounts.discount_index)} AS allocation
    FROM source.raw.order_discounts AS discounts
    JOIN source.raw.order_lines AS lines USING (order_id)
    WHERE discounts.target = 'line_item'
    GROUP BY discounts.order_id, discounts.discount_index
  ),
  of_lines AS (SELECT line_id, list(allocation) AS allocations FROM allocations GROUP BY 1),
  line_items AS (
    SELECT order_id, to_json(list({
      'id': order_id || '-' || lines.line_id, 'sku': sku, 'product_id': product_id, 'title': title,
      'vendor': vendor, 'quantity': quantity::BIGINT, 'price': unit_price::VARCHAR,
      'gift_card': is_gift_card, 'discount_allocations': coalesce(allocations, [])})) AS line_items
    FROM source.raw.order_lines AS lines
    LEFT JOIN of_lines ON of_lines.line_id = order_id || '-' || lines.line_id
    GROUP BY order_id
  ),
  applied AS (
    SELECT order_id, to_json(list({
      'type': CASE kind WHEN 'code' THEN 'discount_code' WHEN 'app' THEN 'bundle' ELSE kind END,
      'title': title,
      'target_type': CASE target WHEN 'shipping' THEN 'shipping_line' ELSE target END}
      ORDER BY discount_index)) AS discount_applications,
      to_json(list({'code': code, 'amount': amount::VARCHAR,
        'type': CASE target WHEN 'shipping' THEN 'shipping' ELSE 'percentage' END}
        ORDER BY discount_index) FILTER (WHERE kind = 'code')) AS discount_codes
    FROM source.raw.order_discounts GROUP BY order_id
  ),
  refunded AS (
    SELECT order_id, to_json(list({'id': refund_id, 'created_at': refunded_at,
      'refund_line_items': [], 'transactions': [
        {'kind': 'refund', 'status': 'success', 'amount': amount::VARCHAR},
        {'kind': 'refund', 'status': 'failure', 'amount': '999.00'}]})) AS refunds
    FROM source.raw.refunds GROUP BY order_id
  )
  SELECT order_id AS id, ordered_at AS created_at, NULL::VARCHAR AS processed_at, updated_at,
    cancelled_at, is_test AS test, email, phone,
    to_json({'id': customer_id, 'email': email}) AS customer, financial_status, source_name,
    currency, total_amount AS total_price, gross_amount - discount_amount AS subtotal_price,
    gross_amount AS total_line_items_price, discount_amount AS total_discounts,
    tax_amount AS total_tax, tags, checkout_token, client_ip AS browser_ip,
    to_json({'shop_money': {'amount': shipping_amount::VARCHAR}}) AS total_shipping_price_set,
    to_json({'user_agent': user_agent}) AS client_details,
    {'country_code': ship_country, 'province_code': ship_region, 'city': ship_city,
     'zip': ship_postal_code} AS shipping_address,
    line_items, discount_applications, discount_codes, refunds
  FROM source.raw.orders
  LEFT JOIN line_items USING (order_id)
  LEFT JOIN applied USING (order_id)
  LEFT JOIN refunded USING (order_id)
"""

_CUSTOMERS = """
  SELECT customer_id AS id, email, phone, first_name, last_name, created_at,
    to_json({'state': CASE email_consent WHEN 'never' THEN 'not_subscribed' ELSE email_consent END,
             'consent_updated_at': email_consent_at}) AS email_marketing_consent
  FROM source.raw.customers
"""


def write_database(raw: Path, file: Path) -> None:
    """Write the connector's streams into a new DuckDB file, from a warehouse's raw schema."""
    with duckdb.connect(str(file)) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH '{raw}' AS source (READ_ONLY)")
        con.execute(f"CREATE TABLE orders AS {_ORDERS}")
        con.execute(f"CREATE TABLE customers AS {_CUSTOMERS}")
