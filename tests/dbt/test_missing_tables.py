"""What the source cannot answer is unavailable or null, never empty or false."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from tests.dbt.build import build, load_folder

DISCOUNT_SEGMENTS = {
    "ever_used_discount_code",
    "other_discount_only",
    "full_price_only",
    "first_order_discounted",
    "redeemed_this_month",
}


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
    unavailable = {
        segment: reason for segment, status, reason in catalog if status == "unavailable"
    }
    assert set(unavailable) == DISCOUNT_SEGMENTS
    assert set(unavailable.values()) == {"the source has no order_discounts"}
    assert published("select distinct segment from marts.segment_members order by 1") == [
        ("active_multi",),
        ("new_multi_buyer",),
    ]


def test_discount_columns_are_unknown(published) -> None:
    assert published(
        "select ever_used_discount_code, discount_behavior, code_order_count, last_code"
        " from marts.customers"
    ) == [(None, None, None, None)]
    assert published(
        "select distinct has_code, discount_kinds, discount_codes from marts.orders"
    ) == [(None, None, None)]


def test_what_is_known_is_there(published) -> None:
    assert published(
        "select order_count, net_sales, average_order_value, lifecycle, customer_segment,"
        " days_since_last_order from marts.customers"
    ) == [(2, 50, 25, "active_multi", "Multi-Buyer", 1)]
    assert (
        len(published("select * from marts.source_quality where \"check\" = 'segment_unavailable'"))
        == 5
    )
