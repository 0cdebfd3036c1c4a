"""The variables of dbt_project.yml and the rows of seeds/reference, as the oracle reads them."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from typing import Any

from tests.dbt.history import Line, cents
from tests.sample_shop import ROOT

_REFERENCE = ROOT / "seeds" / "reference"


@dataclass(frozen=True)
class Rules:
    """The dbt variables that matter here, with their defaults; amounts in shop currency."""

    thresholds: str = "fixed"
    hvc_min_orders: int = 3
    hvc_min_spend: int | None = None
    active_days: int = 180
    lapse_days: int = 365
    churn_pct: float = 0.80
    lapse_pct: float = 0.95
    percentile_min_days: int = 30
    percentile_max_days: int = 730
    percentile_min_gaps: int = 200
    frequency_window: str = "lifetime"
    new_window_days: int = 7
    winback_window_days: int = 30
    hvc_event_quiet_days: int = 360
    order_grain: str = "order"
    refunded_orders: str = "exclude"
    recurring_orders: str = "count"
    discount_kinds: tuple[str, ...] = ("code",)
    campaign_grace_days: int = 0
    abandoned_cart_hours: int = 48
    abandoned_cart_days: int = 14
    abandoned_cart_offers: int | None = 1
    abandoned_cart_offers_count: str = "grants"
    abandoned_cart_family: str | None = None
    new_contact_days: int | None = 30
    week_start: str = "monday"
    loyalty_active_statuses: tuple[str, ...] = ("active",)
    loyalty_tags: tuple[str, ...] = ("loyalty", "loyalty member")
    advocate_min_referrals: int = 1
    spend_tier_basis: str = "average_order_value"
    gross_margin_pct: float | None = 0.5
    shipping_cost_per_order: float = 0
    payment_fee_pct: float = 0
    profit_threshold: int = 0
    reseller_min_repeat_spend: int = 4000
    abuse_weights: dict[str, int] = field(
        default_factory=lambda: {
            "repeated_code": 50,
            "shared_mailbox": 50,
            "shared_phone": 35,
            "shared_household": 25,
            "shared_device": 25,
            "shared_code": 20,
            "returns_after_code": 20,
            "mostly_codes": 15,
        }
    )
    abuse_threshold: int = 70
    abuse_window_days: int = 90
    abuse_code_share: float = 0.8
    abuse_min_orders: int = 3
    max_cluster: int = 20


def _table(name: str) -> list[dict[str, str]]:
    with (_REFERENCE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _is(cell: str) -> bool:
    return cell.strip().lower() == "true"


FAMILIES = {row["family"]: re.compile(row["pattern"]) for row in _table("code_families")}
ONCE_PER_CUSTOMER = {
    row["family"] for row in _table("code_families") if _is(row["once_per_customer"])
}
REFERRAL_FAMILIES = {row["family"] for row in _table("code_families") if _is(row["is_referral"])}
SPEND_TIERS = sorted((cents(row["starts_at"]), row["tier"]) for row in _table("spend_tiers"))
LADDER = sorted(
    (row["lifecycle_tier"], int(row["min_days"]), int(row["step"]))
    for row in _table("discount_ladder")
)
ORDER_COUNTS = _table("order_count_rules")
PLACES = _table("place_rules")
PRODUCT_RULES = _table("product_rules")
_SETS = _table("product_sets")


def families_of(code: str) -> set[str]:
    """The families a code belongs to; a pattern has to match the whole code."""
    return {family for family, pattern in FAMILIES.items() if pattern.fullmatch(code)}


def once_families_of(code: str) -> set[str]:
    """The families of the code of which everybody may use one code, once."""
    return families_of(code) & ONCE_PER_CUSTOMER


def in_set(line: Line, name: str) -> bool:
    """Whether the line is of the product set."""
    cells: dict[str, Any] = {"sku": line.sku, "category": line.category, "vendor": line.vendor}
    return any(row["product_set"] == name and cells[row["field"]] == row["value"] for row in _SETS)
