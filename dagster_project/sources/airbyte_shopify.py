"""From the streams of Airbyte's Shopify connector, with JSON columns, to the canonical tables."""

from __future__ import annotations

from dagster_project.sources.connector import Connector
from dagster_project.sources.native import Mapped, filled_from
from dagster_project.sources.shopify_words import (
    GOODS_DISCOUNT,
    GROSS_AMOUNT,
    REFUNDED,
    accepts,
    consent,
    discount_kind,
    discount_target,
    money,
    named_by,
)

_COLUMNS: dict[str, tuple[str, ...]] = {
    "orders": (
        *("id", "created_at", "processed_at", "updated_at", "cancelled_at", "test", "email"),
        *("phone", "customer", "financial_status", "source_name", "currency", "total_price"),
        *("subtotal_price", "total_line_items_price", "total_discounts", "total_tax"),
        *("total_shipping_price_set", "tags", "checkout_token", "browser_ip", "client_details"),
        *("shipping_address", "line_items", "discount_applications", "discount_codes", "refunds"),
    ),
    "customers": (
        *("id", "email", "phone", "first_name", "last_name", "created_at", "accepts_marketing"),
        *("email_marketing_consent", "sms_marketing_consent", "default_address"),
        *("orders_count", "total_spent", "tags"),
    ),
    "abandoned_checkouts": (
        *("token", "created_at", "updated_at", "completed_at", "customer", "email", "phone"),
        "total_price",
    ),
}


def _of(column: str, *path: str) -> str:
    """SQL: a text inside a JSON column."""
    return f"json_extract_string({column}, '$.{'.'.join(path)}')"


def _inside(name: str) -> str:
    """SQL: a list inside an element."""
    return f"json_extract(element, '$.{name}')"


def _each(column: str, relation: str, *kept: str) -> str:
    """SQL: one row per element of a JSON list, with its position from 0."""
    columns = "".join(f"{name}, " for name in kept)
    return f"""(
      SELECT {columns}
        unnest(json_extract({column}, '$[*]')) AS element,
        generate_subscripts(json_extract({column}, '$[*]'), 1) - 1 AS position
      FROM {relation}
      WHERE {column} IS NOT NULL
    )"""


_ORDERS = f"""(
  SELECT
    *,
    {GOODS_DISCOUNT} AS goods_discount
  FROM n_orders
)"""

_LINE_ITEMS = _each("line_items", "n_orders", "id AS order_id")

# Older versions of the stream leave the code out of an application: then the codes of the order
# belong to its applications of that type in their order.
_DISCOUNTS = f"""(
  WITH lines AS (SELECT order_id, element FROM {_LINE_ITEMS} AS line_items),
  allocated AS (
    SELECT
      order_id,
      TRY_CAST({_of("element", "discount_application_index")} AS INTEGER) AS position,
      sum({money(_of("element", "amount"))}) AS amount
    FROM {_each(_inside("discount_allocations"), "lines", "order_id")} AS allocations
    GROUP BY ALL
  ),
  listed AS (
    SELECT
      order_id,
      position,
      {_of("element", "code")} AS code,
      {_of("element", "amount")} AS amount,
      lower({_of("element", "type")}) AS type
    FROM {_each("discount_codes", "n_orders", "id AS order_id")} AS codes
  ),
  applications AS (
    SELECT
      order_id,
      position,
      {_of("element", "type")} AS type,
      {_of("element", "code")} AS code,
      {_of("element", "title")} AS title,
      {_of("element", "target_type")} AS target_type,
      row_number() OVER (
        PARTITION BY order_id, lower({_of("element", "type")}) ORDER BY position
      ) - 1 AS nth
    FROM {_each("discount_applications", "n_orders", "id AS order_id")} AS applications
  ),
  applied AS (
    SELECT
      applications.order_id,
      {discount_kind("applications.type", "applications.code")} AS kind,
      applications.position AS discount_index,
      coalesce(applications.code, listed.code) AS code,
      applications.title,
      {discount_target("applications.target_type")} AS target,
      allocated.amount::VARCHAR AS amount
    FROM applications
    LEFT JOIN allocated
      ON allocated.order_id = applications.order_id AND allocated.position = applications.position
    LEFT JOIN listed
      ON lower(applications.type) = 'discount_code'
      AND listed.order_id = applications.order_id
      AND listed.position = applications.nth
  ),
  others AS (
    SELECT
      order_id,
      'code' AS kind,
      1000 + position AS discount_index,
      code,
      code AS title,
      CASE WHEN type = 'shipping' THEN 'shipping' ELSE 'line_item' END AS target,
      CASE WHEN order_id NOT IN (SELECT order_id FROM applied) THEN amount END AS amount
    FROM listed
    WHERE NOT EXISTS (
      SELECT 1 FROM applied
      WHERE applied.order_id = listed.order_id
        AND {named_by("applied", "listed")}
    )
  )
  SELECT * FROM applied UNION ALL SELECT * FROM others
)"""

_LINE_ID = f"{_of('element', 'id')} AS line_id"

_LINES = f"""(
  WITH refunds AS (
    SELECT element FROM {_each("refunds", "n_orders")} AS refunds
  ),
  refunded AS (
    SELECT
      {_of("element", "line_item_id")} AS line_id,
      sum(TRY_CAST({_of("element", "quantity")} AS DECIMAL(18,3))) AS quantity
    FROM {_each(_inside("refund_line_items"), "refunds")} AS refund_lines
    GROUP BY ALL
  ),
  lines AS (SELECT order_id, element FROM {_LINE_ITEMS} AS line_items),
  allocated AS (
    SELECT line_id, sum({money(_of("element", "amount"))}) AS amount
    FROM {_each(_inside("discount_allocations"), "lines", _LINE_ID)} AS allocations
    GROUP BY line_id
  )
  SELECT lines.*, refunded.quantity AS refunded_quantity, allocated.amount AS allocated
  FROM lines
  LEFT JOIN refunded ON refunded.line_id = {_of("lines.element", "id")}
  LEFT JOIN allocated ON allocated.line_id = {_of("lines.element", "id")}
)"""

# What was paid back; without transactions what the lines and the adjustments of the refund add up
# to (an adjustment is negative when it gives money back). These are in the currency of the shop and
# the order, as all other amounts; a transaction is in the currency that was paid with.
_REFUNDS = f"""(
  WITH refunds AS (
    SELECT order_id, currency, {_of("element", "id")} AS refund_id, element
    FROM {_each("refunds", "n_orders", "id AS order_id", "currency")} AS refunds
  ),
  paid AS (
    SELECT
      refund_id,
      sum({money(_of("element", "amount"))}) AS amount,
      coalesce(bool_or({_of("element", "currency")} <> currency), false) AS is_foreign
    FROM {_each(_inside("transactions"), "refunds", "refund_id", "currency")} AS transactions
    WHERE lower({_of("element", "kind")}) = 'refund'
      AND coalesce(lower({_of("element", "status")}), 'success') = 'success'
    GROUP BY refund_id
  ),
  of_lines AS (
    SELECT
      refund_id,
      sum(
        {money(_of("element", "subtotal"))} + coalesce({money(_of("element", "total_tax"))}, 0)
      ) AS amount
    FROM {_each(_inside("refund_line_items"), "refunds", "refund_id")} AS refund_lines
    GROUP BY refund_id
  ),
  adjusted AS (
    SELECT
      refund_id,
      sum(
        {money(_of("element", "amount"))} + coalesce({money(_of("element", "tax_amount"))}, 0)
      ) AS amount
    FROM {_each(_inside("order_adjustments"), "refunds", "refund_id")} AS adjustments
    GROUP BY refund_id
  )
  SELECT
    refunds.*,
    {REFUNDED}::VARCHAR AS amount
  FROM refunds
  LEFT JOIN paid USING (refund_id)
  LEFT JOIN of_lines USING (refund_id)
  LEFT JOIN adjusted USING (refund_id)
)"""

_DISCOUNT_COLUMNS = ("orders.discount_applications", "orders.discount_codes")

_MAPPED: dict[str, Mapped] = {
    "orders": Mapped(
        ("orders",),
        _ORDERS,
        {
            "order_id": filled_from("id", "orders.id"),
            # An order that was imported keeps the time it was placed at in processed_at.
            "ordered_at": filled_from("coalesce(processed_at, created_at)", "orders.created_at"),
            "total_amount": filled_from("total_price", "orders.total_price"),
            "customer_id": filled_from(_of("customer", "id"), "orders.customer"),
            "email": filled_from("email", "orders.email"),
            "phone": filled_from("phone", "orders.phone"),
            "updated_at": filled_from("updated_at", "orders.updated_at"),
            "cancelled_at": filled_from("cancelled_at", "orders.cancelled_at"),
            "financial_status": filled_from("financial_status", "orders.financial_status"),
            "is_test": filled_from("test", "orders.test"),
            "source_name": filled_from("source_name", "orders.source_name"),
            "currency": filled_from("currency", "orders.currency"),
            "gross_amount": filled_from(
                GROSS_AMOUNT,
                *("orders.total_line_items_price", "orders.subtotal_price"),
            ),
            "discount_amount": filled_from(
                "goods_discount::VARCHAR", "orders.total_discounts", "orders.total_line_items_price"
            ),
            "shipping_amount": filled_from(
                _of("total_shipping_price_set", "shop_money", "amount"),
                "orders.total_shipping_price_set",
            ),
            "tax_amount": filled_from("total_tax", "orders.total_tax"),
            "ship_country": filled_from(
                _of("shipping_address", "country_code"), "orders.shipping_address"
            ),
            "ship_region": filled_from(
                _of("shipping_address", "province_code"), "orders.shipping_address"
            ),
            "ship_city": filled_from(_of("shipping_address", "city"), "orders.shipping_address"),
            "ship_postal_code": filled_from(
                _of("shipping_address", "zip"), "orders.shipping_address"
            ),
            "tags": filled_from("tags", "orders.tags"),
            "checkout_token": filled_from("checkout_token", "orders.checkout_token"),
            "client_ip": filled_from("browser_ip", "orders.browser_ip"),
            "user_agent": filled_from(_of("client_details", "user_agent"), "orders.client_details"),
        },
    ),
    "order_discounts": Mapped(
        _DISCOUNT_COLUMNS,
        _DISCOUNTS,
        {
            "order_id": filled_from("order_id", *_DISCOUNT_COLUMNS),
            "kind": filled_from("kind", *_DISCOUNT_COLUMNS),
            "discount_index": filled_from("discount_index::VARCHAR", *_DISCOUNT_COLUMNS),
            "code": filled_from("code", *_DISCOUNT_COLUMNS),
            "title": filled_from("title", *_DISCOUNT_COLUMNS),
            "target": filled_from("target", *_DISCOUNT_COLUMNS),
            "amount": filled_from("amount", *_DISCOUNT_COLUMNS),
        },
    ),
    "order_lines": Mapped(
        ("orders.line_items",),
        _LINES,
        {
            "order_id": filled_from("order_id", "orders.line_items"),
            "line_id": filled_from(_of("element", "id"), "orders.line_items"),
            "sku": filled_from(_of("element", "sku"), "orders.line_items"),
            "product_id": filled_from(_of("element", "product_id"), "orders.line_items"),
            "title": filled_from(_of("element", "title"), "orders.line_items"),
            "vendor": filled_from(_of("element", "vendor"), "orders.line_items"),
            "quantity": filled_from(_of("element", "quantity"), "orders.line_items"),
            "unit_price": filled_from(_of("element", "price"), "orders.line_items"),
            "discount_amount": filled_from("allocated::VARCHAR", "orders.line_items"),
            "is_gift_card": filled_from(_of("element", "gift_card"), "orders.line_items"),
            "refunded_quantity": filled_from("refunded_quantity::VARCHAR", "orders.refunds"),
        },
    ),
    "refunds": Mapped(
        ("orders.refunds",),
        _REFUNDS,
        {
            "refund_id": filled_from("refund_id", "orders.refunds"),
            "order_id": filled_from("order_id", "orders.refunds"),
            "refunded_at": filled_from(
                f"coalesce({_of('element', 'processed_at')}, {_of('element', 'created_at')})",
                "orders.refunds",
            ),
            "amount": filled_from("amount", "orders.refunds"),
        },
    ),
    "customers": Mapped(
        ("customers",),
        "n_customers",
        {
            "customer_id": filled_from("id", "customers.id"),
            "email": filled_from("email", "customers.email"),
            "phone": filled_from("phone", "customers.phone"),
            "first_name": filled_from("first_name", "customers.first_name"),
            "last_name": filled_from("last_name", "customers.last_name"),
            "created_at": filled_from("created_at", "customers.created_at"),
            "country": filled_from(
                _of("default_address", "country_code"), "customers.default_address"
            ),
            "region": filled_from(
                _of("default_address", "province_code"), "customers.default_address"
            ),
            "city": filled_from(_of("default_address", "city"), "customers.default_address"),
            "postal_code": filled_from(_of("default_address", "zip"), "customers.default_address"),
            "email_consent": filled_from(
                f"coalesce({consent(_of('email_marketing_consent', 'state'))}, "
                f"{accepts('accepts_marketing')})",
                *("customers.email_marketing_consent", "customers.accepts_marketing"),
            ),
            "email_consent_at": filled_from(
                _of("email_marketing_consent", "consent_updated_at"),
                "customers.email_marketing_consent",
            ),
            "sms_consent": filled_from(
                consent(_of("sms_marketing_consent", "state")), "customers.sms_marketing_consent"
            ),
            "sms_consent_at": filled_from(
                _of("sms_marketing_consent", "consent_updated_at"),
                "customers.sms_marketing_consent",
            ),
            "tags": filled_from("tags", "customers.tags"),
            "reported_orders": filled_from("orders_count", "customers.orders_count"),
            "reported_spent": filled_from("total_spent", "customers.total_spent"),
        },
    ),
    "checkouts": Mapped(
        ("abandoned_checkouts",),
        "n_abandoned_checkouts",
        {
            "checkout_token": filled_from("token", "abandoned_checkouts.token"),
            "created_at": filled_from("created_at", "abandoned_checkouts.created_at"),
            "updated_at": filled_from("updated_at", "abandoned_checkouts.updated_at"),
            "completed_at": filled_from("completed_at", "abandoned_checkouts.completed_at"),
            "customer_id": filled_from(_of("customer", "id"), "abandoned_checkouts.customer"),
            "email": filled_from("email", "abandoned_checkouts.email"),
            "phone": filled_from("phone", "abandoned_checkouts.phone"),
            "total_amount": filled_from("total_price", "abandoned_checkouts.total_price"),
        },
    ),
}

AIRBYTE_SHOPIFY = Connector(main="orders", columns=_COLUMNS, mapped=_MAPPED)
