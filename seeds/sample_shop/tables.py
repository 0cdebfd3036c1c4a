"""The canonical tables as lists of rows, and how they become CSV files."""

import csv
from pathlib import Path

COLUMNS: dict[str, tuple[str, ...]] = {
    "orders": (
        *("order_id", "ordered_at", "total_amount", "customer_id", "email", "phone", "updated_at"),
        *("cancelled_at", "financial_status", "is_test", "source_name", "currency"),
        *("gross_amount", "discount_amount", "shipping_amount", "tax_amount", "refunded_amount"),
        *("ship_country", "ship_region", "ship_city", "ship_postal_code", "tags"),
        *("checkout_token", "client_ip", "user_agent"),
    ),
    "order_discounts": ("order_id", "kind", "discount_index", "code", "title", "target", "amount"),
    "order_lines": (
        *("order_id", "line_id", "sku", "product_id", "title", "category", "vendor", "quantity"),
        *("unit_price", "discount_amount", "is_gift_card", "refunded_quantity"),
    ),
    "refunds": ("refund_id", "order_id", "refunded_at", "amount"),
    "customers": (
        *("customer_id", "email", "phone", "first_name", "last_name", "created_at", "country"),
        *("region", "city", "postal_code", "email_consent", "email_consent_at", "sms_consent"),
        *("sms_consent_at", "tags"),
    ),
    "checkouts": (
        *("checkout_token", "created_at", "updated_at", "completed_at", "customer_id", "email"),
        *("phone", "total_amount"),
    ),
    "campaigns": ("campaign_id", "name", "code_pattern", "starts_on", "ends_on"),
    "campaign_sends": ("campaign_id", "sent_at", "customer_id", "email", "code"),
    "referrals": ("referrer_customer_id", "referred_customer_id", "referred_at"),
    "loyalty_members": ("customer_id", "status", "tier", "points", "joined_at", "left_at"),
    "costs": ("sku", "unit_cost"),
    "suppressions": ("email", "phone", "channel", "reason", "since"),
    "erasure_requests": ("customer_id", "email", "phone", "requested_at"),
}


def money(cents: int) -> str:
    """An amount as decimal text with two places."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


class Tables:
    """Rows collected by table, written in the order they were added."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, str]]] = {table: [] for table in COLUMNS}

    def add(self, table: str, **cells: object) -> None:
        """Add a row; cells left out or `None` stay empty.

        Raises:
            KeyError: The table has no such column.
        """
        unknown = cells.keys() - set(COLUMNS[table])
        if unknown:
            message = f"{table} has no {', '.join(sorted(unknown))}"
            raise KeyError(message)
        self.rows[table].append({name: _text(cells.get(name)) for name in COLUMNS[table]})

    def write(self, folder: Path) -> dict[str, int]:
        """Write one CSV a table (UTF-8, header, LF) and return the number of rows by table."""
        folder.mkdir(parents=True, exist_ok=True)
        for table, columns in COLUMNS.items():
            with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, columns, lineterminator="\n")
                writer.writeheader()
                writer.writerows(self.rows[table])
        return {table: len(rows) for table, rows in self.rows.items()}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
