"""The whole daily job on a year of real baskets, and the figures others published about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from syncs import sandbox
from tests.acceptance import complete_journey
from tests.acceptance import published_figures as known
from tests.support.daily import run_daily


@pytest.fixture(scope="module")
def home(complete_journey_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("complete_journey_home")
    result = run_daily(
        folder,
        SEGMENTS_SOURCE=str(complete_journey_folder),
        SEGMENTS_AS_OF=complete_journey.LAST_DAY,
        SHOP_TIMEZONE=complete_journey.SHOP_TIMEZONE,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def ask(home: Path, sql: str) -> list[Any]:
    """Rows of a query on the published file, with the warehouse attached for the raw tables."""
    with duckdb.connect(str(home / "published" / "segments.duckdb"), read_only=True) as con:
        con.execute(f"attach '{home / 'warehouse.duckdb'}' as warehouse (read_only)")
        return con.execute(sql).fetchall()


def test_everybody_and_every_basket_is_published(home: Path) -> None:
    assert ask(home, "select count(*) from customers") == [(known.HOUSEHOLDS,)]
    assert ask(home, "select count(*), count(customer_key) from orders") == [
        (known.BASKETS, known.BASKETS)
    ]
    assert ask(
        home, "select invalid_reason, count(*) from orders where not is_valid group by 1"
    ) == [("zero_value", known.BASKETS_PAID_ZERO + known.BASKETS_PAID_NEGATIVE)]


def test_trap_28_the_kind_of_a_discount_is_the_segment(home: Path) -> None:
    # Over every basket the three kinds give three answers.
    used = dict(
        ask(
            home,
            """
            select kind, count(distinct customer_key) from (
                select o.customer_key, unnest(o.discount_kinds) as kind from orders as o
                union all
                select o.customer_key, 'campaign'
                from orders as o, unnest(o.discount_codes) as u(code)
                where code <> 'COUPON'
            ) group by kind
            """,
        )
    )
    assert (used["automatic"], used["code"], used["campaign"]) == (
        known.USERS_BY_KIND["automatic"],
        known.USERS_BY_KIND["coupon"],
        known.USERS_BY_KIND["campaign"],
    )
    # An order nobody paid for is not valid, so six of the coupon users are none.
    assert ask(
        home, "select count(*) from segment_members where segment = 'ever_used_discount_code'"
    ) == [(known.COUPON_USERS_ON_VALID_ORDERS,)]
    assert ask(home, "select count(*) from customers where ever_used_discount_code") == [
        (known.COUPON_USERS_ON_VALID_ORDERS,)
    ]


def test_trap_26_mailed_is_redeemed_plus_not(home: Path) -> None:
    ((mailed, redeemed),) = ask(
        home,
        """
        with redeemers as (
            select distinct i.id_value as customer_id
            from orders as o, unnest(o.discount_codes) as u(code)
            join customer_identities as i
                on i.customer_key = o.customer_key and i.id_type = 'customer_id'
            where code <> 'COUPON'
        )
        select count(distinct s.customer_id), count(distinct r.customer_id)
        from warehouse.raw.campaign_sends as s left join redeemers as r using (customer_id)
        """,
    )
    assert (mailed, redeemed, mailed - redeemed) == (
        known.MAILED_HOUSEHOLDS,
        known.REDEEMING_HOUSEHOLDS,
        known.MAILED_WITHOUT_REDEMPTION,
    )


def test_campaign_segments_split_the_mailed_households(home: Path) -> None:
    groups = dict(
        ask(
            home,
            """
            select regexp_replace(segment, 'campaign_[0-9]+_', ''), count(distinct customer_key)
            from segment_members where segment like 'campaign~_%' escape '~' group by all
            """,
        )
    )
    assert groups["recipients"] == known.MAILED_HOUSEHOLDS
    # Whoever redeemed any campaign, whether or not that one had been mailed to them.
    assert ask(
        home,
        """
        select count(distinct customer_key) from segment_members
        where segment similar to 'campaign_[0-9]+_(organic_)?redeemers'
        """,
    ) == [(known.REDEEMING_HOUSEHOLDS,)]
    assert ask(
        home,
        """
        select count(*) from (
            select customer_key from segment_members
            where segment similar to 'campaign_[0-9]+_recipients'
            except
            select customer_key from segment_members
            where segment similar to 'campaign_[0-9]+_(organic_)?redeemers'
        )
        """,
    ) == [(known.MAILED_WITHOUT_REDEMPTION,)]


def test_campaign_results_hold_the_published_redemptions(home: Path) -> None:
    assert ask(
        home, "select count(*), sum(redemptions), sum(recipients) from campaign_results"
    ) == [(known.CAMPAIGNS, known.REDEMPTIONS, known.MAILINGS)]
    of_campaign = dict(ask(home, "select campaign_id, redemptions from campaign_results"))
    assert {
        campaign: of_campaign[campaign] for campaign in known.REDEMPTIONS_OF_CAMPAIGN
    } == known.REDEMPTIONS_OF_CAMPAIGN
    # Campaigns that run into the next year are pending for whoever has not redeemed yet.
    assert ask(
        home,
        """
        select count(*) from campaign_results
        where recipients <> redeemers + non_redeemers + pending
        """,
    ) == [(0,)]


def test_redemptions_by_month(home: Path) -> None:
    by_month = ask(
        home,
        """
        select count(*) from warehouse.raw.order_discounts as d join orders as o using (order_id)
        where d.code like 'C%-%' group by month(o.ordered_on) order by month(o.ordered_on)
        """,
    )
    assert tuple(n for (n,) in by_month) == known.REDEMPTIONS_BY_MONTH


def test_no_week_is_split_over_two_local_weeks(home: Path) -> None:
    ((weeks, split),) = ask(
        home,
        """
        select count(*), count(*) filter (where local_weeks > 1) from (
            select r.week, count(distinct date_trunc('week', o.ordered_on)) as local_weeks
            from warehouse.raw.orders as r join orders as o using (order_id) group by r.week
        )
        """,
    )
    assert (weeks, split) == (known.SHIPPED_WEEKS, 0)


def test_every_vendor_holds_what_is_published(home: Path) -> None:
    state = sandbox.describe(home)
    told = {"true": known.COUPON_USERS_ON_VALID_ORDERS}
    told["false"] = ask(home, "select count(*) from customers where not ever_used_discount_code")[
        0
    ][0]
    for values in (state.klaviyo.properties, state.attentive.attributes):
        found = {p.name: dict(p.values) for p in values}
        assert found["ever_used_discount_code"] == told
    audiences = {audience.name: audience.members for audience in state.facebook.audiences}
    assert audiences["Discount users"] == known.COUPON_USERS_ON_VALID_ORDERS
