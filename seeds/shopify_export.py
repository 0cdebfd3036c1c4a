"""Writes the sample shop as Shopify's admin would export it, the same bytes every time.

Run it as `python seeds/shopify_export.py [--raw seeds/raw] [--out seeds/shopify]`. It reads the
canonical files of the sample shop, so both tell of the same shop: what the export leaves out is the
only difference. Two orders exports overlap in May and June 2026, and the first was written before
the refunds of July.
"""

import argparse
import csv
import sys
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
FIRST_EXPORT_ENDS = "2026-07-01"
SECOND_EXPORT_BEGINS = "2026-05-01"
# One order in so many has a note, of two lines.
_WITH_NOTE = 40

ORDER_COLUMNS = (
    *("Name", "Email", "Financial Status", "Paid at", "Fulfillment Status", "Fulfilled at"),
    *("Accepts Marketing", "Currency", "Subtotal", "Shipping", "Taxes", "Total", "Discount Code"),
    *("Discount Amount", "Shipping Method", "Created at", "Lineitem quantity", "Lineitem name"),
    *("Lineitem price", "Lineitem compare at price", "Lineitem sku", "Lineitem requires shipping"),
    *("Lineitem taxable", "Lineitem fulfillment status", "Billing Name", "Billing Street"),
    *("Billing Address1", "Billing Address2", "Billing Company", "Billing City", "Billing Zip"),
    *("Billing Province", "Billing Country", "Billing Phone", "Shipping Name", "Shipping Street"),
    *("Shipping Address1", "Shipping Address2", "Shipping Company", "Shipping City"),
    *("Shipping Zip", "Shipping Province", "Shipping Country", "Shipping Phone", "Notes"),
    *("Note Attributes", "Cancelled at", "Payment Method", "Payment Reference"),
    *("Refunded Amount", "Vendor", "Outstanding Balance", "Employee", "Location", "Device ID"),
    *("Id", "Tags", "Risk Level", "Source", "Lineitem discount", "Tax 1 Name", "Tax 1 Value"),
    *("Tax 2 Name", "Tax 2 Value", "Tax 3 Name", "Tax 3 Value", "Tax 4 Name", "Tax 4 Value"),
    *("Tax 5 Name", "Tax 5 Value", "Phone", "Receipt Number", "Duties", "Billing Province Name"),
    *("Shipping Province Name", "Payment ID", "Payment Terms Name", "Next Payment Due At"),
    "Payment References",
)
CUSTOMER_COLUMNS = (
    *("Customer ID", "First Name", "Last Name", "Email", "Accepts Email Marketing"),
    *("Default Address Company", "Default Address Address1", "Default Address Address2"),
    *("Default Address City", "Default Address Province Code", "Default Address Country Code"),
    *("Default Address Zip", "Default Address Phone", "Phone", "Accepts SMS Marketing"),
    *("Total Spent", "Total Orders", "Note", "Tax Exempt", "Tags"),
)
COMPANIONS = ("suppressions", "erasure_requests")
"""Canonical tables without which people would be written to who must not be."""

_NEVER_PLACED = ("draft", "voided")

Row = dict[str, str]


def _read(folder: Path, table: str) -> list[Row]:
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _by_order(rows: list[Row]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["order_id"]].append(row)
    return grouped


def _local(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=ZONE) if moment.tzinfo is None else moment.astimezone(ZONE)


def _stamp(text: str) -> str:
    return _local(text).strftime("%Y-%m-%d %H:%M:%S %z") if text else ""


def _amount(text: str) -> Decimal:
    return Decimal(text or "0")


def _sum(rows: list[Row], column: str = "amount") -> Decimal:
    return sum((_amount(row[column]) for row in rows), Decimal("0.00"))


class Shop:
    """The canonical rows, and the export's rows made of them."""

    def __init__(self, raw: Path) -> None:
        seen: dict[str, Row] = {row["order_id"]: row for row in _read(raw, "orders")}
        self.orders = sorted(
            seen.values(), key=lambda row: (_local(row["ordered_at"]), row["order_id"])
        )
        self.lines = _by_order(_read(raw, "order_lines"))
        self.discounts = _by_order(_read(raw, "order_discounts"))
        self.refunds = _by_order(_read(raw, "refunds"))
        self.customers = _read(raw, "customers")

    def refunded(self, order: Row, before: str) -> Decimal:
        """What had gone back before a day."""
        known = self.refunds[order["order_id"]]
        dated = _sum([r for r in known if str(_local(r["refunded_at"]).date()) < before])
        return dated if known else _amount(order["refunded_amount"])

    def order_rows(self, number: int, order: Row, before: str) -> list[Row]:
        """The rows of one order, as an export made before that day has them."""
        refunded = self.refunded(order, before)
        status = order["financial_status"]
        if status in {"refunded", "partially_refunded"} and not refunded:
            status = "paid"
        discounts = [d for d in self.discounts[order["order_id"]] if d["kind"] != "gift_card"]
        rows = [
            {
                "Name": f"#{1000 + number}",
                "Email": order["email"],
                "Created at": _stamp(order["ordered_at"]),
                "Lineitem quantity": line["quantity"],
                "Lineitem name": line["title"],
                "Lineitem price": line["unit_price"],
                "Lineitem sku": line["sku"],
                "Lineitem requires shipping": "false" if line["is_gift_card"] == "true" else "true",
                "Lineitem taxable": "true",
                "Lineitem fulfillment status": "fulfilled",
                "Lineitem discount": "0.00",
                "Vendor": line["vendor"],
            }
            for line in self.lines[order["order_id"]]
        ] or [
            {
                "Name": f"#{1000 + number}",
                "Email": order["email"],
                "Created at": _stamp(order["ordered_at"]),
            }
        ]
        rows[0] |= {
            "Financial Status": status,
            "Paid at": _stamp(order["ordered_at"]) if status != "pending" else "",
            "Fulfillment Status": "fulfilled",
            "Currency": order["currency"],
            "Subtotal": str(_amount(order["gross_amount"]) - _amount(order["discount_amount"])),
            "Shipping": order["shipping_amount"],
            "Taxes": order["tax_amount"],
            "Total": order["total_amount"],
            "Discount Code": ", ".join(_codes(discounts)),
            "Discount Amount": str(_sum(discounts)),
            "Shipping City": order["ship_city"],
            "Shipping Zip": f"'{order['ship_postal_code']}" if order["ship_postal_code"] else "",
            "Shipping Province": order["ship_region"],
            "Shipping Country": order["ship_country"],
            "Notes": "Leave it with the neighbours,\nplease" if number % _WITH_NOTE == 0 else "",
            "Cancelled at": _stamp(order["cancelled_at"]),
            "Payment Method": (
                "(for testing) Bogus Gateway" if order["is_test"] == "true" else "Shopify Payments"
            ),
            "Refunded Amount": str(refunded),
            "Outstanding Balance": "0.00",
            "Id": order["order_id"],
            "Tags": order["tags"],
            "Source": order["source_name"],
            "Phone": order["phone"],
        }
        return rows

    def customer_row(self, customer: Row, bought: list[Row]) -> Row:
        """One row of the customers export; what was called off or never placed is not counted."""
        kept = [
            order
            for order in bought
            if not order["cancelled_at"]
            and order["is_test"] != "true"
            and order["financial_status"] not in _NEVER_PLACED
        ]
        return {
            "Customer ID": f"'{customer['customer_id']}",
            "First Name": customer["first_name"],
            "Last Name": customer["last_name"],
            "Email": customer["email"],
            "Accepts Email Marketing": _yes(customer["email_consent"]),
            "Default Address City": customer["city"],
            "Default Address Province Code": customer["region"],
            "Default Address Country Code": customer["country"],
            "Default Address Zip": f"'{customer['postal_code']}" if customer["postal_code"] else "",
            "Phone": customer["phone"],
            "Accepts SMS Marketing": _yes(customer["sms_consent"]),
            "Total Spent": str(_sum(kept, "total_amount")),
            "Total Orders": str(len(kept)),
            "Tags": customer["tags"],
        }


def _codes(discounts: list[Row]) -> list[str]:
    """The texts of the one cell: codes as entered, and what the admin writes for a manual one."""
    entered = [d["code"] for d in discounts if d["kind"] == "code" and d["code"]]
    manual = ["Custom discount"] if any(d["kind"] == "manual" for d in discounts) else []
    return entered + manual


def _yes(consent: str) -> str:
    return "yes" if consent == "subscribed" else "no"


def _write(path: Path, columns: tuple[str, ...], rows: list[Row]) -> int:
    # The admin writes a byte order mark for spreadsheets.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def write(raw: Path, out: Path) -> dict[str, int]:
    """Write the exports and their companions; returns the number of rows by file."""
    shop = Shop(raw)
    out.mkdir(parents=True, exist_ok=True)
    numbered = list(enumerate(shop.orders, start=1))
    bought: dict[str, list[Row]] = defaultdict(list)
    for order in shop.orders:
        bought[order["customer_id"]].append(order)
    day = {order["order_id"]: str(_local(order["ordered_at"]).date()) for order in shop.orders}
    first = [(n, o) for n, o in numbered if day[o["order_id"]] < FIRST_EXPORT_ENDS]
    second = [(n, o) for n, o in numbered if day[o["order_id"]] >= SECOND_EXPORT_BEGINS]
    written = {
        "orders_export_1.csv": _write(
            out / "orders_export_1.csv",
            ORDER_COLUMNS,
            [row for n, o in first for row in shop.order_rows(n, o, FIRST_EXPORT_ENDS)],
        ),
        "orders_export_2.csv": _write(
            out / "orders_export_2.csv",
            ORDER_COLUMNS,
            [row for n, o in second for row in shop.order_rows(n, o, "9999-12-31")],
        ),
        "customers_export.csv": _write(
            out / "customers_export.csv",
            CUSTOMER_COLUMNS,
            [shop.customer_row(c, bought[c["customer_id"]]) for c in shop.customers],
        ),
    }
    for table in COMPANIONS:
        (out / f"{table}.csv").write_bytes((raw / f"{table}.csv").read_bytes())
    return written


def main(arguments: list[str] | None = None) -> int:
    """Write the files; returns the exit code."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Writes the sample shop as Shopify's exports.")
    parser.add_argument("--raw", type=Path, default=here / "raw", metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=here / "shopify", metavar="FOLDER")
    options = parser.parse_args(arguments)
    for name, rows in write(options.raw, options.out).items():
        sys.stdout.write(f"{name:22}{rows:>7,}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
