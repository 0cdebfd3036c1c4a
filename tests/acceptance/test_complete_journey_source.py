"""The canonical folder made of the Complete Journey data, before any pipeline touches it.

Each figure is counted from the canonical tables alone, so a mapping that loses, doubles or moves
rows cannot pass. The raw package files are read only to compare sums of money.
"""

import duckdb
import pytest

from tests.acceptance import published_figures as known
from tests.acceptance.answers import column, row
from tests.acceptance.complete_journey import SHOP_TIMEZONE


@pytest.mark.parametrize(
    ("table", "key", "rows"),
    [
        ("orders", "order_id", known.BASKETS),
        ("order_lines", "order_id, line_id", known.LINES),
        ("customers", "customer_id", known.HOUSEHOLDS),
        ("campaigns", "campaign_id", known.CAMPAIGNS),
        ("campaign_sends", "campaign_id, customer_id", known.MAILINGS),
    ],
)
def test_every_table_has_its_published_rows_and_a_key(
    source: duckdb.DuckDBPyConnection, table: str, key: str, rows: int
) -> None:
    counted = row(source, f"select count(*), count(distinct ({key})) from {table}")

    assert counted == (rows, rows)


def test_discounts_are_numbered_within_their_order(source: duckdb.DuckDBPyConnection) -> None:
    repeated = column(
        source,
        """
        select order_id from order_discounts
        group by order_id having max(discount_index) <> count(distinct discount_index)
        """,
    )

    assert repeated == []


def test_child_rows_belong_to_an_order_and_a_customer(source: duckdb.DuckDBPyConnection) -> None:
    assert row(
        source, "select count(*) from order_discounts anti join orders using (order_id)"
    ) == (0,)
    assert row(source, "select count(*) from order_lines anti join orders using (order_id)") == (0,)
    assert row(source, "select count(*) from orders anti join customers using (customer_id)") == (
        0,
    )
    assert row(
        source, "select count(*) from campaign_sends anti join customers using (customer_id)"
    ) == (0,)
    assert row(
        source, "select count(*) from campaign_sends anti join campaigns using (campaign_id)"
    ) == (0,)


# ---- days ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zone", "split"), [(SHOP_TIMEZONE, 0), ("UTC", 52)])
def test_shipped_weeks_are_whole_weeks_only_in_new_york(
    source: duckdb.DuckDBPyConnection, zone: str, split: int
) -> None:
    counted = row(
        source,
        """
        select count(*), count(*) filter (where weeks > 1) from (
            select week, count(distinct date_trunc('week', timezone(?, ordered_at))) as weeks
            from orders group by week
        )
        """,
        zone,
    )

    assert counted == (known.SHIPPED_WEEKS, split)


@pytest.mark.parametrize(
    ("zone", "growth"),
    [
        (SHOP_TIMEZONE, known.GROWTH_JANUARY_TO_MARCH),
        ("UTC", known.GROWTH_JANUARY_TO_MARCH_IN_UTC),
    ],
)
def test_category_growth_is_the_published_one_only_in_new_york(
    source: duckdb.DuckDBPyConnection, zone: str, growth: tuple[float, ...]
) -> None:
    fastest = column(
        source,
        """
        with dated as (
            select
                l.category,
                l.sales_value,
                date_trunc('month', timezone(?, o.ordered_at)) as month
            from order_lines as l inner join orders as o using (order_id)
            where l.category is not null
        ),

        sales as (
            select
                category,
                sum(sales_value) filter (where month = date '2017-01-01') as january,
                sum(sales_value) filter (where month = date '2017-03-01') as march
            from dated group by category
        )

        select cast(round(100.0 * (march / january - 1), 1) as double) as growth
        from sales where january >= 1500
        order by growth desc limit 5
        """,
        zone,
    )

    assert tuple(fastest) == growth


# ---- money ---------------------------------------------------------------------------------------


def test_trap_23_no_join_changes_the_money(source: duckdb.DuckDBPyConnection) -> None:
    raw = row(
        source,
        """
        select
            sum(cast(sales_value as decimal(18, 2)) - cast(coupon_disc as decimal(18, 2))),
            sum(cast(sales_value as decimal(18, 2)) + cast(retail_disc as decimal(18, 2))
                + cast(coupon_match_disc as decimal(18, 2))),
            sum(cast(retail_disc as decimal(18, 2)) + cast(coupon_disc as decimal(18, 2))
                + cast(coupon_match_disc as decimal(18, 2)))
        from raw_transactions
        """,
    )

    assert (
        row(source, "select sum(total_amount), sum(gross_amount), sum(discount_amount) from orders")
        == raw
    )
    assert row(source, "select sum(amount) from order_discounts") == (raw[2],)
    assert row(source, "select sum(discount_amount) from order_lines") == (raw[2],)


def test_money_adds_up_in_every_order(source: duckdb.DuckDBPyConnection) -> None:
    wrong = column(
        source,
        """
        with discounts as (
            select order_id, sum(amount) as amount from order_discounts group by order_id
        ),

        lines as (
            select order_id, sum(discount_amount) as discount, sum(sales_value) as sales
            from order_lines group by order_id
        )

        select o.order_id
        from orders as o
        inner join lines as l using (order_id)
        left join discounts as d using (order_id)
        where o.gross_amount - o.discount_amount <> o.total_amount
            or o.discount_amount <> coalesce(d.amount, 0)
            or o.discount_amount <> l.discount
            -- What the shop received is more than what was paid, by the coupons it is refunded for.
            or l.sales < o.total_amount
        """,
    )

    assert wrong == []


def test_baskets_that_cost_nothing_or_less(source: duckdb.DuckDBPyConnection) -> None:
    counted = row(
        source,
        """
        with sales as (
            select order_id, sum(sales_value) as sales from order_lines group by order_id
        )

        select
            count(*) filter (where sales = 0),
            count(*) filter (where total_amount = 0),
            count(*) filter (where total_amount < 0)
        from orders inner join sales using (order_id)
        """,
    )

    assert counted == (
        known.BASKETS_WITHOUT_SALES,
        known.BASKETS_PAID_ZERO,
        known.BASKETS_PAID_NEGATIVE,
    )


def test_lines_without_a_quantity_have_no_unit_price(source: duckdb.DuckDBPyConnection) -> None:
    counted = row(
        source,
        """
        select
            count(*) filter (where quantity = 0),
            count(*) filter (where unit_price is null),
            count(*) filter (where quantity = 0 and unit_price is not null)
        from order_lines
        """,
    )

    assert counted == (known.LINES_WITHOUT_QUANTITY, known.LINES_WITHOUT_QUANTITY, 0)


def test_addresses_are_fictitious(source: duckdb.DuckDBPyConnection) -> None:
    real = column(
        source,
        """
        select email from (
            select email from customers
            union all select email from orders
            union all select email from campaign_sends
        ) where email not like 'household-%@mail.example'
        """,
    )

    assert real == []
