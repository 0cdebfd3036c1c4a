"""Reads order history from where it lies into schema `raw` of the warehouse.

`local_copy` brings what lies elsewhere to this machine, `open_source` makes a source of the wanted
format, `load_table` loads one canonical table of it, `load` all of them, and `normalise_phones`
prepares the phone numbers they hold. `join_pseudonyms` comes last when somebody was forgotten.
"""

from __future__ import annotations

from dagster_project.sources.base import History, Source, Staged
from dagster_project.sources.canonical import CanonicalSource
from dagster_project.sources.contract import TABLE_NAMES, TABLES, Table, table_named
from dagster_project.sources.errors import LoadError, SourceError
from dagster_project.sources.formats import FORMATS, open_source
from dagster_project.sources.loader import LoadOptions, LoadResult, load, load_table
from dagster_project.sources.object_store import ObjectStore
from dagster_project.sources.phones import PhoneResult, normalise_phones
from dagster_project.sources.pseudonyms import join_pseudonyms
from dagster_project.sources.remote import Access, local_copy
from dagster_project.sources.shopify_bulk import ShopifyBulkSource
from dagster_project.sources.shopify_csv import ShopifyCsvSource
from dagster_project.sources.shopify_fetch import Account

__all__ = [
    "FORMATS",
    "TABLES",
    "TABLE_NAMES",
    "Access",
    "Account",
    "CanonicalSource",
    "History",
    "LoadError",
    "LoadOptions",
    "LoadResult",
    "ObjectStore",
    "PhoneResult",
    "ShopifyBulkSource",
    "ShopifyCsvSource",
    "Source",
    "SourceError",
    "Staged",
    "Table",
    "join_pseudonyms",
    "load",
    "load_table",
    "local_copy",
    "normalise_phones",
    "open_source",
    "table_named",
]
