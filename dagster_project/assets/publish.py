"""Publishing: what analysts, notebooks and syncs read, swapped in as one consistent picture.

It runs only after every model was built and every error-severity test passed, so it is the quality
gate as well: a bad table stays in the warehouse and yesterday's picture stays published.
"""

import time
from collections.abc import Iterator
from datetime import date

import dagster as dg

from dagster_project import purge, quality_report, warehouse
from dagster_project.history import Recorded
from dagster_project.settings import Settings, now

GROUPS: dict[str, tuple[str, ...]] = {
    "customers": ("customers", "customer_identities", "orders"),
    "segments": (
        "segment_periods",
        "segment_members",
        "segment_sizes",
        "segment_catalog",
        "lifecycle_thresholds",
        "lifecycle_moves",
    ),
    "campaigns": (
        "campaign_results",
        "campaign_regions",
        "region_sales",
        "shared_codes",
        "coupon_abuse_evidence",
    ),
    "quality": ("source_quality",),
}
"""The published tables by the asset that shows them."""

_DESCRIPTIONS = {
    "customers": "Customers, their identities and orders, as analysts query them.",
    "segments": "Who is and was in which segment, the sizes over time, and the catalog.",
    "campaigns": "What came of campaigns and codes, and what sells where.",
    "quality": "What is known about the quality of the source.",
}


ERASURES_KEY = dg.AssetKey(["published", warehouse.ERASURES])
"""The asset of the list of people whom the vendors have to erase."""


def published_key(group: str) -> dg.AssetKey:
    """The asset of a group of published tables."""
    return dg.AssetKey(["published", group])


def build_publish_asset(settings: Settings) -> dg.AssetsDefinition:
    """The published tables, one asset a group, all swapped in with one rename.

    When people were forgotten, the warehouse is purged of them in the same step.
    """

    @dg.multi_asset(
        name="publish",
        specs=[
            dg.AssetSpec(
                published_key(group),
                deps=[dg.AssetKey(["marts", table]) for table in tables],
                description=_DESCRIPTIONS[group],
                group_name="published",
                owners=["team:data"],
                kinds={"duckdb"},
            )
            for group, tables in GROUPS.items()
        ]
        + [
            dg.AssetSpec(
                ERASURES_KEY,
                deps=[dg.AssetKey(["marts", warehouse.ERASURES])],
                description="Whom the vendors have to erase, in a file only its owner may read.",
                group_name="published",
                owners=["team:data"],
                kinds={"duckdb"},
            )
        ],
        pool="duckdb_write",
    )
    def publish() -> Iterator[dg.MaterializeResult[None]]:
        started = time.monotonic()
        try:
            published = warehouse.publish(
                settings.warehouse_path,
                settings.published_path,
                # The day the models were built for: midnight may have passed since.
                as_of=_built_for(settings),
                shop_timezone=settings.shop_timezone,
                shop_currency=settings.shop_currency,
                clock=now,
            )
            purged = purge.purge(settings.warehouse_path)
        except warehouse.WarehouseError as error:
            raise dg.Failure(str(error)) from None
        for group, tables in GROUPS.items():
            yield dg.MaterializeResult(
                asset_key=published_key(group),
                metadata={
                    "dagster/row_count": published.tables[tables[0]],
                    "as_of": published.as_of.isoformat(),
                    "publication_id": published.publication_id,
                    "seconds": round(time.monotonic() - started, 2),
                    **{f"rows of {table}": published.tables[table] for table in tables},
                    **(_recorded(published.history) if group == "segments" else {}),
                    **(_report(settings) if group == "quality" else {}),
                },
            )

        yield dg.MaterializeResult(
            asset_key=ERASURES_KEY,
            metadata={
                "dagster/row_count": published.erasures,
                "publication_id": published.publication_id,
                "warehouse purged": purged,
            },
        )

    return publish


def _recorded(history: Recorded) -> dict[str, int | str]:
    return {
        "publications kept": history.publications,
        "members added": history.added,
        "members removed": history.removed,
        "rules changed": history.rules,
        "order corrections": history.corrections,
        "customer keys changed": history.renamed,
        **({"history begins here": history.started} if history.started else {}),
    }


def _report(settings: Settings) -> dict[str, dg.MetadataValue]:
    with warehouse.read(settings.published_path) as con:
        return {"report": dg.MetadataValue.md(quality_report.as_markdown(con))}


def _built_for(settings: Settings) -> date:
    with warehouse.read(settings.warehouse_path) as con:
        row = con.execute("select any_value(as_of) from marts.customers").fetchone()
    return row[0] if row and row[0] is not None else settings.as_of()
