"""From the lines of a bulk operation's result, sorted by what they are, to the canonical tables.

The lines are in the temporary tables of `sources.shopify_bulk_lines`: `b_orders`, `b_line_items`,
`b_shipping_lines`, `b_applications` and `b_customers`, with the fields of `FIELDS` as columns.
"""

from __future__ import annotations

from dagster_project.sources.native import Mapped, filled_from
from dagster_project.sources.shopify_words import consent, discount_target, money, named_by

_MONEY = {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}}
_ALLOCATIONS = [{"allocatedAmountSet": _MONEY, "discountApplication": {"index": "INTEGER"}}]
_ADDRESS = dict.fromkeys(("countryCodeV2", "provinceCode", "city", "zip"), "VARCHAR")
_REACHED = {"marketingState": "VARCHAR", "marketingUpdatedAt": "VARCHAR"}

FIELDS: dict[str, dict[str, object]] = {
    "orders": {
        **dict.fromkeys(
            (
                *("id", "createdAt", "processedAt", "updatedAt", "cancelledAt", "test", "email"),
                *("phone", "displayFinancialStatus", "sourceName", "currencyCode", "clientIp"),
            ),
            "VARCHAR",
        ),
        "customer": {"id": "VARCHAR"},
        "tags": ["VARCHAR"],
        "discountCodes": ["VARCHAR"],
        "totalPriceSet": _MONEY,
        "subtotalPriceSet": _MONEY,
        "totalDiscountsSet": _MONEY,
        "totalShippingPriceSet": _MONEY,
        "totalTaxSet": _MONEY,
        "totalRefundedSet": _MONEY,
        "shippingAddress": _ADDRESS,
        "refunds": [{"id": "VARCHAR", "createdAt": "VARCHAR", "totalRefundedSet": _MONEY}],
    },
    "line_items": {
        **dict.fromkeys(("id", "sku", "name", "title", "vendor", "isGiftCard"), "VARCHAR"),
        "quantity": "BIGINT",
        "currentQuantity": "BIGINT",
        "product": {"id": "VARCHAR"},
        "originalUnitPriceSet": _MONEY,
        "discountAllocations": _ALLOCATIONS,
    },
    "shipping_lines": {"id": "VARCHAR", "discountAllocations": _ALLOCATIONS},
    "applications": {
        **dict.fromkeys(("__typename", "targetType", "code", "title", "description"), "VARCHAR"),
        "index": "INTEGER",
    },
    "customers": {
        **dict.fromkeys(
            (
                *("id", "email", "phone", "firstName", "lastName", "createdAt", "updatedAt"),
                "numberOfOrders",
            ),
            "VARCHAR",
        ),
        "defaultEmailAddress": {"emailAddress": "VARCHAR", **_REACHED},
        "defaultPhoneNumber": {"phoneNumber": "VARCHAR", **_REACHED},
        "emailMarketingConsent": {"marketingState": "VARCHAR", "consentUpdatedAt": "VARCHAR"},
        "smsMarketingConsent": {"marketingState": "VARCHAR", "consentUpdatedAt": "VARCHAR"},
        "amountSpent": {"amount": "VARCHAR"},
        "defaultAddress": _ADDRESS,
        "tags": ["VARCHAR"],
    },
}
"""What is read of a line of each kind: field to type, nested as in the result."""


def number(gid: str) -> str:
    """SQL: the number at the end of a global id, which is the id of Shopify's other interfaces."""
    return f"regexp_extract({gid}, '[^/]+$')"


def _shop(column: str) -> str:
    return f"{column}.shopMoney.amount"


_ALLOCATED = "list_sum(list_transform(discountAllocations, lambda a: {}))".format(
    money("a.allocatedAmountSet.shopMoney.amount")
)

_ORDERS = f"""(
  SELECT
    orders.*,
    -- What came off the goods; the order's own total may hold shipping too.
    coalesce(goods.discount, {money(_shop("totalDiscountsSet"))}) AS goods_discount
  FROM b_orders AS orders
  LEFT JOIN (
    SELECT file_no, parent, sum(coalesce({_ALLOCATED}, 0)) AS discount
    FROM b_line_items GROUP BY ALL
  ) AS goods ON goods.file_no = orders.file_no AND goods.parent = orders.id
)"""

# A code that no application names is kept; the money is with the applications.
_DISCOUNTS = f"""(
  WITH allocations AS (
    SELECT file_no, parent, unnest(discountAllocations) AS allocation FROM b_line_items
    UNION ALL
    SELECT file_no, parent, unnest(discountAllocations) FROM b_shipping_lines
  ),
  allocated AS (
    SELECT
      file_no,
      parent,
      allocation.discountApplication.index AS index,
      sum({money("allocation.allocatedAmountSet.shopMoney.amount")}) AS amount
    FROM allocations GROUP BY ALL
  ),
  applied AS (
    SELECT
      applications.file_no,
      source_line,
      parent,
      CASE
        WHEN __typename = 'DiscountCodeApplication' OR code IS NOT NULL THEN 'code'
        WHEN __typename = 'AutomaticDiscountApplication' THEN 'automatic'
        WHEN __typename = 'ManualDiscountApplication' OR description IS NOT NULL THEN 'manual'
        WHEN __typename = 'ScriptDiscountApplication' THEN 'script'
        ELSE 'app'
      END AS kind,
      index AS discount_index,
      code,
      coalesce(title, description) AS title,
      {discount_target("targetType")} AS target,
      amount
    FROM b_applications AS applications
    LEFT JOIN allocated USING (file_no, parent, index)
  ),
  listed AS (
    SELECT
      file_no,
      source_line,
      id AS parent,
      unnest(discountCodes) AS code,
      generate_subscripts(discountCodes, 1) AS position
    FROM b_orders
  )
  SELECT * FROM applied
  UNION ALL BY NAME
  SELECT
    file_no, source_line, parent, 'code' AS kind, 999 + position AS discount_index, code,
    code AS title, 'line_item' AS target
  FROM listed
  WHERE NOT EXISTS (
    SELECT 1 FROM applied
    WHERE applied.file_no = listed.file_no AND applied.parent = listed.parent
      AND {named_by("applied", "listed")}
  )
)"""

_REFUNDS = """(
  SELECT file_no, source_line, id AS parent, unnest(refunds) AS refund FROM b_orders
)"""


def _order(sql: str, *fields: str) -> tuple[str, ...]:
    return (sql, *(f"orders.{field}" for field in fields))


_DISCOUNTED = ("applications.index", "orders.discountCodes")

MAPPED: dict[str, Mapped] = {
    "orders": Mapped(
        ("orders",),
        _ORDERS,
        {
            "order_id": filled_from(*_order(number("id"), "id")),
            # An order that was imported keeps the time it was placed at in processedAt.
            "ordered_at": filled_from(
                *_order("coalesce(processedAt, createdAt)", "createdAt", "processedAt")
            ),
            "total_amount": filled_from(*_order(_shop("totalPriceSet"), "totalPriceSet")),
            "customer_id": filled_from(*_order(number("customer.id"), "customer")),
            "email": filled_from(*_order("email", "email")),
            "phone": filled_from(*_order("phone", "phone")),
            "updated_at": filled_from(*_order("updatedAt", "updatedAt")),
            "cancelled_at": filled_from(*_order("cancelledAt", "cancelledAt")),
            "financial_status": filled_from(
                *_order("lower(displayFinancialStatus)", "displayFinancialStatus")
            ),
            "is_test": filled_from(*_order("test", "test")),
            "source_name": filled_from(*_order("sourceName", "sourceName")),
            # The currency of the amounts that are read, which are the shop's.
            "currency": filled_from(
                *_order(
                    "coalesce(totalPriceSet.shopMoney.currencyCode, currencyCode)",
                    *("totalPriceSet", "currencyCode"),
                )
            ),
            "gross_amount": filled_from(
                *_order(
                    f"({money(_shop('subtotalPriceSet'))} + goods_discount)::VARCHAR",
                    "subtotalPriceSet",
                )
            ),
            "discount_amount": filled_from(
                "goods_discount::VARCHAR",
                *("orders.totalDiscountsSet", "line_items.discountAllocations"),
            ),
            "shipping_amount": filled_from(
                *_order(_shop("totalShippingPriceSet"), "totalShippingPriceSet")
            ),
            "tax_amount": filled_from(*_order(_shop("totalTaxSet"), "totalTaxSet")),
            "refunded_amount": filled_from(*_order(_shop("totalRefundedSet"), "totalRefundedSet")),
            "ship_country": filled_from(
                *_order("shippingAddress.countryCodeV2", "shippingAddress")
            ),
            "ship_region": filled_from(*_order("shippingAddress.provinceCode", "shippingAddress")),
            "ship_city": filled_from(*_order("shippingAddress.city", "shippingAddress")),
            "ship_postal_code": filled_from(*_order("shippingAddress.zip", "shippingAddress")),
            "tags": filled_from(*_order("array_to_string(tags, ', ')", "tags")),
            "client_ip": filled_from(*_order("clientIp", "clientIp")),
        },
    ),
    "order_discounts": Mapped(
        _DISCOUNTED,
        _DISCOUNTS,
        {
            "order_id": filled_from(number("parent"), *_DISCOUNTED),
            "kind": filled_from("kind", *_DISCOUNTED),
            "discount_index": filled_from("discount_index::VARCHAR", *_DISCOUNTED),
            "code": filled_from("code", *_DISCOUNTED),
            "title": filled_from("title", *_DISCOUNTED),
            "target": filled_from("target", *_DISCOUNTED),
            "amount": filled_from("amount::VARCHAR", "line_items.discountAllocations"),
        },
    ),
    "order_lines": Mapped(
        ("line_items.id",),
        "b_line_items",
        {
            "order_id": filled_from(number("parent"), "line_items.id"),
            "line_id": filled_from(number("id"), "line_items.id"),
            "sku": filled_from("sku", "line_items.sku"),
            "product_id": filled_from(number("product.id"), "line_items.product"),
            "title": filled_from("coalesce(title, name)", "line_items.title", "line_items.name"),
            "vendor": filled_from("vendor", "line_items.vendor"),
            "quantity": filled_from("quantity::VARCHAR", "line_items.quantity"),
            "unit_price": filled_from(
                _shop("originalUnitPriceSet"), "line_items.originalUnitPriceSet"
            ),
            "discount_amount": filled_from(
                f"coalesce({_ALLOCATED}, 0)::VARCHAR", "line_items.discountAllocations"
            ),
            "is_gift_card": filled_from("isGiftCard", "line_items.isGiftCard"),
            # Taken back, or out of the order before it left.
            "refunded_quantity": filled_from(
                "(quantity - currentQuantity)::VARCHAR", "line_items.currentQuantity"
            ),
        },
    ),
    "refunds": Mapped(
        ("orders.refunds",),
        _REFUNDS,
        {
            "refund_id": filled_from(number("refund.id"), "orders.refunds"),
            "order_id": filled_from(number("parent"), "orders.refunds"),
            "refunded_at": filled_from("refund.createdAt", "orders.refunds"),
            "amount": filled_from(_shop("refund.totalRefundedSet"), "orders.refunds"),
        },
    ),
    "customers": Mapped(
        ("customers.id",),
        "b_customers",
        {
            "customer_id": filled_from(number("id"), "customers.id"),
            "email": filled_from(
                "coalesce(defaultEmailAddress.emailAddress, email)",
                *("customers.defaultEmailAddress", "customers.email"),
            ),
            "phone": filled_from(
                "coalesce(defaultPhoneNumber.phoneNumber, phone)",
                *("customers.defaultPhoneNumber", "customers.phone"),
            ),
            "first_name": filled_from("firstName", "customers.firstName"),
            "last_name": filled_from("lastName", "customers.lastName"),
            "created_at": filled_from("createdAt", "customers.createdAt"),
            "updated_at": filled_from("updatedAt", "customers.updatedAt"),
            "country": filled_from("defaultAddress.countryCodeV2", "customers.defaultAddress"),
            "region": filled_from("defaultAddress.provinceCode", "customers.defaultAddress"),
            "city": filled_from("defaultAddress.city", "customers.defaultAddress"),
            "postal_code": filled_from("defaultAddress.zip", "customers.defaultAddress"),
            "email_consent": filled_from(
                consent(
                    "coalesce(defaultEmailAddress.marketingState, "
                    "emailMarketingConsent.marketingState)"
                ),
                *("customers.defaultEmailAddress", "customers.emailMarketingConsent"),
            ),
            "email_consent_at": filled_from(
                "coalesce(defaultEmailAddress.marketingUpdatedAt, "
                "emailMarketingConsent.consentUpdatedAt)",
                *("customers.defaultEmailAddress", "customers.emailMarketingConsent"),
            ),
            "sms_consent": filled_from(
                consent(
                    "coalesce(defaultPhoneNumber.marketingState, "
                    "smsMarketingConsent.marketingState)"
                ),
                *("customers.defaultPhoneNumber", "customers.smsMarketingConsent"),
            ),
            "sms_consent_at": filled_from(
                "coalesce(defaultPhoneNumber.marketingUpdatedAt, "
                "smsMarketingConsent.consentUpdatedAt)",
                *("customers.defaultPhoneNumber", "customers.smsMarketingConsent"),
            ),
            "tags": filled_from("array_to_string(tags, ', ')", "customers.tags"),
            "reported_orders": filled_from("numberOfOrders", "customers.numberOfOrders"),
            "reported_spent": filled_from("amountSpent.amount", "customers.amountSpent"),
        },
    ),
}
"""The canonical tables and their columns; the source has a column when the query asked for it."""
