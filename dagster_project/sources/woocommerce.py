"""From WooCommerce's analytics tables to the canonical tables.

Tables are named without the prefix of the installation (`wp_`). A refund is an order with a parent
and negative amounts. Everybody who bought is in the customer lookup, guests by their address; only
those with a user have an account.
"""

from __future__ import annotations

from dagster_project.sources.connector import Connector
from dagster_project.sources.native import Mapped, filled_from

_COLUMNS: dict[str, tuple[str, ...]] = {
    "wc_order_stats": (
        *("order_id", "parent_id", "date_created_gmt", "total_sales", "tax_total"),
        *("shipping_total", "net_total", "status", "customer_id"),
    ),
    "wc_order_coupon_lookup": ("order_id", "coupon_id", "discount_amount"),
    "wc_order_product_lookup": (
        *("order_item_id", "order_id", "product_id", "product_qty", "product_net_revenue"),
        "coupon_amount",
    ),
    "wc_product_meta_lookup": ("product_id", "sku"),
    "wc_customer_lookup": (
        *("customer_id", "user_id", "first_name", "last_name", "email", "date_registered"),
        *("country", "state", "city", "postcode"),
    ),
    "woocommerce_order_items": ("order_item_id", "order_id", "order_item_name", "order_item_type"),
    "posts": ("id", "post_title"),
}


def _number(column: str) -> str:
    return f"TRY_CAST({column} AS DECIMAL(18,4))"


_IS_REFUND = "coalesce(TRY_CAST(parent_id AS BIGINT), 0) <> 0"
_STATUS = "regexp_replace(lower(status), '^wc-', '')"

# Coupons take their amount off the goods before net_total.
_ORDERS = f"""(
  SELECT
    stats.*,
    {_STATUS.replace("status", "stats.status")} AS state,
    customers.email,
    CASE WHEN TRY_CAST(customers.user_id AS BIGINT) > 0 THEN customers.user_id END AS account,
    customers.country,
    customers.state AS region,
    customers.city,
    customers.postcode,
    coalesce(coupons.amount, 0) AS discount
  FROM n_wc_order_stats AS stats
  LEFT JOIN n_wc_customer_lookup AS customers ON customers.customer_id = stats.customer_id
  LEFT JOIN (
    SELECT order_id, sum({_number("discount_amount")}) AS amount
    FROM n_wc_order_coupon_lookup GROUP BY order_id
  ) AS coupons ON coupons.order_id = stats.order_id
  WHERE NOT ({_IS_REFUND}) AND {_STATUS.replace("status", "stats.status")} <> 'trash'
)"""

# The lookup has money and the coupon's id, the items its code. Where posts are there the id leads
# to the code; else the coupons of an order are taken in the order both tables have them.
_DISCOUNTS = """(
  WITH used AS (
    SELECT
      order_id,
      coupon_id,
      discount_amount,
      row_number() OVER (PARTITION BY order_id ORDER BY TRY_CAST(coupon_id AS BIGINT)) - 1 AS nth
    FROM n_wc_order_coupon_lookup
  ),
  items AS (
    SELECT
      order_id,
      order_item_name AS code,
      row_number() OVER (PARTITION BY order_id ORDER BY TRY_CAST(order_item_id AS BIGINT)) - 1
        AS nth
    FROM n_woocommerce_order_items
    WHERE order_item_type = 'coupon'
  )
  SELECT
    used.order_id,
    used.nth,
    coalesce(posts.post_title, items.code) AS code,
    used.discount_amount
  FROM used
  LEFT JOIN n_posts AS posts ON posts.id = used.coupon_id
  LEFT JOIN items ON items.order_id = used.order_id AND items.nth = used.nth
)"""

_LINES = f"""(
  WITH lines AS (
    SELECT products.*, stats.parent_id, {_IS_REFUND} AS is_refund
    FROM n_wc_order_product_lookup AS products
    JOIN n_wc_order_stats AS stats USING (order_id)
  ),
  refunded AS (
    SELECT parent_id AS order_id, product_id, -sum({_number("product_qty")}) AS quantity
    FROM lines WHERE is_refund GROUP BY ALL
  )
  SELECT
    lines.*,
    meta.sku,
    -- A refund names the product: with two lines of one product the first takes it.
    CASE
      WHEN row_number() OVER (
        PARTITION BY lines.order_id, lines.product_id
        ORDER BY TRY_CAST(lines.order_item_id AS BIGINT)
      ) = 1 THEN refunded.quantity
    END AS refunded_quantity,
    ({_number("lines.product_net_revenue")} + coalesce({_number("lines.coupon_amount")}, 0))
      / nullif({_number("lines.product_qty")}, 0) AS price
  FROM lines
  LEFT JOIN n_wc_product_meta_lookup AS meta ON meta.product_id = lines.product_id
  LEFT JOIN refunded
    ON refunded.order_id = lines.order_id AND refunded.product_id = lines.product_id
  WHERE NOT lines.is_refund
)"""

_REFUNDS = f"(SELECT * FROM n_wc_order_stats WHERE {_IS_REFUND})"

# date_created beside it is the server's clock of that day; a moment is cut into days only once.
_PLACED = "date_created_gmt"
_STATS = "wc_order_stats."
_LOOKUP = "wc_customer_lookup."
_COUPONS = "wc_order_coupon_lookup."
_PRODUCTS = "wc_order_product_lookup."

_MAPPED: dict[str, Mapped] = {
    "orders": Mapped(
        ("wc_order_stats",),
        _ORDERS,
        {
            "order_id": filled_from("order_id", f"{_STATS}order_id"),
            "ordered_at": filled_from(_PLACED, f"{_STATS}date_created_gmt"),
            "total_amount": filled_from("total_sales", f"{_STATS}total_sales"),
            "customer_id": filled_from("account", f"{_LOOKUP}user_id"),
            "email": filled_from("email", f"{_LOOKUP}email"),
            # The table does not say when an order was called off, only that it was.
            "cancelled_at": filled_from(
                f"CASE WHEN state = 'cancelled' THEN {_PLACED} END", f"{_STATS}status"
            ),
            "financial_status": filled_from(
                """CASE state
                  WHEN 'completed' THEN 'paid'
                  WHEN 'processing' THEN 'paid'
                  WHEN 'on-hold' THEN 'pending'
                  WHEN 'pending' THEN 'voided'
                  WHEN 'failed' THEN 'voided'
                  WHEN 'checkout-draft' THEN 'draft'
                  ELSE state
                END""",
                f"{_STATS}status",
            ),
            "gross_amount": filled_from(
                f"({_number('net_total')} + discount)::VARCHAR", f"{_STATS}net_total"
            ),
            "discount_amount": filled_from("discount::VARCHAR", f"{_COUPONS}discount_amount"),
            "shipping_amount": filled_from("shipping_total", f"{_STATS}shipping_total"),
            "tax_amount": filled_from("tax_total", f"{_STATS}tax_total"),
            "ship_country": filled_from("country", f"{_LOOKUP}country"),
            "ship_region": filled_from("region", f"{_LOOKUP}state"),
            "ship_city": filled_from("city", f"{_LOOKUP}city"),
            "ship_postal_code": filled_from("postcode", f"{_LOOKUP}postcode"),
        },
    ),
    "order_discounts": Mapped(
        ("wc_order_coupon_lookup",),
        _DISCOUNTS,
        {
            "order_id": filled_from("order_id", f"{_COUPONS}order_id"),
            "kind": filled_from("'code'", f"{_COUPONS}order_id"),
            "discount_index": filled_from("nth::VARCHAR", f"{_COUPONS}order_id"),
            "code": filled_from(
                "code", "woocommerce_order_items.order_item_name", "posts.post_title"
            ),
            "target": filled_from("'line_item'", f"{_COUPONS}order_id"),
            "amount": filled_from("discount_amount", f"{_COUPONS}discount_amount"),
        },
    ),
    "order_lines": Mapped(
        ("wc_order_product_lookup",),
        _LINES,
        {
            "order_id": filled_from("order_id", f"{_PRODUCTS}order_id"),
            "line_id": filled_from("order_item_id", f"{_PRODUCTS}order_item_id"),
            "sku": filled_from("sku", "wc_product_meta_lookup.sku"),
            "product_id": filled_from("product_id", f"{_PRODUCTS}product_id"),
            "quantity": filled_from("product_qty", f"{_PRODUCTS}product_qty"),
            "unit_price": filled_from(
                "round(price, 4)::VARCHAR", f"{_PRODUCTS}product_net_revenue"
            ),
            "discount_amount": filled_from("coupon_amount", f"{_PRODUCTS}coupon_amount"),
            "refunded_quantity": filled_from(
                "refunded_quantity::VARCHAR", f"{_PRODUCTS}product_qty"
            ),
        },
    ),
    "refunds": Mapped(
        ("wc_order_stats",),
        _REFUNDS,
        {
            "refund_id": filled_from("order_id", f"{_STATS}order_id"),
            "order_id": filled_from("parent_id", f"{_STATS}parent_id"),
            "refunded_at": filled_from(_PLACED, f"{_STATS}date_created_gmt"),
            "amount": filled_from(f"(-{_number('total_sales')})::VARCHAR", f"{_STATS}total_sales"),
        },
    ),
    "customers": Mapped(
        ("wc_customer_lookup",),
        "(SELECT * FROM n_wc_customer_lookup WHERE TRY_CAST(user_id AS BIGINT) > 0)",
        {
            "customer_id": filled_from("user_id", f"{_LOOKUP}user_id"),
            "email": filled_from("email", f"{_LOOKUP}email"),
            "first_name": filled_from("first_name", f"{_LOOKUP}first_name"),
            "last_name": filled_from("last_name", f"{_LOOKUP}last_name"),
            "created_at": filled_from("date_registered", f"{_LOOKUP}date_registered"),
            "country": filled_from("country", f"{_LOOKUP}country"),
            "region": filled_from("state", f"{_LOOKUP}state"),
            "city": filled_from("city", f"{_LOOKUP}city"),
            "postal_code": filled_from("postcode", f"{_LOOKUP}postcode"),
        },
    ),
}

WOOCOMMERCE = Connector(main="wc_order_stats", columns=_COLUMNS, mapped=_MAPPED)
