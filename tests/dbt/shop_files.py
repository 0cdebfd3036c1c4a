"""A small shop as files of the canonical format."""

from __future__ import annotations

import csv
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from tests.dbt.history import Account, Checkout, Order, Shop


def write(shop: Shop, folder: Path) -> None:
    """Write the canonical CSV files."""
    folder.mkdir()
    tables: dict[str, list[dict[str, object]]] = {
        "customers": [_account_row(account) for account in shop.accounts],
        "orders": [_order_row(order) for order in shop.orders],
        "order_discounts": _discount_rows(shop.orders),
        "order_lines": _line_rows(shop.orders),
        "refunds": _refund_rows(shop.orders),
        "checkouts": [_checkout_row(checkout) for checkout in shop.checkouts],
        "campaigns": [
            {
                "campaign_id": c.campaign_id,
                "code_pattern": c.code_pattern,
                "starts_on": c.starts_on,
                "ends_on": c.ends_on,
            }
            for c in shop.campaigns
        ],
        "campaign_sends": [
            {
                "campaign_id": s.campaign_id,
                "sent_at": _text(s.at),
                "customer_id": s.customer_id,
                "email": s.email,
                "code": s.code,
            }
            for s in shop.sends
        ],
        "referrals": [
            {
                "referrer_customer_id": r.referrer,
                "referred_customer_id": r.referred,
                "referred_at": _text(r.at),
            }
            for r in shop.referrals
        ],
        "loyalty_members": [
            {
                "customer_id": m.customer_id,
                "status": m.status,
                "joined_at": _text(m.joined_at),
                "left_at": _text(m.left_at),
            }
            for m in shop.loyalty
        ],
        "costs": [{"sku": sku, "unit_cost": _money(c)} for sku, c in shop.costs.items()],
    }
    for table, rows in tables.items():
        _write(folder / f"{table}.csv", rows)


def _order_row(order: Order) -> dict[str, object]:
    return {
        "order_id": order.row_id,
        "ordered_at": _text(order.at),
        "total_amount": _money(order.total),
        "customer_id": order.customer_id,
        "email": _spelled(order.email, order.row_id),
        "phone": order.phone,
        "cancelled_at": "2026-11-01T00:00:00Z" if order.cancelled else "",
        "financial_status": order.status,
        "is_test": str(order.test).lower(),
        "source_name": "subscription_contract" if order.renewal else "web",
        "gross_amount": _money(order.gross) if order.says_gross else "",
        "discount_amount": _money(order.discount),
        "shipping_amount": _money(order.shipping),
        "tax_amount": _money(order.tax),
        # Half of the refunds are told by the order, half by a refund with a date.
        "refunded_amount": "" if order.refunded_at else _money(order.refunded),
        "ship_country": order.ship.country,
        "ship_region": order.ship.region,
        "ship_city": order.ship.city,
        "ship_postal_code": order.ship.postal_code,
        "tags": order.tags,
        "checkout_token": order.token,
        "client_ip": order.client_ip,
        "user_agent": order.user_agent,
    }


def _account_row(account: Account) -> dict[str, object]:
    return {
        "customer_id": account.customer_id,
        "email": account.email,
        "phone": account.phone,
        "first_name": "Ada" if account.last_name else "",
        "last_name": account.last_name,
        "created_at": _text(account.at),
        "country": account.place.country,
        "region": account.place.region,
        "city": account.place.city,
        "postal_code": account.place.postal_code,
        "email_consent": account.email_consent,
        "email_consent_at": _text(account.email_consent_at),
        "sms_consent": account.sms_consent,
        "sms_consent_at": _text(account.sms_consent_at),
        "tags": account.tags,
    }


def _checkout_row(checkout: Checkout) -> dict[str, object]:
    return {
        "checkout_token": checkout.row_id,
        "created_at": _text(checkout.at),
        "updated_at": _text(checkout.updated_at),
        "completed_at": _text(checkout.completed_at),
        "customer_id": checkout.customer_id,
        "email": checkout.email,
        "phone": checkout.phone,
    }


def _discount_rows(orders: list[Order]) -> list[dict[str, object]]:
    return [
        {
            "order_id": o.row_id,
            "kind": kind,
            "discount_index": index,
            "code": code,
            "amount": _money(amount),
        }
        for o in orders
        for index, (kind, code, amount) in enumerate(o.discounts)
    ]


def _line_rows(orders: list[Order]) -> list[dict[str, object]]:
    return [
        {
            "order_id": o.row_id,
            "line_id": number,
            "sku": line.sku,
            "category": line.category,
            "vendor": line.vendor,
            "quantity": line.quantity,
            "unit_price": _money(line.unit_price),
            "discount_amount": _money(line.discount),
            "is_gift_card": str(line.is_gift_card).lower(),
            "refunded_quantity": line.refunded_quantity,
        }
        for o in orders
        for number, line in enumerate(o.lines)
    ]


def _refund_rows(orders: list[Order]) -> list[dict[str, object]]:
    return [
        {
            "refund_id": f"r-{o.row_id}",
            "order_id": o.row_id,
            "refunded_at": _text(o.refunded_at),
            "amount": _money(o.refunded),
        }
        for o in orders
        if o.refunded_at
    ]


def _text(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _money(amount: int) -> str:
    return f"{Decimal(amount) / 100:.2f}"


def _spelled(email: str | None, row_id: str) -> str | None:
    return f" {email.upper()} " if email and row_id.endswith("1") else email


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
