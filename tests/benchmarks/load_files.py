"""Writes a made-up history as the files that merchants have."""

from __future__ import annotations

from pathlib import Path

import duckdb

from dagster_project.sources.sql import identifier, literal
from tests.benchmarks import raw_shop

_HEADER = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,"
    "Currency,Subtotal,Shipping,Taxes,Total,Discount Code,Discount Amount,Shipping Method,"
    "Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem compare at price,"
    "Lineitem sku,Lineitem requires shipping,Lineitem taxable,Lineitem fulfillment status,"
    "Billing Name,Billing Street,Billing Address1,Billing Address2,Billing Company,"
    "Billing City,Billing Zip,Billing Province,Billing Country,Billing Phone,Shipping Name,"
    "Shipping Street,Shipping Address1,Shipping Address2,Shipping Company,Shipping City,"
    "Shipping Zip,Shipping Province,Shipping Country,Shipping Phone,Notes,Note Attributes,"
    "Cancelled at,Payment Method,Payment Reference,Refunded Amount,Vendor,"
    "Outstanding Balance,Employee,Location,Device ID,Id,Tags,Risk Level,Source,"
    "Lineitem discount,Tax 1 Name,Tax 1 Value,Tax 2 Name,Tax 2 Value,Tax 3 Name,Tax 3 Value,"
    "Tax 4 Name,Tax 4 Value,Tax 5 Name,Tax 5 Value,Phone,Receipt Number,Duties,"
    "Billing Province Name,Shipping Province Name,Payment ID,Payment Terms Name,"
    "Next Payment Due At,Payment References"
)
_CREATED = "strftime(ordered_at, '%Y-%m-%d %H:%M:%S +0000')"
# On every row of an order. A name with a hash would be quoted by DuckDB, and is not by Shopify.
_EACH_ROW = {
    "Name": "'S' || order_id",
    "Email": "email",
    "Created at": _CREATED,
    "Lineitem quantity": "quantity::INTEGER",
    "Lineitem name": "title",
    "Lineitem price": "unit_price::DECIMAL(18,2)",
    "Lineitem sku": "sku",
    "Lineitem requires shipping": "'true'",
    "Lineitem taxable": "'true'",
    "Lineitem fulfillment status": "'fulfilled'",
    "Vendor": "vendor",
    "Lineitem discount": "'0.00'",
}
# On its first row only.
_FIRST_ROW = {
    "Financial Status": "financial_status",
    "Paid at": _CREATED,
    "Fulfillment Status": "'fulfilled'",
    "Accepts Marketing": "'no'",
    "Currency": "currency",
    "Subtotal": "(gross_amount - discount_amount)::DECIMAL(18,2)",
    "Shipping": "shipping_amount::DECIMAL(18,2)",
    "Taxes": "tax_amount::DECIMAL(18,2)",
    "Total": "total_amount::DECIMAL(18,2)",
    "Discount Code": "code",
    "Discount Amount": "discount_amount::DECIMAL(18,2)",
    "Shipping Method": "'Standard'",
    "Billing Name": "'Robin Example'",
    "Billing Street": "'1 Example Street'",
    "Billing City": "ship_city",
    "Billing Zip": "'''' || ship_postal_code",
    "Billing Country": "ship_country",
    "Shipping Name": "'Robin Example'",
    "Shipping Street": "'1 Example Street'",
    "Shipping City": "ship_city",
    "Shipping Zip": "'''' || ship_postal_code",
    "Shipping Province": "ship_region",
    "Shipping Country": "ship_country",
    "Notes": "CASE WHEN hash(order_id) % 50 = 0 THEN 'ring twice' || chr(10) || 'please' END",
    "Cancelled at": "strftime(cancelled_at, '%Y-%m-%d %H:%M:%S +0000')",
    "Payment Method": "'Shopify Payments'",
    "Refunded Amount": "coalesce(refunded_amount, 0)::DECIMAL(18,2)",
    "Id": "order_id",
    "Tags": "tags",
    "Risk Level": "'Low'",
    "Source": "source_name",
    "Phone": "phone",
}

_MONEY = "{{'shopMoney': {{'amount': ({0})::VARCHAR, 'currencyCode': 'USD'}}}}"


def _nodes(orders: int) -> str:
    """SQL: the lines of a result; half of the orders are new, half are old ones that changed."""
    return f"""
  WITH days_orders AS (
    SELECT * REPLACE (
      CASE WHEN nth % 2 = 0 THEN '9' || order_id ELSE order_id END AS order_id,
      TIMESTAMPTZ '2026-11-22 12:00:00+00' AS updated_at
    ), order_id AS old_id
    FROM (
      SELECT *, row_number() OVER (ORDER BY order_id) AS nth
      FROM (FROM history.raw.orders ORDER BY hash(order_id) LIMIT {orders})
    )
  )
  SELECT to_json({{
    'id': 'gid://shopify/Order/' || order_id,
    'createdAt': strftime(ordered_at, '%Y-%m-%dT%H:%M:%SZ'),
    'updatedAt': strftime(updated_at, '%Y-%m-%dT%H:%M:%SZ'),
    'email': email, 'displayFinancialStatus': 'PAID', 'test': false, 'tags': [],
    'totalPriceSet': {_MONEY.format("total_amount")},
    'subtotalPriceSet': {_MONEY.format("gross_amount - discount_amount")},
    'totalDiscountsSet': {_MONEY.format("discount_amount")}}})::VARCHAR AS line
  FROM days_orders
  UNION ALL
  SELECT to_json({{
    'id': 'gid://shopify/LineItem/' || days_orders.order_id || line_id, 'name': title, 'sku': sku,
    'quantity': quantity::INTEGER, 'originalUnitPriceSet': {_MONEY.format("unit_price")},
    'discountAllocations': [],
    '__parentId': 'gid://shopify/Order/' || days_orders.order_id}})::VARCHAR
  FROM days_orders JOIN history.raw.order_lines AS lines ON lines.order_id = old_id
  UNION ALL
  SELECT to_json({{'__typename': 'DiscountCodeApplication', 'index': discount_index,
    'targetType': 'LINE_ITEM', 'code': code,
    '__parentId': 'gid://shopify/Order/' || days_orders.order_id}})::VARCHAR
  FROM days_orders JOIN history.raw.order_discounts AS discounts ON discounts.order_id = old_id
"""


def write_parquet(history: Path, folder: Path, tables: tuple[str, ...]) -> list[Path]:
    """Write raw tables of a warehouse as canonical Parquet files."""
    folder.mkdir(parents=True)
    files = [folder / f"{name}.parquet" for name in tables]
    with _opened(history) as con:
        for name, file in zip(tables, files, strict=True):
            con.execute(f"COPY history.raw.{identifier(name)} TO {literal(str(file))}")
    return files


def write_export(history: Path, file: Path, orders: int) -> Path:
    """Write the newest orders as Shopify's orders export, one row a line item."""
    file.parent.mkdir(parents=True)
    columns = ", ".join(
        f"({_EACH_ROW.get(name) or _first_row(name)})::VARCHAR AS {identifier(name)}"
        for name in _HEADER.split(",")
    )
    with _opened(history) as con:
        con.execute(
            f"""
            COPY (
              SELECT {columns}
              FROM (
                SELECT orders.*, sku, title, vendor, quantity, unit_price, code,
                  row_number() OVER (PARTITION BY orders.order_id ORDER BY line_id) AS nth
                FROM (FROM history.raw.orders ORDER BY ordered_at DESC LIMIT {orders}) AS orders
                JOIN history.raw.order_lines AS lines USING (order_id)
                LEFT JOIN (
                  SELECT order_id, string_agg(code, ', ') AS code
                  FROM history.raw.order_discounts GROUP BY order_id
                ) AS discounts USING (order_id)
              )
              ORDER BY ordered_at DESC, order_id, nth
            ) TO {literal(str(file))} (HEADER)
            """
        )
    return file


def write_result(history: Path, file: Path, orders: int) -> None:
    """Write orders of a warehouse, every second under a new id, as a bulk operation's result."""
    with _opened(history) as con:
        con.execute(
            f"COPY ({_nodes(orders)}) TO {literal(str(file))} "
            "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')"
        )


def _first_row(name: str) -> str:
    value = _FIRST_ROW.get(name)
    return f"CASE WHEN nth = 1 THEN {value} END" if value is not None else "NULL"


def _opened(history: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for statement in raw_shop.SETTINGS:
        con.execute(statement)
    con.execute(f"ATTACH {literal(str(history))} AS history (READ_ONLY)")
    return con
