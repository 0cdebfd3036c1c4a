"""Results of Shopify's bulk operations: of the sample shop, or of a few objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

_MONEY = "{{'shopMoney': {{'amount': {0}::VARCHAR, 'currencyCode': 'USD'}}}}"

# Global ids end in the sample's ids. Discount applications have no id; a child is a line of its own
# anywhere in the file.
_ORDERS = f"""
  WITH refunded AS (
    SELECT order_id, list({{'id': 'gid://shopify/Refund/' || refund_id,
      'createdAt': strftime(timezone('UTC', refunded_at), '%Y-%m-%dT%H:%M:%SZ'),
      'totalRefundedSet': {_MONEY.format("amount")}}}) AS refunds
    FROM source.raw.refunds GROUP BY order_id
  ),
  listed AS (
    SELECT order_id, list(lower(code)) AS codes
    FROM source.raw.order_discounts WHERE kind = 'code' GROUP BY order_id
  )
  SELECT {{'id': 'gid://shopify/Order/' || order_id,
    'createdAt': strftime(timezone('UTC', ordered_at), '%Y-%m-%dT%H:%M:%SZ'), 'processedAt': NULL,
    'updatedAt': strftime(timezone('UTC', coalesce(updated_at, ordered_at)), '%Y-%m-%dT%H:%M:%SZ'),
    'cancelledAt': strftime(timezone('UTC', cancelled_at), '%Y-%m-%dT%H:%M:%SZ'),
    'test': is_test, 'email': email, 'phone': phone,
    'displayFinancialStatus': upper(financial_status), 'sourceName': source_name,
    'currencyCode': currency, 'clientIp': client_ip,
    'customer': CASE WHEN customer_id IS NOT NULL
      THEN {{'id': 'gid://shopify/Customer/' || customer_id}} END,
    'tags': coalesce(string_split(tags, ', '), []), 'discountCodes': coalesce(codes, []),
    'totalPriceSet': {{'shopMoney': {{'amount': total_amount::VARCHAR, 'currencyCode': currency}}}},
    'subtotalPriceSet': {_MONEY.format("(gross_amount - discount_amount)")},
    'totalDiscountsSet': {_MONEY.format("discount_amount")},
    'totalShippingPriceSet': {_MONEY.format("shipping_amount")},
    'totalTaxSet': {_MONEY.format("tax_amount")},
    'shippingAddress': {{'countryCodeV2': ship_country, 'provinceCode': ship_region,
      'city': ship_city, 'zip': ship_postal_code}},
    'refunds': coalesce(refunds, [])}} AS node
  FROM source.raw.orders
  LEFT JOIN refunded USING (order_id)
  LEFT JOIN listed USING (order_id)
"""

_ALLOCATION = f"""{{'allocatedAmountSet': {_MONEY.format("discounts.amount")},
  'discountApplication': {{'index': discount_index}}}}"""

_LINES = f"""
  WITH allocations AS (
    SELECT discounts.order_id, min(lines.line_id) AS line_id, discount_index,
      any_value({_ALLOCATION}) AS allocation
    FROM source.raw.order_discounts AS discounts
    JOIN source.raw.order_lines AS lines USING (order_id)
    WHERE discounts.target = 'line_item'
    GROUP BY ALL
  ),
  of_lines AS (
    SELECT order_id, line_id, list(allocation) AS allocations FROM allocations GROUP BY ALL
  )
  SELECT {{'id': 'gid://shopify/LineItem/' || order_id || '-' || line_id, 'sku': sku,
    'name': title, 'vendor': vendor, 'quantity': quantity::BIGINT,
    'currentQuantity': (quantity - coalesce(refunded_quantity, 0))::BIGINT,
    'isGiftCard': is_gift_card, 'product': {{'id': 'gid://shopify/Product/' || product_id}},
    'originalUnitPriceSet': {_MONEY.format("unit_price")},
    'discountAllocations': coalesce(allocations, []),
    '__parentId': 'gid://shopify/Order/' || order_id}} AS node
  FROM source.raw.order_lines
  LEFT JOIN of_lines USING (order_id, line_id)
"""

_SHIPPING = f"""
  SELECT {{'id': 'gid://shopify/ShippingLine/' || order_id,
    'discountAllocations': list({_ALLOCATION}),
    '__parentId': 'gid://shopify/Order/' || order_id}} AS node
  FROM source.raw.order_discounts AS discounts WHERE target = 'shipping' GROUP BY order_id
"""

_APPLICATIONS = """
  SELECT {'__typename': CASE kind WHEN 'code' THEN 'DiscountCodeApplication'
      WHEN 'automatic' THEN 'AutomaticDiscountApplication'
      WHEN 'manual' THEN 'ManualDiscountApplication'
      WHEN 'script' THEN 'ScriptDiscountApplication' ELSE 'AppDiscountApplication' END,
    'index': discount_index, 'allocationMethod': 'ACROSS', 'targetSelection': 'ALL',
    'targetType': CASE target WHEN 'shipping' THEN 'SHIPPING_LINE' ELSE 'LINE_ITEM' END,
    'code': code, 'title': title, '__parentId': 'gid://shopify/Order/' || order_id} AS node
  FROM source.raw.order_discounts
"""

_CUSTOMERS = """
  SELECT {'id': 'gid://shopify/Customer/' || customer_id, 'firstName': first_name,
    'lastName': last_name, 'updatedAt': '2026-11-20T00:00:00Z',
    'createdAt': strftime(timezone('UTC', created_at), '%Y-%m-%dT%H:%M:%SZ'),
    'defaultEmailAddress': CASE WHEN email IS NOT NULL THEN {'emailAddress': email,
      'marketingState': CASE email_consent WHEN 'never' THEN 'NOT_SUBSCRIBED'
        ELSE upper(email_consent) END,
      'marketingUpdatedAt': strftime(timezone('UTC', email_consent_at), '%Y-%m-%dT%H:%M:%SZ')} END,
    'defaultPhoneNumber': CASE WHEN phone IS NOT NULL THEN {'phoneNumber': phone} END,
    'tags': coalesce(string_split(tags, ', '), [])} AS node
  FROM source.raw.customers
"""


def write_results(raw: Path, folder: Path) -> None:
    """Write the sample shop, from a warehouse's raw schema, as the results of two operations."""
    folder.mkdir()
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"ATTACH '{raw}' AS source (READ_ONLY)")
        for name, queries in {
            "orders-1": (_ORDERS, _LINES, _SHIPPING, _APPLICATIONS),
            "customers-1": (_CUSTOMERS,),
        }.items():
            lines = " UNION ALL ".join(f"SELECT to_json(node)::VARCHAR FROM ({q})" for q in queries)
            found = con.execute(f"FROM ({lines}) AS t (line) ORDER BY hash(line)").fetchall()
            text = "".join(f"{line}\n" for (line,) in found)
            (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def order(number: int, updated: str = "2026-11-01T00:00:00Z", **fields: Any) -> dict[str, Any]:
    """An order of 10.00 in a result."""
    return {
        "id": f"gid://shopify/Order/{number}",
        "createdAt": "2026-10-01T12:00:00Z",
        "updatedAt": updated,
        "email": f"person{number}@example.com",
        "totalPriceSet": money("10.00"),
        **fields,
    }


def line(order_number: int, number: int, *shares: tuple[str, int], **fields: Any) -> dict[str, Any]:
    """A line of an order; `shares` are amounts of the discounts with these indexes."""
    return {
        "id": f"gid://shopify/LineItem/{number}",
        "sku": f"sku-{number}",
        "quantity": 1,
        "currentQuantity": 1,
        "originalUnitPriceSet": money("10.00"),
        "discountAllocations": [
            {"allocatedAmountSet": money(amount), "discountApplication": {"index": index}}
            for amount, index in shares
        ],
        "__parentId": f"gid://shopify/Order/{order_number}",
        **fields,
    }


def application(order_number: int, index: int, typename: str, **fields: Any) -> dict[str, Any]:
    """A discount application of an order, which has no id."""
    return {
        "__typename": typename,
        "index": index,
        "allocationMethod": "ACROSS",
        "targetType": "LINE_ITEM",
        "__parentId": f"gid://shopify/Order/{order_number}",
        **fields,
    }


def listed(*numbers: int) -> list[dict[str, Any]]:
    """A list of all orders."""
    return [
        {"id": f"gid://shopify/Order/{number}", "updatedAt": "2026-11-02T00:00:00Z"}
        for number in numbers
    ]


def money(amount: str, currency: str = "USD") -> dict[str, Any]:
    """An amount in the shop's currency."""
    return {"shopMoney": {"amount": amount, "currencyCode": currency}}


def write(file: Path, *nodes: dict[str, Any]) -> None:
    """Write a result."""
    file.write_text("".join(json.dumps(node) + "\n" for node in nodes), encoding="utf-8")
