"""What the source cannot answer is unavailable or null, never empty or false."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from tests.dbt.build import build, load_folder

MISSING = {
    "order_discounts": {
        "ever_used_discount_code",
        "other_discount_only",
        "full_price_only",
        "first_order_discounted",
        "redeemed_this_month",
        "only_with_discount",
        "discount_ladder_step_1",
        "discount_ladder_step_2",
        "discount_ladder_step_3",
    },
    "order_discounts, order_discounts.code": {
        "coupon_abuser",
        "redeemed_welcome_this_month",
        "redeemed_brew_this_month",
        "redeemed_fall_this_month",
        "redeemed_holiday_this_month",
        "redeemed_referral_this_month",
    },
    "checkouts": {"abandoned_cart", "abandoned_cart_offer"},
    "customers.created_at or customers.email_consent_at or customers.sms_consent_at": {
        "signed_up_this_week"
    },
    "customers.email_consent": {"subscriber_not_purchased"},
    "loyalty_members or customers.tags": {"loyalty_member"},
    "orders.ship_country or customers.country": {"lives_in_new_york_state", "lives_in_canada"},
    "referrals": {"advocate"},
    "referrals or order_discounts.code": {"referred"},
    "order_lines, order_lines.category": {"bought_brewing"},
    "order_lines, order_lines.category, order_lines.sku": {"bought_coffee_never_grinder"},
    "order_lines, order_lines.vendor": {"bought_amber_mill_this_quarter"},
    "order_lines, order_lines.unit_price": {"bought_above_60"},
}
"""What a source of orders with four columns lacks, and the segments it cannot answer for that."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory):
    """The marts of a shop that has orders with three columns and an address, and nothing else."""
    home = tmp_path_factory.mktemp("orders_only")
    (home / "source").mkdir()
    (home / "source" / "orders.csv").write_text(
        "order_id,ordered_at,total_amount,email\n"
        "1,2026-11-01T12:00:00,20.00,ann@mail.example\n"
        "2,2026-11-20T12:00:00,30.00,ann@mail.example\n"
    )
    path = load_folder(home / "source", home)
    build(home)
    with duckdb.connect(str(path), read_only=True) as con:
        yield lambda sql: con.execute(sql).fetchall()


def test_segments_without_their_table_are_unavailable(published) -> None:
    catalog: list[tuple[Any, ...]] = published(
        "select segment, status, reason from marts.segment_catalog"
    )
    unavailable: dict[str, set[str]] = {}
    for segment, status, reason in catalog:
        if status == "unavailable":
            unavailable.setdefault(reason.removeprefix("the source has no "), set()).add(segment)
    assert unavailable == MISSING
    assert published("select distinct segment from marts.segment_members order by 1") == [
        ("active_multi",),
        ("new_multi_buyer",),
        ("profitable",),
        ("returning_customer",),
    ]


def test_discount_columns_are_unknown(published) -> None:
    assert published(
        "select ever_used_discount_code, discount_behavior, code_order_count, last_code"
        " from marts.customers"
    ) == [(None, None, None, None)]
    assert published(
        "select distinct has_code, discount_kinds, discount_codes from marts.orders"
    ) == [(None, None, None)]


def test_traits_nobody_can_tell_are_unknown(published) -> None:
    assert published(
        "select code_order_share, discount_dependence, discount_ladder_step, coupon_abuse_score,"
        " is_loyalty_member, referral_count, is_referred, preferred_brand, last_category,"
        " abandoned_cart_amount, signed_up_on from marts.customers"
    ) == [(None,) * 11]


def test_profit_without_costs_is_an_estimate(published) -> None:
    assert published(
        "select contribution, contribution_basis, cost_coverage from marts.customers"
    ) == [(25, "estimated", 0)]


def test_what_is_known_is_there(published) -> None:
    assert published(
        "select order_count, net_sales, average_order_value, lifecycle, customer_segment,"
        " days_since_last_order from marts.customers"
    ) == [(2, 50, 25, "active_multi", "Multi-Buyer", 1)]
    assert len(
        published("select * from marts.source_quality where \"check\" = 'segment_unavailable'")
    ) == sum(len(segments) for segments in MISSING.values())
