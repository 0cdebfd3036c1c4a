"""Reads order history from where it lies into schema `raw` of the warehouse.

`open_source` makes a source of the wanted format, `load_table` loads one canonical table of it,
`load` all of them, and `normalise_phones` prepares the phone numbers they hold. `join_pseudonyms`
comes last when somebody was forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dagster_project.sources.airbyte_shopify import AIRBYTE_SHOPIFY
from dagster_project.sources.base import History, Source, Staged
from dagster_project.sources.canonical import CanonicalSource
from dagster_project.sources.connector import ConnectorSource
from dagster_project.sources.contract import TABLE_NAMES, TABLES, Table, table_named
from dagster_project.sources.errors import LoadError, SourceError
from dagster_project.sources.fivetran_shopify import FIVETRAN_SHOPIFY
from dagster_project.sources.loader import LoadOptions, LoadResult, load, load_table
from dagster_project.sources.phones import PhoneResult, normalise_phones
from dagster_project.sources.pseudonyms import join_pseudonyms
from dagster_project.sources.shopify_csv import ShopifyCsvSource
from dagster_project.sources.woocommerce import WOOCOMMERCE

__all__ = [
    "FORMATS",
    "TABLES",
    "TABLE_NAMES",
    "CanonicalSource",
    "History",
    "LoadError",
    "LoadOptions",
    "LoadResult",
    "PhoneResult",
    "ShopifyCsvSource",
    "Source",
    "SourceError",
    "Staged",
    "Table",
    "join_pseudonyms",
    "load",
    "load_table",
    "normalise_phones",
    "open_source",
    "table_named",
]

FORMATS: dict[str, Callable[[str], Source]] = {
    "airbyte_shopify": partial(ConnectorSource, AIRBYTE_SHOPIFY),
    "canonical": CanonicalSource,
    "fivetran_shopify": partial(ConnectorSource, FIVETRAN_SHOPIFY),
    "shopify_csv": ShopifyCsvSource,
    "woocommerce": partial(ConnectorSource, WOOCOMMERCE),
}
"""The source formats by the name SEGMENTS_SOURCE_FORMAT gives them."""


def open_source(source_format: str, location: str) -> Source:
    """The source at `location` (a folder, a file or a glob) in the named format.

    Raises:
        SourceError: the format is unknown or there is nothing to read at `location`.
    """
    if source_format not in FORMATS:
        message = (
            f"SEGMENTS_SOURCE_FORMAT is {source_format!r}; "
            f"this installation reads {', '.join(sorted(FORMATS))}"
        )
        raise SourceError(message)
    return FORMATS[source_format](location)
