"""Hand-written asset checks, beside the dbt tests that dagster-dbt turns into checks itself."""

from collections.abc import Iterator

import dagster as dg

from dagster_project import warehouse
from dagster_project.assets.publish import GROUPS, published_key
from dagster_project.settings import Settings

QUALITY = {
    "orders_without_customer_share": "Few orders belong to nobody.",
    "orders_without_ship_country_share": "Few orders have no shipping country.",
    "orders_invalid_share": "Few orders do not count.",
    "orders_in_other_currency_share": "Most orders are in the shop's currency.",
    "orders_with_unexplained_discount_share": "Few discounts have no discount record.",
    "refunds_without_order_share": "Refunds are of orders that were loaded.",
    "discount_records_without_order_share": "Discount records are of orders that were loaded.",
    "rejected_rows_share": "Few rows of any table were rejected.",
    "customers_with_missing_orders_share": "The platform counts no more orders than were loaded.",
    "customers_with_surplus_orders_share": "The platform counts no fewer orders than were loaded.",
    "customers_with_other_spend_share": "Customers spent what the platform says.",
}
"""The rows of source_quality that have a threshold, and what holds when they pass it."""

# What else source_quality says that explains a share.
_EXPLAINED_BY = {
    "orders_invalid_share": "orders_invalid",
    "orders_in_other_currency_share": "orders_in_currency",
    "orders_with_unexplained_discount_share": "discount_records_of_kind",
    "rejected_rows_share": "rejected_rows",
}


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """The checks of what was published."""
    return [
        _is_whole(settings),
        _is_of_one_day(settings),
        _one_lifecycle_each(settings),
        _source_is_good_enough(settings),
    ]


def _is_whole(settings: Settings) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=published_key("segments"),
        description="Every published table has as many rows as the mart it is a copy of.",
    )
    def published_is_whole() -> dg.AssetCheckResult:
        tables = [table for group in GROUPS.values() for table in group]
        with warehouse.read(settings.warehouse_path) as con:
            marts = {t: con.execute(f"select count(*) from marts.{t}").fetchone() for t in tables}
        with warehouse.read(settings.published_path) as con:
            copies = {t: con.execute(f"select count(*) from {t}").fetchone() for t in tables}
        differing = [table for table in tables if marts[table] != copies[table]]
        return dg.AssetCheckResult(
            passed=not differing, metadata={"differing": ", ".join(differing) or "none"}
        )

    return published_is_whole


def _is_of_one_day(settings: Settings) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=published_key("customers"),
        description="Every published customer is of the as-of date of the publication.",
    )
    def published_as_of() -> dg.AssetCheckResult:
        with warehouse.read(settings.published_path) as con:
            row = con.execute(
                "select p.as_of, count(c.customer_key) filter (where c.as_of <> p.as_of) "
                "from publication as p left join customers as c on true group by p.as_of"
            ).fetchone()
        as_of, others = row or (None, 0)
        return dg.AssetCheckResult(
            passed=as_of is not None and others == 0,
            metadata={"as_of": str(as_of), "customers of another date": int(others)},
        )

    return published_as_of


def _one_lifecycle_each(settings: Settings) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=published_key("segments"),
        description="Every known customer is in exactly one lifecycle segment on the as-of date.",
    )
    def one_lifecycle_each() -> dg.AssetCheckResult:
        with warehouse.read(settings.published_path) as con:
            row = con.execute(
                """
                select count(*) from (
                    select c.customer_key
                    from customers as c
                    left join segment_members as m
                        on m.customer_key = c.customer_key and (
                            m.segment = 'non_buyer'
                            or regexp_full_match(
                                m.segment, '(active|churning|lapsed)_(single|multi|hvc)'
                            )
                        )
                    group by c.customer_key
                    having count(m.segment) <> 1 or any_value(m.segment) <> any_value(c.lifecycle)
                )
                """
            ).fetchone()
        wrong = int(row[0]) if row else 0
        return dg.AssetCheckResult(passed=wrong == 0, metadata={"customers": wrong})

    return one_lifecycle_each


def _source_is_good_enough(settings: Settings) -> dg.AssetChecksDefinition:
    """Warnings only: segments are right for what was loaded; a person says whether that is enough.

    Thresholds and verdicts are those of the published table. What cannot be judged passes.
    """

    @dg.multi_asset_check(
        name="source_quality",
        specs=[
            dg.AssetCheckSpec(name, asset=published_key("quality"), description=description)
            for name, description in QUALITY.items()
        ],
    )
    def source_quality() -> Iterator[dg.AssetCheckResult]:
        with warehouse.read(settings.published_path) as con:
            shares = con.execute(
                """select "check", value, threshold, passed, detail from source_quality
                where threshold is not null"""
            ).fetchall()
            facts = con.execute(
                'select "check", detail, value from source_quality where threshold is null'
            ).fetchall()
        for name, value, threshold, passed, detail in shares:
            of_check = _EXPLAINED_BY.get(name)
            yield dg.AssetCheckResult(
                check_name=name,
                asset_key=published_key("quality"),
                passed=passed is not False,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "value": float(value) if value is not None else "unknown",
                    "threshold": float(threshold),
                    "detail": detail,
                    **{what: int(n) for check, what, n in facts if check == of_check},
                },
            )

    return source_quality
