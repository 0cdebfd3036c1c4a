"""From the rows of Shopify's exports to the canonical tables, set-based.

The rows are in `shopify_orders_rows` and `shopify_customers_rows` (file_no, source_line, our names
of the columns, all text). `STATEMENTS` prepare, `DERIVED` says what each canonical table is of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dagster_project.sources.shopify_csv_columns import CUSTOMERS, ORDERS, Export

# More lines than a file has.
_FAR = 1_000_000_000_000

_AMOUNT = "TRY_CAST({0} AS DECIMAL(18,4))"


@dataclass(frozen=True, slots=True)
class Derived:
    """A canonical table: its columns as SQL over a relation with file_no and source_line.

    `malformed` is the table of lines that are no rows, reported with this canonical table. Without
    the column of the export in `needs` the exports do not have the table.
    """

    columns: dict[str, str]
    relation: str
    malformed: str | None = None
    needs: str | None = None

    def of(self, found: set[str], export: Export) -> dict[str, str]:
        """The columns that exports with the `found` columns can fill.

        A column made of columns of the export needs one of them; others are worked out.
        """
        read = {
            name: export.columns.keys() & re.findall(r"\w+", sql)
            for name, sql in self.columns.items()
        }
        return {
            name: sql
            for name, sql in self.columns.items()
            if not read[name] or not read[name].isdisjoint(found)
        }


def _plain(column: str) -> str:
    """SQL: a text without the apostrophe that keeps a spreadsheet from taking it for a number."""
    return f"ltrim({column}, '''')"


STATEMENTS = (
    # How far into the present each file reaches. Files without `Id` are old; there the total is
    # what only the first row of an order has.
    """
    CREATE OR REPLACE TEMP TABLE shopify_orders_files AS
    SELECT
      file_no,
      row_number() OVER (ORDER BY max(left(created_at, 19)) NULLS FIRST, file_no) AS reach,
      bool_or(id IS NOT NULL) AS has_id
    FROM shopify_orders_rows
    GROUP BY file_no
    """,
    f"""
    CREATE OR REPLACE TEMP TABLE shopify_orders_heads AS
    SELECT
      file_no,
      source_line,
      name,
      coalesce({_plain("id")}, name) AS order_id,
      reach * {_FAR} + source_line AS position
    FROM shopify_orders_rows
    JOIN shopify_orders_files USING (file_no)
    WHERE CASE WHEN has_id THEN id ELSE total END IS NOT NULL
    """,
    # Names are reused by imports, and a file may hold an order twice. Only then the rows between
    # two first rows have to be told apart by their order in the file.
    """
    CREATE OR REPLACE TEMP TABLE shopify_orders_members AS
    WITH once AS (
      SELECT file_no, name, any_value(source_line) AS head_line
      FROM shopify_orders_heads
      GROUP BY file_no, name
      HAVING count(*) = 1
    ),
    other AS (
      SELECT rows.file_no, rows.name, rows.source_line, heads.source_line AS own_head
      FROM shopify_orders_rows AS rows
      ANTI JOIN once ON once.file_no = rows.file_no AND once.name = rows.name
      LEFT JOIN shopify_orders_heads AS heads
        ON heads.file_no = rows.file_no AND heads.source_line = rows.source_line
    ),
    several AS (
      SELECT
        file_no,
        source_line,
        max(own_head) OVER (PARTITION BY file_no, name ORDER BY source_line) AS head_line
      FROM other
    )
    SELECT rows.file_no, rows.source_line, once.head_line
    FROM shopify_orders_rows AS rows
    JOIN once ON once.file_no = rows.file_no AND once.name = rows.name
    UNION ALL
    SELECT file_no, source_line, head_line FROM several
    """,
    """
    INSERT INTO shopify_orders_malformed
    SELECT file_no, source_line, 'the first row of its order is missing', to_json(rows)::VARCHAR
    FROM shopify_orders_members AS members
    JOIN shopify_orders_rows AS rows USING (file_no, source_line)
    WHERE head_line IS NULL
    """,
    # An order that is in several files, or twice in one: the last one holds.
    """
    CREATE OR REPLACE TEMP TABLE shopify_orders_chosen AS
    SELECT file_no, source_line AS head_line, order_id
    FROM shopify_orders_heads
    SEMI JOIN (
      SELECT max(position) AS position FROM shopify_orders_heads GROUP BY order_id
    ) AS last USING (position)
    """,
    """
    CREATE OR REPLACE TEMP TABLE shopify_lines AS
    SELECT
      file_no,
      source_line,
      head_line,
      order_id,
      lineitem_quantity,
      lineitem_name,
      lineitem_price,
      lineitem_sku,
      lineitem_requires_shipping,
      lineitem_discount,
      vendor
    FROM shopify_orders_members
    JOIN shopify_orders_chosen USING (file_no, head_line)
    JOIN shopify_orders_rows USING (file_no, source_line)
    WHERE lineitem_name IS NOT NULL OR lineitem_quantity IS NOT NULL
    """,
    # The subtotal is after discounts. A discount that took nothing off the goods was on shipping.
    f"""
    CREATE OR REPLACE TEMP TABLE shopify_orders AS
    WITH goods AS (
      SELECT
        file_no,
        head_line,
        sum({_AMOUNT.format("lineitem_quantity")} * {_AMOUNT.format("lineitem_price")}) AS amount,
        sum(coalesce({_AMOUNT.format("lineitem_discount")}, 0)) AS discount
      FROM shopify_lines
      GROUP BY file_no, head_line
    ),
    amounts AS (
      SELECT
        rows.*,
        chosen.order_id,
        {_AMOUNT.format("rows.subtotal")} AS net,
        coalesce({_AMOUNT.format("rows.discount_amount")}, 0) AS given,
        coalesce(goods.discount, 0) AS of_lines,
        greatest(goods.amount - {_AMOUNT.format("rows.subtotal")}, 0) AS taken_off
      FROM shopify_orders_chosen AS chosen
      JOIN shopify_orders_rows AS rows
        ON rows.file_no = chosen.file_no AND rows.source_line = chosen.head_line
      LEFT JOIN goods ON goods.file_no = chosen.file_no AND goods.head_line = chosen.head_line
    )
    SELECT
      *,
      CASE WHEN taken_off IS NULL THEN given ELSE least(taken_off, given + of_lines) END
        AS goods_discount,
      list_filter(
        list_transform(string_split(discount_code, ','), lambda code: trim(code)),
        lambda code: code <> ''
      ) AS codes
    FROM amounts
    """,
    """
    CREATE OR REPLACE TEMP TABLE shopify_discounts AS
    WITH entered AS (
      SELECT
        file_no, source_line, order_id, goods_discount, given, discount_amount,
        unnest(codes) AS code,
        unnest(range(len(codes))) AS discount_index
      FROM shopify_orders
      WHERE len(codes) > 0
    )
    SELECT
      file_no,
      source_line,
      order_id,
      CASE WHEN lower(code) = 'custom discount' THEN 'manual' ELSE 'code' END AS kind,
      discount_index,
      CASE WHEN lower(code) <> 'custom discount' THEN code END AS code,
      code AS title,
      CASE WHEN given > 0 AND goods_discount = 0 THEN 'shipping' ELSE 'line_item' END AS target,
      -- One amount for all codes: it is told once.
      CASE WHEN discount_index = 0 THEN discount_amount END AS amount
    FROM entered
    UNION ALL
    SELECT
      file_no,
      source_line,
      order_id,
      CASE WHEN lower(source) = 'shopify_draft_order' THEN 'manual' ELSE 'automatic' END,
      0,
      NULL,
      NULL,
      CASE WHEN goods_discount = 0 THEN 'shipping' ELSE 'line_item' END,
      greatest(given, goods_discount)::VARCHAR
    FROM shopify_orders
    WHERE coalesce(len(codes), 0) = 0 AND (given > 0 OR of_lines > 0)
    """,
    # No date says which of several files knows a customer best: the last by name.
    f"""
    CREATE OR REPLACE TEMP TABLE shopify_customers AS
    SELECT rows.*
    FROM shopify_customers_rows AS rows
    SEMI JOIN (
      SELECT max(file_no) AS file_no, {_plain("customer_id")} AS customer_id
      FROM shopify_customers_rows GROUP BY ALL
    ) AS last ON last.file_no = rows.file_no AND last.customer_id = {_plain("rows.customer_id")}
    """,
)


def _yes(column: str) -> str:
    return (
        f"CASE lower({column}) WHEN 'yes' THEN 'subscribed' WHEN 'no' THEN 'never' "
        f"ELSE {column} END"
    )


DERIVED: dict[str, Derived] = {
    "orders": Derived(
        {
            "order_id": "order_id",
            "ordered_at": "created_at",
            "total_amount": "total",
            "email": "email",
            "phone": f"coalesce({_plain('phone')}, {_plain('billing_phone')})",
            "cancelled_at": "cancelled_at",
            "financial_status": "financial_status",
            # There is no such column; the gateway for tests names itself.
            "is_test": "CASE WHEN payment_method ILIKE '%bogus%' THEN 'true' ELSE 'false' END",
            "source_name": "source",
            "currency": "currency",
            "gross_amount": "coalesce((net + goods_discount)::VARCHAR, subtotal)",
            "discount_amount": "goods_discount::VARCHAR",
            "shipping_amount": "shipping",
            "tax_amount": "taxes",
            "refunded_amount": "refunded_amount",
            "ship_country": "ship_country",
            "ship_region": "ship_province",
            "ship_city": "ship_city",
            "ship_postal_code": _plain("ship_zip"),
            "tags": "tags",
        },
        "shopify_orders",
        malformed="shopify_orders_malformed",
    ),
    "order_discounts": Derived(
        {
            "order_id": "order_id",
            "kind": "kind",
            "discount_index": "discount_index::VARCHAR",
            "code": "code",
            "title": "title",
            "target": "target",
            "amount": "amount",
        },
        "shopify_discounts",
        needs="discount_code",
    ),
    "order_lines": Derived(
        {
            "order_id": "order_id",
            "line_id": "(source_line - head_line + 1)::VARCHAR",
            "sku": _plain("lineitem_sku"),
            "title": "lineitem_name",
            "vendor": "vendor",
            "quantity": "lineitem_quantity",
            "unit_price": "lineitem_price",
            "discount_amount": "lineitem_discount",
            # There is no such column either: what is called so and is not shipped.
            "is_gift_card": "CASE WHEN lineitem_name ILIKE '%gift card%' "
            "AND lower(lineitem_requires_shipping) = 'false' THEN 'true' ELSE 'false' END",
        },
        "shopify_lines",
    ),
    "customers": Derived(
        {
            "customer_id": _plain("customer_id"),
            "email": "email",
            "phone": f"coalesce({_plain('phone')}, {_plain('address_phone')})",
            "first_name": "first_name",
            "last_name": "last_name",
            "country": "country_code",
            "region": "province_code",
            "city": "city",
            "postal_code": _plain("zip"),
            "email_consent": _yes("email_marketing"),
            "sms_consent": _yes("sms_marketing"),
            "tags": "tags",
            "reported_orders": "total_orders",
            "reported_spent": "total_spent",
        },
        "shopify_customers",
        malformed="shopify_customers_malformed",
    ),
}

NATIVE_TABLES: dict[str, Export] = {
    "orders": ORDERS,
    "order_discounts": ORDERS,
    "order_lines": ORDERS,
    "customers": CUSTOMERS,
}
"""The canonical tables the exports hold, and which export holds each."""
