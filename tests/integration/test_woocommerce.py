"""WooCommerce's analytics tables: refunds are negative orders, guests are known by address."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.connectors import Connector


@pytest.fixture
def shop(tmp_path: Path) -> Connector:
    connector = Connector(tmp_path, "woocommerce")
    connector.put(
        "wc_order_stats",
        """
        SELECT * FROM (VALUES
          (1, 0, TIMESTAMP '2026-03-09 03:59:59', 37.0, 2.0, 5.0, 27.0, 'wc-completed', 10),
          (2, 0, TIMESTAMP '2026-03-10 12:00:00', 20.0, 0.0, 0.0, 20.0, 'wc-processing', 11),
          (3, 0, TIMESTAMP '2026-03-11 12:00:00', 20.0, 0.0, 0.0, 20.0, 'wc-cancelled', 10),
          (4, 0, TIMESTAMP '2026-03-12 12:00:00', 20.0, 0.0, 0.0, 20.0, 'wc-pending', 10),
          (5, 0, TIMESTAMP '2026-03-12 12:00:00', 20.0, 0.0, 0.0, 20.0, 'trash', 10),
          (6, 1, TIMESTAMP '2026-04-01 12:00:00', -9.0, -1.0, 0.0, -8.0, 'wc-completed', 10)
        ) AS stats (order_id, parent_id, date_created_gmt, total_sales, tax_total, shipping_total,
                    net_total, status, customer_id)
        """,
    )
    connector.put(
        "wc_customer_lookup",
        """
        SELECT * FROM (VALUES
          (10, 7, 'Ann', 'ann@mail.example', TIMESTAMP '2025-01-01', 'US', 'NY'),
          (11, NULL, 'Guest', 'guest@mail.example', NULL, 'US', 'NJ')
        ) AS lookup (customer_id, user_id, first_name, email, date_registered, country, state)
        """,
    )
    return connector


def test_orders_and_their_money(shop: Connector):
    shop.put(
        "wc_order_coupon_lookup", "SELECT 1 AS order_id, 50 AS coupon_id, 3.0 AS discount_amount"
    )
    shop.load()
    assert shop.query(
        "SELECT order_id, ordered_at::VARCHAR, total_amount, gross_amount, discount_amount, "
        "financial_status, cancelled_at IS NOT NULL FROM raw.orders ORDER BY order_id"
    ) == [
        ("1", "2026-03-09 03:59:59+00", 37, 30, 3, "paid", False),
        ("2", "2026-03-10 12:00:00+00", 20, 20, 0, "paid", False),
        ("3", "2026-03-11 12:00:00+00", 20, 20, 0, "cancelled", True),
        ("4", "2026-03-12 12:00:00+00", 20, 20, 0, "voided", False),
    ]


def test_a_negative_order_is_a_refund(shop: Connector):
    shop.load()
    assert shop.query(
        "SELECT refund_id, order_id, amount, refunded_at::VARCHAR FROM raw.refunds"
    ) == [("6", "1", 9, "2026-04-01 12:00:00+00")]


def test_a_guest_has_an_address_and_no_account(shop: Connector):
    shop.load()
    assert shop.query("SELECT customer_id, email FROM raw.customers") == [("7", "ann@mail.example")]
    assert shop.query(
        "SELECT customer_id, email, ship_region FROM raw.orders WHERE order_id IN ('1', '2') "
        "ORDER BY order_id"
    ) == [("7", "ann@mail.example", "NY"), (None, "guest@mail.example", "NJ")]


def put_coupons(shop: Connector) -> None:
    shop.put(
        "wc_order_coupon_lookup",
        "SELECT 1 AS order_id, 50 AS coupon_id, 3.0 AS discount_amount "
        "UNION ALL SELECT 2, 51, 1.0 UNION ALL SELECT 2, 52, 2.0",
    )
    shop.put(
        "woocommerce_order_items",
        "SELECT 100 AS order_item_id, 1 AS order_id, 'save10' AS order_item_name, "
        "'coupon' AS order_item_type UNION ALL SELECT 101, 1, 'House Blend', 'line_item' "
        "UNION ALL SELECT 102, 2, 'first', 'coupon' UNION ALL SELECT 103, 2, 'second', 'coupon'",
    )


def test_codes_by_their_place(shop: Connector):
    put_coupons(shop)
    shop.load()
    assert shop.query(
        "SELECT order_id, kind, code, amount FROM raw.order_discounts ORDER BY order_id, amount"
    ) == [
        ("1", "code", "save10", 3),
        ("2", "code", "first", 1),
        ("2", "code", "second", 2),
    ]


def test_codes_by_the_coupon(shop: Connector):
    put_coupons(shop)
    shop.put("posts", "SELECT 52 AS id, 'first' AS post_title UNION ALL SELECT 51, 'second'")
    shop.load()
    assert shop.query(
        "SELECT code, amount FROM raw.order_discounts WHERE order_id = '2' ORDER BY amount"
    ) == [("second", 1), ("first", 2)]


def test_lines_with_what_came_back(shop: Connector):
    shop.put(
        "wc_order_product_lookup",
        """
        SELECT * FROM (VALUES
          (101, 1, 900, 3, 24.0, 3.0), (102, 1, 900, 1, 8.0, 0.0), (103, 1, 901, 1, 0.0, 0.0),
          (104, 6, 900, -1, -8.0, 0.0)
        ) AS products (order_item_id, order_id, product_id, product_qty, product_net_revenue,
                       coupon_amount)
        """,
    )
    shop.put("wc_product_meta_lookup", "SELECT 900 AS product_id, 'BEAN' AS sku")
    shop.load()
    assert shop.query(
        "SELECT line_id, sku, quantity, unit_price, discount_amount, refunded_quantity "
        "FROM raw.order_lines ORDER BY line_id"
    ) == [
        ("101", "BEAN", 3, 9, 3, 1),
        ("102", "BEAN", 1, 8, 0, None),
        ("103", None, 1, 0, 0, None),
    ]


def test_a_shop_without_coupons_has_no_discount_records(shop: Connector):
    assert not shop.load()["order_discounts"].present
