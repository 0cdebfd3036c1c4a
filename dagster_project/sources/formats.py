"""The source formats there are, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dagster_project.sources.airbyte_shopify import AIRBYTE_SHOPIFY
from dagster_project.sources.base import Source
from dagster_project.sources.canonical import CanonicalSource
from dagster_project.sources.connector import Connector, ConnectorSource
from dagster_project.sources.errors import SourceError
from dagster_project.sources.fivetran_shopify import FIVETRAN_SHOPIFY
from dagster_project.sources.shopify_bulk import ShopifyBulkSource
from dagster_project.sources.shopify_csv import ShopifyCsvSource
from dagster_project.sources.woocommerce import WOOCOMMERCE

CONNECTORS: dict[str, Connector] = {
    "airbyte_shopify": AIRBYTE_SHOPIFY,
    "fivetran_shopify": FIVETRAN_SHOPIFY,
    "woocommerce": WOOCOMMERCE,
}
"""The formats whose tables a connector or a shop's database names."""

FORMATS: dict[str, Callable[[str], Source]] = {
    "canonical": CanonicalSource,
    "shopify_bulk": ShopifyBulkSource,
    "shopify_csv": ShopifyCsvSource,
    **{name: partial(ConnectorSource, connector) for name, connector in CONNECTORS.items()},
}
"""The source formats by the name SEGMENTS_SOURCE_FORMAT gives them."""


def open_source(source_format: str, location: str) -> Source:
    """The source at `location` (a folder, a file or a glob) in the named format.

    Raises:
        SourceError: the format is unknown or there is nothing to read at `location`.
    """
    require_known(source_format)
    return FORMATS[source_format](location)


def require_known(source_format: str) -> None:
    """See that there is such a format.

    Raises:
        SourceError: there is none.
    """
    if source_format not in FORMATS:
        message = (
            f"SEGMENTS_SOURCE_FORMAT is {source_format!r}; "
            f"this installation reads {', '.join(sorted(FORMATS))}"
        )
        raise SourceError(message)
