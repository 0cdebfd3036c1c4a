"""Shopify's own words in SQL, the same whichever connector brought them."""

from __future__ import annotations


def money(column: str) -> str:
    """SQL: a text as an amount, NULL when it is none."""
    return f"TRY_CAST({column} AS DECIMAL(18,4))"


GOODS_DISCOUNT = f"""coalesce(
  greatest({money("total_line_items_price")} - {money("subtotal_price")}, 0),
  {money("total_discounts")}
)"""
"""SQL: what came off the goods of a REST order, whose total_discounts may hold shipping."""

GROSS_AMOUNT = (
    f"coalesce(total_line_items_price, ({money('subtotal_price')} + goods_discount)::VARCHAR)"
)
"""SQL: the goods of a REST order before discounts, over its `goods_discount`."""

REFUNDED = """CASE
  WHEN NOT paid.is_foreign THEN paid.amount
  -- What else is known of a refund that was paid in another currency may be nothing.
  WHEN coalesce(of_lines.amount, adjusted.amount) IS NOT NULL OR paid.is_foreign IS NULL
    THEN coalesce(of_lines.amount, 0) - coalesce(adjusted.amount, 0)
END"""
"""SQL: what a REST refund gave back.

That is what was `paid` (amount, is_foreign); without transactions what its lines (`of_lines`) and
adjustments (`adjusted`) add up to.
"""


def consent(state: str) -> str:
    """SQL: our word for a state of consent; a redacted or invalid one says nothing."""
    return f"""CASE lower({state})
      WHEN 'subscribed' THEN 'subscribed'
      WHEN 'unsubscribed' THEN 'unsubscribed'
      WHEN 'pending' THEN 'pending'
      WHEN 'not_subscribed' THEN 'never'
    END"""


def accepts(flag: str) -> str:
    """SQL: our word for a plain yes or no to marketing."""
    return f"CASE lower({flag}) WHEN 'true' THEN 'subscribed' WHEN 'false' THEN 'never' END"


def discount_kind(kind: str, code: str) -> str:
    """SQL: our word for the type of a discount application."""
    return f"""CASE
      WHEN lower({kind}) = 'discount_code' OR {code} IS NOT NULL THEN 'code'
      WHEN lower({kind}) IN ('automatic', 'manual', 'script') THEN lower({kind})
      ELSE 'app'
    END"""


def named_by(application: str, listed: str) -> str:
    """SQL: whether `application` is of the `listed` code; Shopify heeds no case in a code."""
    return f"upper(trim({application}.code)) = upper(trim({listed}.code))"


def discount_target(target_type: str) -> str:
    """SQL: what a discount was taken off."""
    return f"CASE WHEN lower({target_type}) LIKE 'shipping%' THEN 'shipping' ELSE 'line_item' END"
