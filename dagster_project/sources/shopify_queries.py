"""What is asked of Shopify's Admin API.

Five connections and two levels of them are what a bulk query may have, and none inside a list: so
the lines of a refund are not asked for, only its money, and what went back of a line is the
difference of its quantities.
"""

from __future__ import annotations

API_VERSION = "2026-10"
"""Apps may run several bulk queries at once, and ask for one by its id, since 2026-01."""

_MONEY = "{ shopMoney { amount currencyCode } }"
_ALLOCATIONS = f"""discountAllocations {{
  allocatedAmountSet {_MONEY} discountApplication {{ index }}
}}"""
_ADDRESS = "{ countryCodeV2 provinceCode city zip }"

_ORDERS = f"""
  id createdAt processedAt updatedAt cancelledAt test email phone displayFinancialStatus sourceName
  currencyCode clientIp tags discountCodes customer {{ id }}
  totalPriceSet {_MONEY} subtotalPriceSet {_MONEY} totalDiscountsSet {_MONEY}
  totalShippingPriceSet {_MONEY} totalTaxSet {_MONEY} totalRefundedSet {_MONEY}
  shippingAddress {_ADDRESS}
  refunds {{ id createdAt totalRefundedSet {_MONEY} }}
  lineItems {{ edges {{ node {{
    id sku name vendor quantity currentQuantity isGiftCard product {{ id }}
    originalUnitPriceSet {_MONEY} {_ALLOCATIONS}
  }} }} }}
  shippingLines {{ edges {{ node {{ id {_ALLOCATIONS} }} }} }}
  discountApplications {{ edges {{ node {{
    __typename index allocationMethod targetSelection targetType
    ... on DiscountCodeApplication {{ code }}
    ... on AutomaticDiscountApplication {{ title }}
    ... on ManualDiscountApplication {{ title description }}
    ... on ScriptDiscountApplication {{ title }}
  }} }} }}
"""

_CUSTOMERS = f"""
  id createdAt updatedAt firstName lastName tags numberOfOrders amountSpent {{ amount }}
  defaultEmailAddress {{ emailAddress marketingState marketingUpdatedAt }}
  defaultPhoneNumber {{ phoneNumber marketingState marketingUpdatedAt }}
  defaultAddress {_ADDRESS}
"""

_FIELDS = {"orders": _ORDERS, "customers": _CUSTOMERS}

ALL_ORDERS = "{ orders { edges { node { id updatedAt } } } }"
"""A bulk query for the list of all orders; what it does not name was deleted."""

START = """mutation start($query: String!) {
  bulkOperationRunQuery(query: $query) {
    bulkOperation { id status query createdAt }
    userErrors { code message }
  }
}"""
"""Starts a bulk query."""

POLL = """query poll($id: ID!) {
  bulkOperation(id: $id) { id status errorCode createdAt objectCount fileSize url }
}"""
"""How far an operation is, and where its result lies for seven days."""

SCOPES = "query scopes { currentAppInstallation { accessScopes { handle } } }"
"""What the app's token may read."""


def changed_since(kind: str, since: str | None) -> str:
    """The bulk query for `orders` or `customers` that changed at `since` (ISO 8601, UTC) or later.

    None asks for all there are.
    """
    search = f"(query: \"updated_at:>='{since}'\")" if since is not None else ""
    return f"{{ {kind}{search} {{ edges {{ node {{ {_FIELDS[kind]} }} }} }} }}"
