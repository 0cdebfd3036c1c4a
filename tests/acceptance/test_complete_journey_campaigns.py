"""Campaigns, coupons and discount kinds of the canonical Complete Journey folder.

The redemption log has no basket, so how it is attached must leave every published figure intact.
"""

import duckdb

from tests.acceptance import published_figures as known
from tests.acceptance.answers import column, row

DISCOUNT_USED = """
    case
        when code = 'COUPON' then 'coupon'
        when code is not null then 'campaign'
        else kind
    end
"""


def test_every_redemption_of_the_log_is_on_a_basket_of_its_day(
    source: duckdb.DuckDBPyConnection,
) -> None:
    counted = row(
        source,
        """
        select count(*), count(distinct (order_id, code)), count(distinct customer_id),
            count(*) filter (where ordered_on <> redeemed_on),
            count(*) filter (where ordered_on not between starts_on and ends_on)
        from redemptions
        """,
    )

    assert counted == (known.REDEMPTIONS, known.REDEMPTIONS, known.REDEEMING_HOUSEHOLDS, 0, 0)


def test_redemptions_by_month_are_the_published_ones(source: duckdb.DuckDBPyConnection) -> None:
    by_month = column(
        source,
        "select count(*) from redemptions group by month(ordered_on) order by month(ordered_on)",
    )

    assert tuple(by_month) == known.REDEMPTIONS_BY_MONTH


def test_redeemers_in_december(source: duckdb.DuckDBPyConnection) -> None:
    counted = row(
        source,
        "select count(distinct customer_id) from redemptions where month(ordered_on) = 12",
    )

    assert counted == (known.DISTINCT_REDEEMERS_IN_DECEMBER,)


def test_redemptions_by_campaign_are_the_published_ones(source: duckdb.DuckDBPyConnection) -> None:
    by_campaign = dict(
        source.execute(
            "select campaign_id, count(*) from redemptions group by campaign_id"
        ).fetchall()
    )

    assert {
        campaign: by_campaign[campaign] for campaign in known.REDEMPTIONS_OF_CAMPAIGN
    } == known.REDEMPTIONS_OF_CAMPAIGN


def test_redemptions_by_household_are_the_published_ones(source: duckdb.DuckDBPyConnection) -> None:
    counted = row(
        source,
        """
        select count(*) filter (where n = 1), count(*) filter (where n >= 5), max(n)
        from (select customer_id, count(*) as n from redemptions group by customer_id)
        """,
    )

    assert counted == (
        known.HOUSEHOLDS_REDEEMING_ONCE,
        known.HOUSEHOLDS_REDEEMING_FIVE_OR_MORE,
        known.MOST_REDEMPTIONS_OF_A_HOUSEHOLD,
    )


def test_distinct_coupons_redeemed(source: duckdb.DuckDBPyConnection) -> None:
    counted = row(
        source,
        "select count(distinct split_part(code, '-', 2)) from redemptions",
    )

    assert counted == (known.REDEEMED_COUPONS,)


def test_mailed_households_split_into_redeemers_and_others(
    source: duckdb.DuckDBPyConnection,
) -> None:
    counted = row(
        source,
        """
        with mailed as (select distinct customer_id from campaign_sends),
        redeemed as (select distinct customer_id from redemptions)

        select count(*), count(r.customer_id), count(*) - count(r.customer_id)
        from mailed left join redeemed as r using (customer_id)
        """,
    )

    assert counted == (
        known.MAILED_HOUSEHOLDS,
        known.REDEEMING_HOUSEHOLDS,
        known.MAILED_WITHOUT_REDEMPTION,
    )


# ---- who ever used a discount ------------------------------------------------------------------


def test_one_question_has_three_answers_by_kind(source: duckdb.DuckDBPyConnection) -> None:
    users = dict(
        source.execute(
            f"""
            select {DISCOUNT_USED} as used, count(distinct customer_id)
            from order_discounts inner join orders using (order_id)
            group by used
            """
        ).fetchall()
    )

    assert {kind: users[kind] for kind in known.USERS_BY_KIND} == known.USERS_BY_KIND


def test_code_users_on_orders_that_were_paid(source: duckdb.DuckDBPyConnection) -> None:
    counted = row(
        source,
        """
        select
            count(distinct customer_id) filter (where code = 'COUPON'),
            count(distinct customer_id)
        from order_discounts inner join orders using (order_id)
        where kind = 'code' and total_amount > 0
        """,
    )

    assert counted == (known.COUPON_USERS_ON_VALID_ORDERS,) * 2


def test_trap_27_equal_counts_are_not_equal_people(source: duckdb.DuckDBPyConnection) -> None:
    counted = row(
        source,
        """
        select count(*) from (
            select customer_id from campaign_sends
            intersect
            select customer_id from order_discounts inner join orders using (order_id)
            where code = 'COUPON'
        )
        """,
    )

    assert counted == (known.MAILED_AND_COUPON_USERS,)
