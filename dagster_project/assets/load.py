"""One asset per raw table: the source's rows, validated and typed, in schema ``raw``."""

import time
from collections.abc import Iterator

import dagster as dg

from dagster_project import warehouse
from dagster_project.settings import Settings
from dagster_project.sources import (
    TABLES,
    Access,
    Account,
    LoadError,
    LoadOptions,
    LoadResult,
    ObjectStore,
    SourceError,
    Table,
    join_pseudonyms,
    load_table,
    local_copy,
    normalise_phones,
    open_source,
)
from syncs import SyncError, SyncSettings, install_keep_out

_GROUP = "raw"
_OWNERS = ["team:data"]
_KINDS = {"duckdb"}


def build_load_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """The canonical tables, the phone numbers found in them, and what was left out."""
    return [
        _tables(settings),
        _phone_numbers(settings),
        _renewed_requests(settings),
        _load_report(settings),
    ]


def table_key(name: str) -> dg.AssetKey:
    """The asset of a raw table; dbt's source of the same name is this asset."""
    return dg.AssetKey(["raw", name])


def _tables(settings: Settings) -> dg.AssetsDefinition:
    """One step for all tables: an export holds several in one file, which is read once."""

    @dg.multi_asset(
        name="load_source",
        specs=[
            dg.AssetSpec(
                table_key(table.name),
                description=_description(table),
                group_name=_GROUP,
                owners=_OWNERS,
                kinds=_KINDS,
            )
            for table in TABLES
        ],
        can_subset=True,
        pool="duckdb_write",
    )
    def load_source(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        wanted = [t for t in TABLES if table_key(t.name) in context.selected_asset_keys]
        try:
            # Copied before the warehouse is opened: others may use it as long as that takes.
            with local_copy(
                settings.source_format,
                settings.source_location,
                folder=settings.copies_path,
                access=_access(settings),
                log=context.log.info,
            ) as location:
                source = open_source(settings.source_format, location)
                for warning in source.warnings:
                    context.log.warning(warning)
                with warehouse.write(settings.warehouse_path) as con:
                    options = LoadOptions(
                        shop_timezone=settings.shop_timezone,
                        max_rejected_fraction=settings.max_rejected_fraction,
                        min_kept_fraction=settings.min_kept_fraction,
                        forgotten_list=install_keep_out(_of_syncs(settings), con).list_id,
                        shop_country=settings.shop_country,
                        shop_currency=settings.shop_currency,
                    )
                    for table in wanted:
                        started = time.monotonic()
                        result = load_table(con, table, source, options)
                        yield dg.MaterializeResult(
                            asset_key=table_key(table.name),
                            metadata=_metadata(result, time.monotonic() - started),
                        )
        except (SourceError, LoadError, SyncError) as error:
            # A bad file is as bad on the next attempt: a person must look at it.
            raise dg.Failure(str(error), allow_retries=False) from None

    return load_source


def _phone_numbers(settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=table_key("phone_numbers"),
        deps=[table_key(table.name) for table in TABLES if _has_phone(table)],
        description="Every phone number of the raw tables in E.164, or null when it is not valid.",
        group_name=_GROUP,
        owners=_OWNERS,
        kinds=_KINDS,
        pool="duckdb_write",
    )
    def phone_numbers() -> dg.MaterializeResult[None]:
        with warehouse.write(settings.warehouse_path) as con:
            result = normalise_phones(con, settings.shop_country)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": result.valid + result.invalid,
                "new": result.new,
                "valid": result.valid,
                "invalid": result.invalid,
            }
        )

    return phone_numbers


def _renewed_requests(settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=table_key("renewed_requests"),
        deps=[table_key(table.name) for table in TABLES],
        description=(
            "New accounts and addresses of people who were forgotten: to be erased like a request. "
            "Their pseudonyms in the raw tables are joined here, one a person."
        ),
        group_name=_GROUP,
        owners=_OWNERS,
        kinds=_KINDS,
        pool="duckdb_write",
    )
    def renewed_requests() -> dg.MaterializeResult[None]:
        joined = 0
        try:
            with warehouse.write(settings.warehouse_path) as con:
                keep_out = install_keep_out(_of_syncs(settings), con)
                if keep_out.list_id is not None:
                    joined = join_pseudonyms(con)
                row = con.execute("select count(*) from raw.renewed_requests").fetchone()
        except SyncError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": int(row[0]) if row else 0,
                "forgotten identifiers": keep_out.identifiers,
                "pseudonyms joined": joined,
            }
        )

    return renewed_requests


def _of_syncs(settings: Settings) -> SyncSettings:
    return SyncSettings(SEGMENTS_HOME=settings.home, SHOP_COUNTRY=settings.shop_country)


def _access(settings: Settings) -> Access:
    return Access(
        object_store=ObjectStore(
            key_id=settings.aws_access_key_id,
            secret=settings.aws_secret_access_key,
            session_token=settings.aws_session_token,
            region=settings.aws_region,
            endpoint=settings.aws_endpoint_url,
            ca_file=settings.aws_ca_bundle,
        ),
        database_password=settings.database_password,
        shop=Account(
            token=settings.shopify_access_token,
            base_url=settings.shopify_base_url,
            list_every_days=settings.shopify_list_every_days,
        ),
    )


def _load_report(settings: Settings) -> dg.AssetsDefinition:
    def spec(name: str, description: str) -> dg.AssetSpec:
        return dg.AssetSpec(
            table_key(name),
            deps=[table_key(table.name) for table in TABLES],
            description=description,
            group_name=_GROUP,
            owners=_OWNERS,
            kinds=_KINDS,
        )

    @dg.multi_asset(
        name="load_report",
        specs=[
            spec("rejected_rows", "Rows that were not loaded: file, line, reason and the row."),
            spec("source_columns", "Which canonical columns the source really has."),
            spec("source_history", "What the source says of older orders that it does not give."),
        ],
        pool="duckdb_write",
    )
    def load_report() -> Iterator[dg.MaterializeResult[None]]:
        with warehouse.read(settings.warehouse_path) as con:
            rejected = dict(
                con.execute(
                    "select table_name, count(*) from raw.rejected_rows group by all order by all"
                ).fetchall()
            )
            missing = con.execute(
                "select table_name from raw.source_columns group by table_name "
                "having not bool_or(present) order by table_name"
            ).fetchall()
            history = con.execute(
                "select coalesce(whole_from::varchar, 'unknown'), reason from raw.source_history"
            ).fetchone()
        whole_from, reason = history or ("not said", "none")
        yield dg.MaterializeResult(
            asset_key=table_key("rejected_rows"),
            metadata={"dagster/row_count": sum(rejected.values()), **rejected},
        )
        yield dg.MaterializeResult(
            asset_key=table_key("source_columns"),
            metadata={"missing_tables": ", ".join(name for (name,) in missing) or "none"},
        )
        yield dg.MaterializeResult(
            asset_key=table_key("source_history"),
            metadata={"orders are whole from": whole_from, "reason": reason},
        )

    return load_report


def _has_phone(table: Table) -> bool:
    return any(column.name == "phone" for column in table.columns)


def _description(table: Table) -> str:
    required = ", ".join(column.name for column in table.columns if column.required)
    need = "Required." if table.required else "Optional: what needs it is unavailable without it."
    return f"Canonical table `{table.name}`. {need} Needs the columns {required or 'listed'}."


def _metadata(result: LoadResult, seconds: float) -> dict[str, int | float | str]:
    """Counts, reasons and file names; never a row."""
    numbers: dict[str, int | float | str] = {
        "dagster/row_count": result.rows,
        "rejected": result.rejected,
        "duplicates": result.duplicates,
        "seconds": round(seconds, 2),
        "files": ", ".join(result.files) if result.present else "not in this source",
    }
    if result.present and result.missing_columns:
        numbers["missing_columns"] = ", ".join(result.missing_columns)
    if result.extra_columns:
        numbers["extra_columns"] = ", ".join(result.extra_columns)
    return numbers | {f"rejected: {reason}": n for reason, n in result.reasons.items()}
