"""The canonical input tables: their columns, types, keys and allowed words.

This module is the only place that names them. The loader turns it into SQL, so a new column is one
line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What a column holds."""

    TEXT = auto()
    WORD = auto()
    CURRENCY = auto()
    INSTANT = auto()
    DAY = auto()
    MONEY = auto()
    RATE = auto()
    QUANTITY = auto()
    POINTS = auto()
    INTEGER = auto()
    FLAG = auto()

    @property
    def sql_type(self) -> str:
        """The DuckDB type of such a column in schema `raw`."""
        return _SQL_TYPES[self]


_SQL_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.WORD: "VARCHAR",
    Kind.CURRENCY: "VARCHAR",
    Kind.INSTANT: "TIMESTAMP WITH TIME ZONE",
    Kind.DAY: "DATE",
    Kind.MONEY: "DECIMAL(18,4)",
    # A small unit of one currency may be worth a hundred-thousandth of another.
    Kind.RATE: "DECIMAL(18,10)",
    Kind.QUANTITY: "DECIMAL(18,3)",
    Kind.POINTS: "DECIMAL(18,2)",
    Kind.INTEGER: "INTEGER",
    Kind.FLAG: "BOOLEAN",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One canonical column.

    `words` are the allowed values of a WORD column; it is stored trimmed and in lower case, because
    `Subscribed` and `subscribed` are one consent and every rule downstream compares exactly. A
    CURRENCY is three letters, stored in upper case; a RATE is above 0.
    """

    name: str
    kind: Kind = Kind.TEXT
    required: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One canonical table.

    `key` identifies a row; without a key only fully identical rows are repetitions of each other.
    `key_needs` names the column that must be filled for the key to apply at all.

    `impersonal` names what stays of a row whose person was forgotten; every other column of it
    becomes empty, so that a new column is personal until somebody says otherwise. Without it a row
    is a list of identifiers, each of which is judged by itself.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    key_needs: str | None = None
    required: bool = False
    impersonal: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        """The column called `name`.

        Raises:
            KeyError: the table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


CONSENT_WORDS = ("subscribed", "unsubscribed", "pending", "never")


def _need(name: str, kind: Kind = Kind.TEXT, words: tuple[str, ...] = ()) -> Column:
    return Column(name, kind, required=True, words=words)


def _text(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


def _many(kind: Kind, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name in names)


TABLES: tuple[Table, ...] = (
    # Before the orders: these are loaded only when every currency they are in has its rate.
    Table(
        "exchange_rates",
        (
            _need("currency", Kind.CURRENCY),
            _need("rate", Kind.RATE),
            Column("valid_from", Kind.DAY),
        ),
        key=("currency", "valid_from"),
    ),
    Table(
        "orders",
        (
            _need("order_id"),
            _need("ordered_at", Kind.INSTANT),
            _need("total_amount", Kind.MONEY),
            *_text("customer_id", "email", "phone"),
            *_many(Kind.INSTANT, "updated_at", "cancelled_at"),
            Column("financial_status"),
            Column("is_test", Kind.FLAG),
            *_text("source_name", "currency"),
            *_many(
                Kind.MONEY,
                "gross_amount",
                "discount_amount",
                "shipping_amount",
                "tax_amount",
                "refunded_amount",
            ),
            *_text(
                "ship_country",
                "ship_region",
                "ship_city",
                "ship_postal_code",
                "tags",
                "checkout_token",
                "client_ip",
                "user_agent",
            ),
        ),
        key=("order_id",),
        required=True,
        # Tags decide whether an order is wholesale or a renewal, and so its number.
        impersonal=(
            "order_id",
            "ordered_at",
            "total_amount",
            "updated_at",
            "cancelled_at",
            "financial_status",
            "is_test",
            "source_name",
            "currency",
            "gross_amount",
            "discount_amount",
            "shipping_amount",
            "tax_amount",
            "refunded_amount",
            "ship_country",
            "ship_region",
            "tags",
        ),
    ),
    Table(
        "order_discounts",
        (
            _need("order_id"),
            _need("kind", Kind.WORD, ("code", "automatic", "manual", "script", "app")),
            Column("discount_index", Kind.INTEGER),
            *_text("code", "title"),
            Column("target", Kind.WORD, words=("line_item", "shipping")),
            Column("amount", Kind.MONEY),
        ),
        key=("order_id", "kind", "discount_index", "code"),
        key_needs="discount_index",
    ),
    Table(
        "order_lines",
        (
            _need("order_id"),
            _need("line_id"),
            *_text("sku", "product_id", "title", "category", "vendor"),
            Column("quantity", Kind.QUANTITY),
            *_many(Kind.MONEY, "unit_price", "discount_amount"),
            Column("is_gift_card", Kind.FLAG),
            Column("refunded_quantity", Kind.QUANTITY),
        ),
        key=("order_id", "line_id"),
    ),
    Table(
        "refunds",
        (
            _need("refund_id"),
            _need("order_id"),
            _need("refunded_at", Kind.INSTANT),
            _need("amount", Kind.MONEY),
        ),
        key=("refund_id",),
    ),
    Table(
        "customers",
        (
            _need("customer_id"),
            *_text("email", "phone", "first_name", "last_name"),
            *_many(Kind.INSTANT, "created_at", "updated_at"),
            *_text("country", "region", "city", "postal_code"),
            Column("email_consent", Kind.WORD, words=CONSENT_WORDS),
            Column("email_consent_at", Kind.INSTANT),
            Column("sms_consent", Kind.WORD, words=CONSENT_WORDS),
            Column("sms_consent_at", Kind.INSTANT),
            Column("tags"),
            # What the platform itself counts, to be compared with the orders that were loaded.
            Column("reported_orders", Kind.INTEGER),
            Column("reported_spent", Kind.MONEY),
        ),
        key=("customer_id",),
        impersonal=("created_at",),
    ),
    Table(
        "checkouts",
        (
            _need("checkout_token"),
            _need("created_at", Kind.INSTANT),
            *_many(Kind.INSTANT, "updated_at", "completed_at"),
            *_text("customer_id", "email", "phone"),
            Column("total_amount", Kind.MONEY),
        ),
        key=("checkout_token",),
        impersonal=("checkout_token", "created_at", "updated_at", "completed_at", "total_amount"),
    ),
    Table(
        "campaigns",
        (
            _need("campaign_id"),
            *_text("name", "code_pattern"),
            _need("starts_on", Kind.DAY),
            _need("ends_on", Kind.DAY),
        ),
        key=("campaign_id",),
    ),
    Table(
        "campaign_sends",
        (
            _need("campaign_id"),
            _need("sent_at", Kind.INSTANT),
            *_text("customer_id", "email", "code"),
        ),
        impersonal=("campaign_id", "sent_at"),
    ),
    Table(
        "referrals",
        (
            _need("referrer_customer_id"),
            _need("referred_customer_id"),
            Column("referred_at", Kind.INSTANT),
        ),
    ),
    Table(
        "loyalty_members",
        (
            _need("customer_id"),
            *_text("status", "tier"),
            Column("points", Kind.POINTS),
            *_many(Kind.INSTANT, "joined_at", "left_at"),
        ),
        key=("customer_id",),
        impersonal=("status", "tier", "points", "joined_at", "left_at"),
    ),
    Table("costs", (_need("sku"), _need("unit_cost", Kind.MONEY)), key=("sku",)),
    Table(
        "suppressions",
        (
            *_text("email", "phone"),
            Column("channel", Kind.WORD, words=("email", "sms", "ads", "all")),
            Column("reason"),
            Column("since", Kind.INSTANT),
        ),
    ),
    Table(
        "erasure_requests",
        (*_text("customer_id", "email", "phone"), _need("requested_at", Kind.INSTANT)),
    ),
)

IDENTIFIERS: dict[str, str] = {
    "email": "email",
    "customer_id": "customer_id",
    "referrer_customer_id": "customer_id",
    "referred_customer_id": "customer_id",
    "phone": "phone",
}
"""The columns that name a person and the type of identifier they hold, the strongest first."""

TABLE_NAMES: tuple[str, ...] = tuple(table.name for table in TABLES)


def table_named(name: str) -> Table:
    """The canonical table called `name`.

    Raises:
        KeyError: there is no such table.
    """
    for table in TABLES:
        if table.name == name:
            return table
    raise KeyError(name)
