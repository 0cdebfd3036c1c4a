"""What becomes of the streams of Airbyte's Shopify connector."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.connectors import Connector


@pytest.fixture
def connector(tmp_path: Path) -> Connector:
    return Connector(tmp_path, "airbyte_shopify")


def orders(refunds: list[dict[str, Any]]) -> str:
    """One order of 37 dollars that was paid in euros, with these refunds."""
    return (
        "SELECT '1' AS id, '2026-01-05T04:30:00-05:00' AS created_at, 37.0 AS total_price, "
        "'USD' AS currency, 'EUR' AS presentment_currency, "
        f"'{json.dumps(refunds)}' AS refunds"
    )


def refund(number: int, paid: tuple[str, str] | None, **more: Any) -> dict[str, Any]:
    transactions = []
    if paid:
        amount, currency = paid
        transactions = [
            {"kind": "refund", "status": "success", "amount": amount, "currency": currency}
        ]
    return {
        "id": number,
        "created_at": "2026-02-01T00:00:00Z",
        "transactions": transactions,
        "refund_line_items": [],
        "order_adjustments": [],
    } | more


def test_trap_14_amounts_are_the_shops_whatever_was_paid_with(connector: Connector):
    lines = [{"line_item_id": 11, "quantity": 1, "subtotal": 9.0, "total_tax": 0.5}]
    adjustments = [{"amount": "-2.25", "tax_amount": "0.00"}]
    connector.put(
        "orders",
        orders(
            [
                refund(7, ("8.00", "EUR"), refund_line_items=lines),
                refund(8, ("4.00", "USD"), refund_line_items=lines),
                refund(9, ("3.00", "EUR")),
                refund(10, ("2.00", "EUR"), order_adjustments=adjustments),
                refund(11, None, refund_line_items=lines, order_adjustments=adjustments),
            ]
        ),
    )
    # One whose amount nobody knows is rejected rather than taken for nothing.
    results = connector.load(rejected=1.0)
    assert connector.query("SELECT currency, total_amount FROM raw.orders") == [("USD", 37)]
    assert connector.query("SELECT refund_id, amount FROM raw.refunds ORDER BY amount") == [
        ("10", Decimal("2.25")),
        ("8", 4),
        ("7", Decimal("9.5")),
        ("11", Decimal("11.75")),
    ]
    assert results["refunds"].reasons == {"amount is missing": 1}
