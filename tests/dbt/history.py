"""A small shop as the objects its rows stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
AS_OF = date(2026, 11, 21)


def local_day(at: datetime) -> date:
    return at.astimezone(ZONE).date()


def cents(amount: str) -> int:
    return int(Decimal(amount) * 100)


class Place(NamedTuple):
    country: str | None = None
    region: str | None = None
    city: str | None = None
    postal_code: str | None = None


NOWHERE = Place()


class Identifiers(NamedTuple):
    customer_id: str | None
    email: str | None
    phone: str | None


@dataclass(frozen=True)
class Seen:
    """One row that shows identifiers together: an account, an order or a started checkout."""

    source: str
    row_id: str
    at: datetime | None
    customer_id: str | None
    email: str | None
    phone: str | None

    @cached_property
    def day(self) -> date | None:
        return local_day(self.at) if self.at else None


@dataclass(frozen=True)
class Account(Seen):
    last_name: str | None = None
    place: Place = NOWHERE
    email_consent: str | None = None
    email_consent_at: datetime | None = None
    sms_consent: str | None = None
    sms_consent_at: datetime | None = None
    tags: str = ""


@dataclass(frozen=True)
class Checkout(Seen):
    updated_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True)
class Line:
    """An item of an order; money in cents."""

    sku: str
    category: str
    vendor: str
    quantity: int
    unit_price: int
    discount: int = 0
    is_gift_card: bool = False
    refunded_quantity: int = 0

    @property
    def kept(self) -> int:
        return self.quantity - self.refunded_quantity


@dataclass(frozen=True)
class Order(Seen):
    """An order; money in cents."""

    gross: int = 5000
    discount: int = 0
    shipping: int = 0
    tax: int = 0
    refunded: int = 0
    refunded_at: datetime | None = None
    says_gross: bool = True
    cancelled: bool = False
    test: bool = False
    renewal: bool = False
    status: str = "paid"
    tags: str = ""
    discounts: tuple[tuple[str, str, int], ...] = ()
    lines: tuple[Line, ...] = ()
    ship: Place = NOWHERE
    token: str | None = None
    client_ip: str | None = None
    user_agent: str | None = None

    @property
    def total(self) -> int:
        return self.gross - self.discount + self.shipping + self.tax

    @property
    def net(self) -> int:
        return self.gross - self.discount - self.refunded

    @property
    def is_returned_whole(self) -> bool:
        return self.total > 0 and self.refunded >= self.total

    @cached_property
    def codes(self) -> set[str]:
        return {code.strip().upper() for _, code, _ in self.discounts if code.strip()}

    def has_kind(self, kinds: tuple[str, ...]) -> bool:
        return any(kind in kinds for kind, _, _ in self.discounts)


@dataclass(frozen=True)
class Campaign:
    campaign_id: str
    code_pattern: str | None
    starts_on: date
    ends_on: date

    @cached_property
    def segment(self) -> str:
        letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in self.campaign_id)
        return f"campaign_{letters.lower()}"


@dataclass(frozen=True)
class Send:
    campaign_id: str
    at: datetime
    customer_id: str | None
    email: str | None
    code: str | None


@dataclass(frozen=True)
class Referral:
    referrer: str
    referred: str
    at: datetime | None


@dataclass(frozen=True)
class Membership:
    """A row of the loyalty programme."""

    customer_id: str
    status: str
    joined_at: datetime | None
    left_at: datetime | None


@dataclass(frozen=True)
class Shop:
    """Rows in the order in which they were made up; nothing is filtered by the as-of date."""

    accounts: list[Account]
    orders: list[Order]
    checkouts: list[Checkout]
    campaigns: list[Campaign] = field(default_factory=list)
    sends: list[Send] = field(default_factory=list)
    referrals: list[Referral] = field(default_factory=list)
    loyalty: list[Membership] = field(default_factory=list)
    costs: dict[str, int] = field(default_factory=dict)

    @property
    def seen(self) -> list[Seen]:
        return [*self.accounts, *self.orders, *self.checkouts]
