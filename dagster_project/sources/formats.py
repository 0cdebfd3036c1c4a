"""The source formats there are, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dagster_project.sources.airbyte_shopify import AIRBYTE_SHOPIFY
from dagster_project.sources.base import Source
from dagster_project.sources.canonical import CanonicalSource
from dagster_project.sources.connector import Connector, ConnectorSource
from dagster_project.sources.errors import SourceError
from dagster_project.sources.files import DATA_ENDINGS
from dagster_project.sources.fivetran_shopify import FIVETRAN_SHOPIFY
from dagster_project.sources.shopify_bulk import RESULT_ENDINGS, ShopifyBulkSource
from dagster_project.sources.shopify_csv import ShopifyCsvSource
from dagster_project.sources.woocommerce import WOOCOMMERCE


@dataclass(frozen=True, slots=True)
class Format:
    """How a source of one format is opened, and which of the files at a location are its own.

    `name` is the one SEGMENTS_SOURCE_FORMAT gives it. `endings` are those of the files' names;
    when `is_told_by_content`, the rest of a name is free. `connector` has the tables of the formats
    that name them as a connector or a shop's database does.
    """

    name: str
    open: Callable[[str], Source]
    endings: tuple[str, ...] = DATA_ENDINGS
    is_told_by_content: bool = False
    connector: Connector | None = None


def _tables_of(name: str, connector: Connector) -> Format:
    return Format(name, partial(ConnectorSource, connector), connector=connector)


FORMATS = {
    format_.name: format_
    for format_ in (
        _tables_of("airbyte_shopify", AIRBYTE_SHOPIFY),
        Format("canonical", CanonicalSource),
        _tables_of("fivetran_shopify", FIVETRAN_SHOPIFY),
        Format(
            "shopify_bulk",
            ShopifyBulkSource,
            endings=(*RESULT_ENDINGS, *DATA_ENDINGS),
            is_told_by_content=True,
        ),
        Format("shopify_csv", ShopifyCsvSource, is_told_by_content=True),
        _tables_of("woocommerce", WOOCOMMERCE),
    )
}
"""The source formats there are, by name."""


def open_source(source_format: str, location: str) -> Source:
    """The source at `location` (a folder, a file or a glob) in the named format.

    Raises:
        SourceError: the format is unknown or there is nothing to read at `location`.
    """
    return format_named(source_format).open(location)


def format_named(source_format: str) -> Format:
    """The format of that name.

    Raises:
        SourceError: there is none.
    """
    if source_format not in FORMATS:
        message = (
            f"SEGMENTS_SOURCE_FORMAT is {source_format!r}; "
            f"this installation reads {', '.join(sorted(FORMATS))}"
        )
        raise SourceError(message)
    return FORMATS[source_format]
