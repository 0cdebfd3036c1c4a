"""Hand-written asset checks, beside the dbt tests that dagster-dbt turns into checks itself."""

import dagster as dg

from dagster_project import warehouse
from dagster_project.assets.publish import GROUPS, published_key
from dagster_project.settings import Settings


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """The checks of what was published."""
    return [_is_whole(settings), _is_of_one_day(settings), _one_lifecycle_each(settings)]


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
