"""The columns of Shopify's two exports that are read, by the names they go under."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from dagster_project.sources.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Export:
    """One kind of export.

    `name` begins the names of its temporary tables, `title` is what people export. A file is one
    when its header has all of `marks`. `columns` are our names with the headers each goes under,
    compared trimmed, without case and with blanks for hyphens; without those in `required` nothing
    can be told.
    """

    name: str
    title: str
    marks: tuple[str, ...]
    required: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]


ORDERS = Export(
    name="shopify_orders",
    title="orders",
    marks=("Name", "Lineitem quantity"),
    required=("name", "email", "created_at", "total", "lineitem_quantity", "lineitem_price"),
    columns={
        "name": ("name",),
        "id": ("id",),
        "email": ("email",),
        "phone": ("phone",),
        "billing_phone": ("billing phone",),
        "financial_status": ("financial status",),
        "currency": ("currency",),
        "subtotal": ("subtotal",),
        "shipping": ("shipping",),
        "taxes": ("taxes",),
        "total": ("total",),
        "discount_code": ("discount code",),
        "discount_amount": ("discount amount",),
        "created_at": ("created at",),
        "cancelled_at": ("cancelled at", "canceled at"),
        "payment_method": ("payment method",),
        "refunded_amount": ("refunded amount",),
        "source": ("source",),
        "tags": ("tags",),
        "ship_city": ("shipping city",),
        "ship_zip": ("shipping zip",),
        "ship_province": ("shipping province",),
        "ship_country": ("shipping country",),
        "lineitem_quantity": ("lineitem quantity",),
        "lineitem_name": ("lineitem name",),
        "lineitem_price": ("lineitem price",),
        "lineitem_sku": ("lineitem sku",),
        "lineitem_requires_shipping": ("lineitem requires shipping",),
        "lineitem_discount": ("lineitem discount",),
        "vendor": ("vendor",),
    },
)

CUSTOMERS = Export(
    name="shopify_customers",
    title="customers",
    marks=("Customer ID", "Total Orders"),
    required=("customer_id", "email"),
    columns={
        "customer_id": ("customer id",),
        "first_name": ("first name",),
        "last_name": ("last name",),
        "email": ("email",),
        "email_marketing": ("accepts email marketing", "accepts marketing"),
        "sms_marketing": ("accepts sms marketing",),
        "phone": ("phone",),
        "address_phone": ("default address phone",),
        "city": ("default address city", "city"),
        "province_code": ("default address province code", "province code"),
        "country_code": ("default address country code", "country code"),
        "zip": ("default address zip", "zip"),
        "total_spent": ("total spent",),
        "total_orders": ("total orders",),
        "tags": ("tags",),
    },
)


def export_of(names: Sequence[str]) -> Export | None:
    """Which export a file with this header is; None when it is something else."""
    header = {_plain(name) for name in names}
    for export in (ORDERS, CUSTOMERS):
        if header.issuperset(map(_plain, export.marks)):
            return export
    return None


def columns_of(export: Export, names: Sequence[str], shown: str) -> list[str | None]:
    """Our name for every column of a file, None for those that are not read.

    Raises:
        LoadError: a required column is missing or a column is there twice.
    """
    ours = {header: column for column, headers in export.columns.items() for header in headers}
    found = [ours.get(_plain(name)) for name in names]
    missing = [column for column in export.required if column not in found]
    if missing:
        wanted = ", ".join(_told(export.columns[column][0], names) for column in missing)
        message = (
            f"{shown} lacks columns of Shopify's {export.title} export: {wanted}; "
            "export again and leave the header as it is"
        )
        raise LoadError(message)
    twice = {column for column in found if column is not None and found.count(column) > 1}
    if twice:
        message = f"{shown} has two columns for {', '.join(sorted(twice))}; keep one of each"
        raise LoadError(message)
    return found


def _told(header: str, names: Sequence[str]) -> str:
    near = get_close_matches(header, [_plain(name) for name in names], n=1, cutoff=0.8)
    return f"{header} (nearest header: {near[0]})" if near else header


def _plain(name: str) -> str:
    return " ".join(name.replace("-", " ").replace("\ufeff", "").lower().split())
