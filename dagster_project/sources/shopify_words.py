"""Shopify's own words in SQL, the same whichever connector brought them."""

from __future__ import annotations


def money(column: str) -> str:
    """SQL: a text as an amount, NULL when it is none."""
    return f"TRY_CAST({column} AS DECIMAL(18,4))"


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


def discount_target(target_type: str) -> str:
    """SQL: what a discount was taken off."""
    return f"CASE WHEN lower({target_type}) LIKE 'shipping%' THEN 'shipping' ELSE 'line_item' END"
