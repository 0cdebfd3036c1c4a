"""From the tables of Fivetran's Shopify connector, REST or GraphQL, to the canonical tables."""

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
    "order": (
        *("id", "created_at", "processed_at", "updated_at", "cancelled_at", "test", "email"),
        *("phone", "customer_id", "financial_status", "display_financial_status", "source_name"),
        *("currency", "currency_code", "total_price", "subtotal_price", "total_line_items_price"),
        *("total_discounts", "total_tax", "total_shipping_price_set", "checkout_token"),
        *("browser_ip", "client_ip", "client_details_user_agent"),
        *("shipping_address_country_code", "shipping_address_province_code"),
        *("shipping_address_city", "shipping_address_zip"),
    ),
    "order_tag": ("order_id", "index", "value"),
    "order_line": (
        *("id", "order_id", "product_id", "sku", "name", "title", "vendor", "quantity", "price"),
        *("total_discount", "gift_card"),
    ),
    "order_shipping_line": ("order_id", "discounted_price", "price"),
    "discount_application": ("order_id", "index", "type", "code", "title", "target_type"),
    "discount_allocation": ("order_line_id", "amount", "discount_application_index"),
    "order_discount_code": ("order_id", "index", "code", "amount", "type"),
    "refund": ("id", "order_id", "created_at", "processed_at"),
    "order_line_refund": ("refund_id", "order_line_id", "quantity", "subtotal", "total_tax"),
    "refund_line_item": ("refund_id", "order_line_id", "quantity", "subtotal", "total_tax"),
    "order_adjustment": ("refund_id", "amount", "tax_amount"),
    "transaction": ("refund_id", "kind", "status", "amount", "currency"),
    "customer": (
        *("id", "email", "phone", "first_name", "last_name", "created_at", "accepts_marketing"),
        *("email_marketing_consent_state", "email_marketing_consent_consent_updated_at"),
        *("sms_marketing_consent_state", "sms_marketing_consent_consent_updated_at"),
        *("orders_count", "total_spent"),
    ),
    "customer_tag": ("customer_id", "index", "value"),
    "abandoned_checkout": (
        *("token", "created_at", "updated_at", "completed_at", "customer_id", "email", "phone"),
        "total_price",
    ),
}


_TAGS = "SELECT {0}, string_agg(value, ', ' ORDER BY TRY_CAST(index AS INTEGER)) AS tags FROM {1}"

# Newer connections renamed the lines of a refund.
_REFUND_LINES = """(
  SELECT * FROM n_order_line_refund UNION ALL SELECT * FROM n_refund_line_item
)"""

_ORDERS = f"""(
  SELECT
    orders.*,
    tags.tags,
    shipping.amount AS shipping_amount,
    {GOODS_DISCOUNT} AS goods_discount
  FROM n_order AS orders
  LEFT JOIN ({_TAGS.format("order_id", "n_order_tag")} GROUP BY order_id) AS tags
    ON tags.order_id = orders.id
  LEFT JOIN (
    SELECT order_id, sum({money("coalesce(discounted_price, price)")}) AS amount
    FROM n_order_shipping_line GROUP BY order_id
  ) AS shipping ON shipping.order_id = orders.id
)"""

# Applications say the kind, allocations the money, and the list of codes need not agree with them:
# a code that is in no application is kept.
_DISCOUNTS = f"""(
  WITH allocated AS (
    SELECT
      lines.order_id,
      allocations.discount_application_index AS index,
      sum({money("allocations.amount")}) AS amount
    FROM n_discount_allocation AS allocations
    JOIN n_order_line AS lines ON lines.id = allocations.order_line_id
    GROUP BY ALL
  ),
  applied AS (
    SELECT
      applications.order_id,
      {discount_kind("type", "code")} AS kind,
      index AS discount_index,
      code,
      title,
      {discount_target("target_type")} AS target,
      allocated.amount::VARCHAR AS amount
    FROM n_discount_application AS applications
    LEFT JOIN allocated USING (order_id, index)
  ),
  codes AS (
    SELECT
      order_id,
      'code' AS kind,
      (1000 + coalesce(TRY_CAST(index AS INTEGER), 0))::VARCHAR AS discount_index,
      code,
      code AS title,
      CASE WHEN lower(type) = 'shipping' THEN 'shipping' ELSE 'line_item' END AS target,
      -- The money is with the application, when there is one.
      CASE WHEN order_id NOT IN (SELECT order_id FROM applied WHERE order_id IS NOT NULL)
        THEN amount END AS amount
    FROM n_order_discount_code AS listed
    WHERE NOT EXISTS (
      SELECT 1 FROM applied
      WHERE applied.order_id = listed.order_id
        AND {named_by("applied", "listed")}
    )
  )
  SELECT * FROM applied UNION ALL SELECT * FROM codes
)"""

_LINES = f"""(
  SELECT lines.*, allocated.amount AS allocated, refunded.quantity AS refunded_quantity
  FROM n_order_line AS lines
  LEFT JOIN (
    SELECT order_line_id, sum({money("amount")}) AS amount
    FROM n_discount_allocation GROUP BY order_line_id
  ) AS allocated ON allocated.order_line_id = lines.id
  LEFT JOIN (
    SELECT order_line_id, sum(TRY_CAST(quantity AS DECIMAL(18,3))) AS quantity
    FROM {_REFUND_LINES} AS refund_lines GROUP BY order_line_id
  ) AS refunded ON refunded.order_line_id = lines.id
)"""

# What was paid back; without transactions what the lines and the adjustments of the refund add up
# to (an adjustment is negative when it gives money back). These are in the currency of the shop and
# the order, as all other amounts; a transaction is in the currency that was paid with.
_REFUNDS = f"""(
  SELECT
    refunds.*,
    {REFUNDED} AS amount
  FROM n_refund AS refunds
  LEFT JOIN (
    SELECT
      transactions.refund_id,
      sum({money("transactions.amount")}) AS amount,
      coalesce(
        bool_or(transactions.currency <> coalesce(orders.currency, orders.currency_code)), false
      ) AS is_foreign
    FROM n_transaction AS transactions
    LEFT JOIN n_refund AS of_order ON of_order.id = transactions.refund_id
    LEFT JOIN n_order AS orders ON orders.id = of_order.order_id
    WHERE lower(transactions.kind) = 'refund'
      AND coalesce(lower(transactions.status), 'success') = 'success'
    GROUP BY transactions.refund_id
  ) AS paid ON paid.refund_id = refunds.id
  LEFT JOIN (
    SELECT
      refund_id,
      sum({money("subtotal")} + coalesce({money("total_tax")}, 0)) AS amount
    FROM {_REFUND_LINES} AS refund_lines GROUP BY refund_id
  ) AS of_lines ON of_lines.refund_id = refunds.id
  LEFT JOIN (
    SELECT
      refund_id,
      sum({money("amount")} + coalesce({money("tax_amount")}, 0)) AS amount
    FROM n_order_adjustment GROUP BY refund_id
  ) AS adjusted ON adjusted.refund_id = refunds.id
)"""

_CUSTOMERS = f"""(
  SELECT customers.*, tags.tags
  FROM n_customer AS customers
  LEFT JOIN ({_TAGS.format("customer_id", "n_customer_tag")} GROUP BY customer_id) AS tags
    ON tags.customer_id = customers.id
)"""


_MAPPED: dict[str, Mapped] = {
    "orders": Mapped(
        ("order",),
        _ORDERS,
        {
            "order_id": filled_from("id", "order.id"),
            # An order that was imported keeps the time it was placed at in processed_at.
            "ordered_at": filled_from("coalesce(processed_at, created_at)", "order.created_at"),
            "total_amount": filled_from("total_price", "order.total_price"),
            "customer_id": filled_from("customer_id", "order.customer_id"),
            "email": filled_from("email", "order.email"),
            "phone": filled_from("phone", "order.phone"),
            "updated_at": filled_from("updated_at", "order.updated_at"),
            "cancelled_at": filled_from("cancelled_at", "order.cancelled_at"),
            "financial_status": filled_from(
                "coalesce(financial_status, lower(display_financial_status))",
                *("order.financial_status", "order.display_financial_status"),
            ),
            "is_test": filled_from("test", "order.test"),
            "source_name": filled_from("source_name", "order.source_name"),
            "currency": filled_from(
                "coalesce(currency, currency_code)", "order.currency", "order.currency_code"
            ),
            "gross_amount": filled_from(
                GROSS_AMOUNT,
                *("order.total_line_items_price", "order.subtotal_price"),
            ),
            "discount_amount": filled_from(
                "goods_discount::VARCHAR", "order.total_discounts", "order.total_line_items_price"
            ),
            "shipping_amount": filled_from(
                "coalesce(shipping_amount::VARCHAR, "
                "json_extract_string(total_shipping_price_set, '$.shop_money.amount'))",
                *("order_shipping_line.price", "order.total_shipping_price_set"),
            ),
            "tax_amount": filled_from("total_tax", "order.total_tax"),
            "ship_country": filled_from(
                "shipping_address_country_code", "order.shipping_address_country_code"
            ),
            "ship_region": filled_from(
                "shipping_address_province_code", "order.shipping_address_province_code"
            ),
            "ship_city": filled_from("shipping_address_city", "order.shipping_address_city"),
            "ship_postal_code": filled_from("shipping_address_zip", "order.shipping_address_zip"),
            "tags": filled_from("tags", "order_tag.value"),
            "checkout_token": filled_from("checkout_token", "order.checkout_token"),
            "client_ip": filled_from(
                "coalesce(browser_ip, client_ip)", "order.browser_ip", "order.client_ip"
            ),
            "user_agent": filled_from(
                "client_details_user_agent", "order.client_details_user_agent"
            ),
        },
    ),
    "order_discounts": Mapped(
        ("discount_application", "order_discount_code"),
        _DISCOUNTS,
        {
            "order_id": filled_from(
                "order_id", "discount_application.order_id", "order_discount_code.order_id"
            ),
            "kind": filled_from("kind", "discount_application.type", "order_discount_code.code"),
            "discount_index": filled_from(
                "discount_index", "discount_application.index", "order_discount_code.index"
            ),
            "code": filled_from("code", "discount_application.code", "order_discount_code.code"),
            "title": filled_from("title", "discount_application.title", "order_discount_code.code"),
            "target": filled_from(
                "target", "discount_application.target_type", "order_discount_code.type"
            ),
            "amount": filled_from(
                "amount", "discount_allocation.amount", "order_discount_code.amount"
            ),
        },
    ),
    "order_lines": Mapped(
        ("order_line",),
        _LINES,
        {
            "order_id": filled_from("order_id", "order_line.order_id"),
            "line_id": filled_from("id", "order_line.id"),
            "sku": filled_from("sku", "order_line.sku"),
            "product_id": filled_from("product_id", "order_line.product_id"),
            "title": filled_from("coalesce(title, name)", "order_line.title", "order_line.name"),
            "vendor": filled_from("vendor", "order_line.vendor"),
            "quantity": filled_from("quantity", "order_line.quantity"),
            "unit_price": filled_from("price", "order_line.price"),
            "discount_amount": filled_from(
                "coalesce(allocated::VARCHAR, total_discount)",
                *("discount_allocation.amount", "order_line.total_discount"),
            ),
            "is_gift_card": filled_from("gift_card", "order_line.gift_card"),
            "refunded_quantity": filled_from(
                "refunded_quantity::VARCHAR",
                *("order_line_refund.quantity", "refund_line_item.quantity"),
            ),
        },
    ),
    "refunds": Mapped(
        ("refund",),
        _REFUNDS,
        {
            "refund_id": filled_from("id", "refund.id"),
            "order_id": filled_from("order_id", "refund.order_id"),
            "refunded_at": filled_from("coalesce(processed_at, created_at)", "refund.created_at"),
            "amount": filled_from("amount::VARCHAR", "refund.id"),
        },
    ),
    "customers": Mapped(
        ("customer",),
        _CUSTOMERS,
        {
            "customer_id": filled_from("id", "customer.id"),
            "email": filled_from("email", "customer.email"),
            "phone": filled_from("phone", "customer.phone"),
            "first_name": filled_from("first_name", "customer.first_name"),
            "last_name": filled_from("last_name", "customer.last_name"),
            "created_at": filled_from("created_at", "customer.created_at"),
            "email_consent": filled_from(
                f"coalesce({consent('email_marketing_consent_state')}, "
                f"{accepts('accepts_marketing')})",
                *("customer.email_marketing_consent_state", "customer.accepts_marketing"),
            ),
            "email_consent_at": filled_from(
                "email_marketing_consent_consent_updated_at",
                "customer.email_marketing_consent_consent_updated_at",
            ),
            "sms_consent": filled_from(
                consent("sms_marketing_consent_state"), "customer.sms_marketing_consent_state"
            ),
            "sms_consent_at": filled_from(
                "sms_marketing_consent_consent_updated_at",
                "customer.sms_marketing_consent_consent_updated_at",
            ),
            "tags": filled_from("tags", "customer_tag.value"),
            "reported_orders": filled_from("orders_count", "customer.orders_count"),
            "reported_spent": filled_from("total_spent", "customer.total_spent"),
        },
    ),
    "checkouts": Mapped(
        ("abandoned_checkout",),
        "n_abandoned_checkout",
        {
            "checkout_token": filled_from("token", "abandoned_checkout.token"),
            "created_at": filled_from("created_at", "abandoned_checkout.created_at"),
            "updated_at": filled_from("updated_at", "abandoned_checkout.updated_at"),
            "completed_at": filled_from("completed_at", "abandoned_checkout.completed_at"),
            "customer_id": filled_from("customer_id", "abandoned_checkout.customer_id"),
            "email": filled_from("email", "abandoned_checkout.email"),
            "phone": filled_from("phone", "abandoned_checkout.phone"),
            "total_amount": filled_from("total_price", "abandoned_checkout.total_price"),
        },
    ),
}

FIVETRAN_SHOPIFY = Connector(
    main="order",
    columns=_COLUMNS,
    mapped=_MAPPED,
    traces={
        "order_discounts": f"SELECT 1 FROM n_order WHERE {money('total_discounts')} > 0 LIMIT 1"
    },
)
